"""torchvision's ResNet, VGG and ViT of any width and for any number of channels, see `layerlib.models`."""

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torchvision.models import VisionTransformer, resnet, vgg

from layerlib._checks import checked, whole_number


class PreactivationBottleneck(resnet.Bottleneck):
    """torchvision's bottleneck, but batch norm and ReLU come before each convolution (He et al. 2016b, fig. 4e).

    The shortcut is never normalised: x itself or, where the shape changes, a convolution of the normalised x.
    """

    def __init__(self, inplanes: int, planes: int, stride: int = 1, downsample=None, *settings, **more):
        super().__init__(inplanes, planes, stride, downsample and downsample[0], *settings, **more)
        self.bn1, self.bn2, self.bn3 = map(nn.BatchNorm2d, (inplanes, *[self.conv1.out_channels] * 2))

    def forward(self, x: Tensor) -> Tensor:
        ready = self.relu(self.bn1(x))
        z = self.conv1(ready)
        z = self.conv2(self.relu(self.bn2(z)))
        z = self.conv3(self.relu(self.bn3(z)))
        return z + (x if self.downsample is None else self.downsample(ready))


RESIDUAL = {
    "resnet18": (resnet.BasicBlock, (2, 2, 2, 2)),
    "resnet50": (resnet.Bottleneck, (3, 4, 6, 3)),
    "preresnet50": (PreactivationBottleneck, (3, 4, 6, 3)),
}
PLAIN = {"vgg16": False, "vgg16_bn": True}  # with batch norm?


class Normalise(nn.Module):
    """Pictures in [0, 1] to the mean and spread of ImageNet's, channel by channel, as its weights expect them."""

    def __init__(self):
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406])[:, None, None])
        self.register_buffer("spread", torch.tensor([0.229, 0.224, 0.225])[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return (x - self.mean) / self.spread


class ResNet(resnet.ResNet):
    """torchvision's ResNet with every number of channels times ``width``."""

    def __init__(self, name: str, classes: int, width: float, channels: int, kernel: int):
        nn.Module.__init__(self)
        block, depths = RESIDUAL[name]
        self._norm_layer, self.dilation, self.groups, self.base_width = nn.BatchNorm2d, 1, 1, 64
        stem, *planes = (max(1, round(width * n)) for n in (64, 64, 128, 256, 512))
        self.inplanes = stem
        self.normalise = nn.Identity()
        self.conv1 = nn.Conv2d(channels, stem, kernel, stride=2, padding=kernel // 2, bias=False)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1) if kernel == 7 else nn.Identity()
        for i, (number, depth) in enumerate(zip(planes, depths, strict=True), start=1):
            setattr(self, f"layer{i}", self._make_layer(block, number, depth, stride=1 if i == 1 else 2))
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        if block is PreactivationBottleneck:  # the first norm is that of the first block, the last comes behind all
            self.bn1 = self.relu = nn.Identity()
            last = nn.BatchNorm2d(planes[-1] * block.expansion)
            self.avgpool = nn.Sequential(last, nn.ReLU(inplace=True), self.avgpool)
        self.fc = nn.Linear(planes[-1] * block.expansion, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.normalise(x))


class VGG(vgg.VGG):
    """torchvision's VGG-16 with every number of channels and hidden nodes times ``width``."""

    def __init__(self, name: str, classes: int, width: float, channels: int, pooled: int, dropout: float):
        plan = [n if n == "M" else max(1, round(width * n)) for n in vgg.cfgs["D"]]
        hidden = max(1, round(width * 4096))
        # the head of the parent's full size would take 100 million weights, only to be replaced here
        nn.Module.__init__(self)
        self.normalise = nn.Identity()
        self.features = vgg.make_layers(plan, batch_norm=PLAIN[name])
        self.features[0] = nn.Conv2d(channels, plan[0], kernel_size=3, padding=1)
        self.avgpool = nn.AdaptiveAvgPool2d(pooled)
        self.classifier = nn.Sequential(
            nn.Linear(plan[-2] * pooled**2, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                mode = "fan_out" if isinstance(module, nn.Conv2d) else "fan_in"
                nn.init.kaiming_normal_(module.weight, mode=mode, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.classifier[-1].weight, std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(self.normalise(x))


class ViT(VisionTransformer):
    """torchvision's Vision Transformer for small pictures of any number of channels (Dosovitskiy et al. 2021).

    Unlike torchvision's, the last layer starts as any linear layer does, not at zero: so that errors are carried back
    from the first step on.

    Parameters
    ----------
    size : pixels along each side of the pictures
    patch : pixels along each side of a patch, by which ``size`` can be divided; each patch is a token
    depth : blocks of attention and a fully connected network, four times as wide
    width : of a token, a multiple of ``heads``
    heads : of each attention
    classes : number of outputs
    channels : of the pictures

    Raises
    ------
    ValueError
        if a number is not a whole one from 1 up, or one cannot be divided by the other

    Examples
    --------
    >>> ViT(28, patch=7, depth=4, width=64, heads=4, classes=10, channels=1)(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    @checked(
        size=whole_number,
        patch=whole_number,
        depth=whole_number,
        width=whole_number,
        heads=whole_number,
        classes=whole_number,
        channels=whole_number,
    )
    def __init__(self, size: int, patch: int, depth: int, width: int, heads: int, classes: int, channels: int = 3):
        for argument, whole, part in (("patch", size, patch), ("heads", width, heads)):
            if whole % part:
                raise ValueError(f"{argument}: expected a number that divides {whole}, got {part}")
        super().__init__(size, patch, depth, heads, width, 4 * width, num_classes=classes)
        if channels != 3:
            self.conv_proj = nn.Conv2d(channels, width, kernel_size=patch, stride=patch)
            nn.init.trunc_normal_(self.conv_proj.weight, std=(channels * patch**2) ** -0.5)
            nn.init.zeros_(self.conv_proj.bias)
        self.heads.head.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        with sdpa_kernel(SDPBackend.MATH):  # the one kind of attention that runs for several networks at once
            return super().forward(x)

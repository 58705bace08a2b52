"""Networks of the chapters, and where to tap them."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from numbers import Integral

import torch
from torch import Tensor, nn
from torchvision import models as torchvision_models
from torchvision.models import VisionTransformer, resnet, vgg

from layerlib._checks import above_zero, checked, choice, flag, share, text, whole_number
from layerlib._torchvision import PLAIN, RESIDUAL, VGG, Normalise, ResNet
from layerlib._torchvision import ViT as ViT

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


def _widths(argument: str, value: object) -> object:
    if not isinstance(value, Iterable):
        raise ValueError(f"{argument}: expected at least two whole numbers from 1 up, got {value!r}")
    return value


@checked(widths=_widths, activation=text, bias=choice("first", "all", "none"), batch_norm=flag)
class MLP(nn.Sequential):
    """Fully connected network whose layers are named ``linear1, relu1, linear2, …`` (Davel et al. 2020, sec. 3.1).

    Weights start uniform in ±√(3/fan_in), of variance 1/fan_in (LeCun et al. 1998), biases at zero.

    Parameters
    ----------
    widths : numbers of nodes from input to output, as in ``(784, 100, 100, 10)``
    activation : "relu", "sigmoid" or "tanh", after every hidden layer; the output is linear
    bias : "first" (only layer 1 has one, as in the paper), "all" or "none"
    batch_norm : normalise the pre-activations of every hidden layer (``norm1, norm2, …``)

    Raises
    ------
    ValueError
        if ``widths`` has no hidden-to-output step or a width below 1, or an option is unknown

    Examples
    --------
    >>> MLP((784, 100, 10))(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, widths: Sequence[int], activation: str = "relu", bias: str = "first", batch_norm: bool = False):
        widths = tuple(widths)
        if len(widths) < 2 or any(not isinstance(w, Integral) or w is True or w < 1 for w in widths):
            raise ValueError(f"widths: expected at least two whole numbers from 1 up, got {widths}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: expected one of {sorted(ACTIVATIONS)}, got {activation!r}")
        if bias not in ("first", "all", "none"):
            raise ValueError(f"bias: expected 'first', 'all' or 'none', got {bias!r}")
        layers = OrderedDict(flatten=nn.Flatten())
        last = len(widths) - 1
        for i, (fan_in, width) in enumerate(pairwise(map(int, widths)), start=1):
            linear = nn.Linear(fan_in, width, bias=bias == "all" or (bias == "first" and i == 1))
            nn.init.uniform_(linear.weight, -((3 / fan_in) ** 0.5), (3 / fan_in) ** 0.5)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
            layers[f"linear{i}"] = linear
            if i < last:
                if batch_norm:
                    layers[f"norm{i}"] = nn.BatchNorm1d(width)
                layers[f"{activation}{i}"] = ACTIVATIONS[activation]()
        super().__init__(layers)

    def __getitem__(self, index: int | slice) -> nn.Module:
        """A layer by number, or several as a plain ``nn.Sequential``."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self.named_children())[index]))
        return super().__getitem__(index)


class CNN(nn.Sequential):
    """Convolutional network of layers of one width, plain or residual, with names like those of `MLP`.

    ``conv1`` cuts the picture into patches of 4 x 4 pixels, the layers behind it see 3 x 3 places of the one before.
    ``conv1, relu1, conv2, …`` make the plain network, z_l = W_l * relu(z_{l-1}) + b_l. In the residual one ``conv2, …``
    are `ResidualConv2d`: z_l = z_{l-1} + W_l * relu(z_{l-1}) + b_l (He et al. 2016). A linear layer reads the mean of
    the last layer over places. Weights start normal with variance 2/fan_in (He et al. 2015), in residual layers by the
    number of layers, biases at zero.

    Parameters
    ----------
    width : channels of every layer
    depth : convolution layers
    classes : number of outputs
    channels : of the pictures
    residual : whether every layer but the first is added to the one before

    Raises
    ------
    ValueError
        if a number is not a whole one from 1 up

    Examples
    --------
    >>> CNN(32, depth=8, classes=10, channels=1, residual=True)(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    @checked(width=whole_number, depth=whole_number, classes=whole_number, channels=whole_number, residual=flag)
    def __init__(self, width: int, depth: int, classes: int, channels: int = 3, residual: bool = False):
        layers = OrderedDict(conv1=nn.Conv2d(channels, width, kernel_size=4, stride=4))
        for i in range(2, depth + 1):
            if not residual:
                layers[f"relu{i - 1}"] = nn.ReLU()
            layers[f"conv{i}"] = (ResidualConv2d if residual else nn.Conv2d)(width, width, kernel_size=3, padding=1)
        layers |= {
            f"relu{depth}": nn.ReLU(),
            "pool": nn.AdaptiveAvgPool2d(1),
            "flatten": nn.Flatten(),
            f"linear{depth + 1}": nn.Linear(width, classes),
        }
        super().__init__(layers)
        for module in self:
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
            if isinstance(module, ResidualConv2d):
                with torch.no_grad():
                    module.weight /= depth**0.5


class ResidualConv2d(nn.Conv2d):
    """Convolution of the positive part of what comes in, added to it: z + W * relu(z) + b (He et al. 2016)."""

    def forward(self, z: Tensor) -> Tensor:
        return z + super().forward(z.relu())


@checked(activation=text)
def dnn6(activation: str = "relu") -> MLP:
    """The network of Xie & Lai 2018: 784-100-100-100-100-100-10, six layers with weights, a bias in each.

    Weights start uniform in ±√(6/(fan_in + fan_out)) (Glorot & Bengio 2010), biases at zero.

    Parameters
    ----------
    activation : as of ``MLP``

    Raises
    ------
    ValueError
        if ``activation`` is unknown

    Examples
    --------
    >>> dnn6()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """
    model = MLP((784, *[100] * 5, 10), activation, bias="all")
    for name in taps(model):
        nn.init.xavier_uniform_(model.get_submodule(name).weight)
    return model


@checked(
    name=text,
    classes=whole_number,
    width=above_zero,
    weights=text,
    channels=whole_number,
    dropout=share,
    stem=whole_number,
)
def build(
    name: str,
    classes: int,
    width: float = 1.0,
    weights: str | None = None,
    channels: int = 3,
    dropout: float = 0.5,
    stem: int = 7,
) -> nn.Module:
    """A convolutional network of torchvision, with its names of layers, for pictures in [0, 1].

    Weights start normal with variance 2/fan_out (He et al. 2015), as torchvision's do. VGG's hidden layers see
    features pooled to one place, or to 7x7 as in the original where ``weights`` are asked for.

    Parameters
    ----------
    name : "resnet18", "resnet50", "preresnet50" (norms first, He et al. 2016b), "vgg16" or "vgg16_bn" (with norms)
    classes, channels : number of outputs, and of channels of the pictures
    width : factor on every number of channels and hidden nodes
    weights : such as "IMAGENET1K_V1", a name of torchvision's weights, fetched by it; all but the output layer start
        from them, and pictures are brought to ImageNet's mean and spread within the network (``normalise``)
    dropout : share of VGG's hidden nodes left out in training; a narrow one hardly learns with half of them gone
    stem : side of a ResNet's first kernel: 7, with pooling behind it, or 3 without, for small pictures

    Raises
    ------
    ValueError
        for an unknown name or stem, a number out of its range, or ``weights`` of another network than this

    Examples
    --------
    >>> build("resnet18", classes=20, width=0.25, channels=1)(torch.zeros(5, 1, 64, 64)).shape
    torch.Size([5, 20])
    """
    if name not in RESIDUAL and name not in PLAIN:
        raise ValueError(f"name: expected one of {[*RESIDUAL, *PLAIN]}, got {name!r}")
    if stem not in (3, 7):
        raise ValueError(f"stem: expected 3 or 7, got {stem!r}")
    if weights is not None and (name == "preresnet50" or (width, channels, stem) != (1, 3, 7)):
        raise ValueError(f"weights: {weights} fit width 1, 3 channels, stem 7, got {name}, {width}, {channels}, {stem}")
    if name in RESIDUAL:
        model = ResNet(name, classes, width, channels, stem)
    else:
        model = VGG(name, classes, width, channels, 7 if weights else 1, dropout)
    if weights is not None:
        known = torchvision_models.get_model_weights(name).__members__
        if weights not in known:
            raise ValueError(f"weights: expected one of {list(known)} for {name}, got {weights!r}")
        state = known[weights].get_state_dict(check_hash=True)
        output = taps(model)[-1] if name in RESIDUAL else "classifier.6"
        own = {f"{output}.{kind}": t for kind, t in model.get_submodule(output).state_dict().items()}
        model.load_state_dict(state | own)
        model.normalise = Normalise()
    # convolutions are up to a third faster so on a CPU, and on a GPU with tensor cores
    return model.to(memory_format=torch.channels_last)


def taps(model: nn.Module) -> list[str]:
    """Names of the layers where ``model`` is read, first to last; the last is its output.

    Of an `MLP` and a `CNN` the pre-activations. Of a `ViT` what each block hands to the next. Of a ResNet the stem
    after its pooling, then every block. Of a VGG every convolution after its activation, or after the pooling where one
    follows (Cao et al. 2022, public code).

    Raises
    ------
    ValueError
        for another network: name its layers yourself, ``capture`` takes any
    """
    if isinstance(model, resnet.ResNet):
        blocks = [f"layer{i}.{k}" for i in range(1, 5) for k in range(len(model.get_submodule(f"layer{i}")))]
        return ["maxpool", *blocks, "fc"]
    if isinstance(model, vgg.VGG):
        kinds = [type(module) for module in model.features] + [None]
        ends = [
            i
            for i, kind in enumerate(kinds[:-1])
            if kind is nn.MaxPool2d or (kind is nn.ReLU and kinds[i + 1] is not nn.MaxPool2d)
        ]
        return [*(f"features.{i}" for i in ends), "classifier"]
    if isinstance(model, VisionTransformer):
        return [*(f"encoder.layers.{name}" for name, _ in model.encoder.layers.named_children()), "heads.head"]
    if isinstance(model, CNN):
        return [name for name, module in model.named_children() if isinstance(module, (nn.Conv2d, nn.Linear))]
    if isinstance(model, MLP):
        prefix = "norm" if any(name.startswith("norm") for name, _ in model.named_children()) else "linear"
        depth = sum(name.startswith("linear") for name, _ in model.named_children())
        return [f"{prefix}{i}" for i in range(1, depth)] + [f"linear{depth}"]
    raise ValueError(
        f"model: taps are fixed for MLP, CNN, ViT, ResNet and VGG, got {type(model).__name__}; "
        "give the names of its layers (model.named_modules()) instead"
    )

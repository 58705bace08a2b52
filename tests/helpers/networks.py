"""Networks as readers bring them, small: each with images, and what of it cannot be read, by instrument and why."""

from types import SimpleNamespace

import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models.convnext import CNBlockConfig, ConvNeXt

from layerlib.data.splits import Split

models = torchvision.models


def picture_split(samples, classes=10, channels=3, side=32, seed=0):
    """Noise, lighter by class."""
    random = torch.Generator().manual_seed(seed)
    labels = torch.arange(samples) % classes
    noise = torch.randint(0, 128, (samples, channels, side, side), generator=random)
    return Split((noise + 12 * labels[:, None, None, None]).to(torch.uint8), labels)


def small_network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(3, 4, 3),
            nn.ReLU(),
            nn.Conv2d(4, 6, 3, bias=False),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 5),
        )


def patches() -> Split:
    generator = torch.Generator().manual_seed(0)
    return Split(
        torch.randint(256, (40, 3, 12, 12), generator=generator, dtype=torch.uint8),
        torch.randint(5, (40,), generator=generator),
    )


class Plain(nn.Module):
    """As one writes it in a script: activations and a view by hand, one layer used twice."""

    def __init__(self, classes: int = 10):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 6, 3, stride=2), nn.Conv2d(6, 6, 3, padding=1)
        self.hidden, self.head = nn.Linear(6 * 7 * 7, 20), nn.Linear(20, classes)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(F.relu(self.conv2(x))))
        x = F.max_pool2d(x, 2).view(x.shape[0], -1)
        return self.head(F.relu_(self.hidden(x)))


class Cut(nn.Module):
    """Two halves between which ``cut`` is called."""

    def __init__(self, cut):
        super().__init__()
        self.first, self.second, self.head, self.cut = nn.Linear(3072, 20), nn.Linear(20, 20), nn.Linear(20, 10), cut

    def forward(self, x):
        return self.head(F.relu(self.second(self.cut(F.relu(self.first(x))))))


class Unrecorded(Cut):
    def __init__(self):
        super().__init__(nn.Identity())

    def forward(self, x):
        with torch.no_grad():
            x = F.relu(self.first(x))
        return self.head(F.relu(self.second(x)))


class Borrowed(nn.Module):
    """Weights that are used without calling their layers."""

    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Linear(3072, 20), nn.Linear(20, 10)

    def forward(self, x):
        return F.linear(F.linear(x.flatten(1), self.first.weight).relu(), self.head.weight)


class Out(nn.Module):
    """A network, and a function of what it puts out."""

    def __init__(self, network, function):
        super().__init__()
        self.network, self.function = network, function

    def forward(self, x):
        return self.function(self.network(x))


class Encoder(nn.Module):
    """Patches as tokens, samples first or second, through the encoder of PyTorch."""

    def __init__(self, batch_first: bool):
        super().__init__()
        self.embed, self.head, self.batch_first = nn.Linear(192, 32), nn.Linear(32, 10), batch_first
        layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=batch_first)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    def forward(self, x):
        x = self.embed(F.unfold(x, 8, stride=8).mT)
        return self.head(self.encoder(x).mean(1) if self.batch_first else self.encoder(x.transpose(0, 1)).mean(0))


class Windowed(nn.Module):
    """Tokens in windows of four, one sample after the other or one window after the other."""

    def __init__(self, samples_first):
        super().__init__()
        self.embed, self.inner, self.norm = nn.Linear(192, 12), nn.Linear(12, 8), nn.LayerNorm(8)
        self.head, self.samples_first = nn.Linear(8, 10), samples_first

    def forward(self, x):
        tokens = self.embed(F.unfold(x, 8, stride=8).mT).unflatten(1, (4, 4))
        windows = tokens if self.samples_first else tokens.transpose(0, 1)
        z = self.norm(self.inner(windows.flatten(0, 1))).relu().unflatten(0, windows.shape[:2])
        return self.head((z if self.samples_first else z.transpose(0, 1)).mean((1, 2)))


class Rows(nn.Module):
    """A recurrent network over the rows of an image."""

    def __init__(self):
        super().__init__()
        self.lstm, self.head = nn.LSTM(96, 16, batch_first=True), nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.lstm(x.permute(0, 2, 1, 3).flatten(2))[0][:, -1])


class Columns(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv1d(96, 8, 3), nn.BatchNorm1d(8), nn.Linear(8, 10)

    def forward(self, x):
        return self.head(F.relu(self.norm(self.conv(x.flatten(1, 2)))).mean(2))


class Numpy(Plain):
    def forward(self, x):
        z = super().forward(torch.from_numpy(x.numpy() if not x.requires_grad else x.detach().numpy()))
        return z + 0 * float(z.sum().numpy())


def unused():
    model = Plain()
    model.spare = nn.Linear(5, 5)
    return model


def spoilt():
    model = Plain()
    model.hidden.weight.data.fill_(torch.nan)
    return model


def normed():
    model = Plain()
    nn.utils.parametrizations.weight_norm(model.hidden)
    return model


def compiled_and_run():
    model = Plain()
    model.compile(backend="eager")
    outer = nn.Sequential(nn.Identity(), model, torch.compile(nn.Linear(10, 10), backend="eager")).eval()
    with torch.no_grad():
        outer(torch.zeros(2, 3, 32, 32))
    return outer


def flat(model):
    return nn.Sequential(nn.Flatten(), model)


def vit():
    model = models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=4, hidden_dim=32, mlp_dim=64, num_classes=10
    )
    nn.init.normal_(model.heads.head.weight)  # zero at first, where no target comes back
    return model


def swin():
    return models.SwinTransformer(
        patch_size=[4, 4], embed_dim=16, depths=[2, 2], num_heads=[2, 4], window_size=[4, 4], num_classes=10
    )


def convnext():
    return ConvNeXt([CNBlockConfig(8, 16, 1), CNBlockConfig(16, None, 1)], num_classes=10)


def kind(make, samples=40, side=32, classes=10, **unread):
    return lambda: (make(), picture_split(samples, classes, side=side), unread)


def passed(kind):  # what cannot be guided, which pictures pass
    return {"unguided": f"({kind})"}


ATTENTION = passed("MultiheadAttention")
OF_OUTPUTS = ("distribution", "patterns", "nodes", "targets", "rank")
NOT_RUN = dict.fromkeys(OF_OUTPUTS, "it did not run")
LOGITS = dict.fromkeys(("targets", "pictures"), "expected logits")
NOT_FINITE = dict.fromkeys((*OF_OUTPUTS, "pictures"), "not finite")
FIRST = dict.fromkeys(OF_OUTPUTS, "not floats with the samples first")
UNREACHED = {"targets": "the loss does not reach it", "pictures": "do not depend on x"}
NETWORKS = {
    "plain": kind(Plain),
    "resnet18": kind(lambda: models.resnet18(num_classes=10), 14, classes=2),
    "mobilenet": kind(lambda: models.mobilenet_v3_small(num_classes=10), 14, classes=2, **passed("SqueezeExcitation")),
    "densenet": kind(lambda: models.DenseNet(8, (2, 2), 16, num_classes=10)),
    "googlenet": kind(lambda: models.googlenet(num_classes=10, init_weights=False), 14, classes=2, **NOT_RUN),
    "inception": kind(lambda: models.inception_v3(num_classes=10, init_weights=False), 14, 75, 2, **NOT_RUN),
    "convnext": kind(convnext),
    "swin": kind(swin, **NOT_RUN, **passed("ShiftedWindowAttention")),
    "vit": kind(vit, **NOT_RUN, **ATTENTION),
    "encoder": kind(lambda: Encoder(True), **NOT_RUN, **ATTENTION),
    "encoder, samples second": kind(lambda: Encoder(False), **FIRST, **ATTENTION),
    "recurrent": kind(Rows, **passed("LSTM")),
    "conv1d": kind(Columns),
    "data parallel": kind(lambda: nn.DataParallel(Plain())),
    "compiled": kind(lambda: torch.compile(Plain(), backend="eager")),
    "compiled within": kind(compiled_and_run),
    "half": kind(lambda: Plain().half()),
    "bfloat16": kind(lambda: Plain().bfloat16()),
    "float64": kind(lambda: Plain().double()),
    "frozen": kind(lambda: Plain().requires_grad_(False)),
    "softmax": kind(lambda: Out(Plain(), lambda z: z.softmax(1)), **LOGITS),
    "log-softmax": kind(lambda: Out(Plain(), lambda z: z.log_softmax(1)), **LOGITS),
    "sigmoid": kind(lambda: Out(Plain(), torch.sigmoid), **LOGITS),
    "dictionary": kind(lambda: Out(Plain(), lambda z: {"logits": z})),
    "object": kind(lambda: Out(Plain(), lambda z: SimpleNamespace(logits=z))),
    "tuple": kind(lambda: Out(Plain(), lambda z: (z, z.sum()))),
    "list of a list": kind(lambda: Out(Plain(), lambda z: [[z], z])),
    "one number": kind(lambda: Out(Plain(), lambda z: z.sum(1)), 20, classes=2),
    "one column": kind(lambda: Out(Plain(), lambda z: 1 - 9 * z[:, :1]), 20, classes=2),
    "one number for many classes": kind(
        lambda: Out(Plain(), lambda z: z.sum(1)), targets="class numbers below 2", pictures="class numbers below 2"
    ),
    "backbone": kind(lambda: nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(True), nn.Conv2d(6, 8, 3)), **LOGITS),
    "tokens": kind(lambda: Out(Plain(), lambda z: z[:, None]), **LOGITS),
    "words": kind(lambda: Out(Plain(), lambda z: "no"), **LOGITS),
    "not finite": kind(spoilt, **NOT_FINITE),
    "detach": kind(lambda: flat(Cut(torch.detach)), **UNREACHED),
    "no_grad": kind(lambda: flat(Unrecorded()), **UNREACHED),
    "numpy": kind(Numpy, targets="RuntimeError: Can't call numpy()", pictures="RuntimeError: Can't call numpy()"),
    "unused layer": kind(unused, **NOT_RUN),
    "borrowed weights": kind(Borrowed, **NOT_RUN),
    "weight norm": kind(normed),
    "tied": kind(lambda: flat(nn.Sequential(nn.Linear(3072, 20), *[nn.Linear(20, 20)] * 2, nn.Linear(20, 10)))),
}

"""Networks of others, small: each with samples, and where and how some of its layers put out what is read of them."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Case(NamedTuple):
    """A network, its samples, what ``inspect`` is told, and layers to be computed again.

    ``layers`` are those computed again, each with where it is read and what makes (n, channels, places) of its output;
    ``unread`` is in the names of layers that are not read.
    """

    model: nn.Module
    data: object
    layers: dict[str, tuple[str, Callable[[Tensor], Tensor]]]
    unread: str = ""


def vectors(z):  # (n, channels)
    return z[..., None]


def maps(z):  # (n, channels, places …)
    return z.flatten(2)


def tokens(z):  # (n, places …, channels)
    return z.flatten(1, -2).mT


def windows(each):  # (n · each, places …, channels)
    return lambda z: z.unflatten(0, (-1, each)).flatten(1, -2).mT


def pictures(size, samples=24, classes=3):
    random, y = torch.Generator().manual_seed(0), torch.arange(samples) % classes
    x = torch.randn(samples, 3, size, size, generator=random)
    x[:, :, : size // 2] += 0.5 * y[:, None, None, None]
    return x, y


# a head at 0, where no target comes back, and blocks that begin as nothing, are set to random numbers
def stirred(model):
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model.eval()


def from_timm(name, size, layers, unread="", samples=24, **options):
    def make():
        import timm

        torch.manual_seed(0)
        model = stirred(timm.create_model(name, num_classes=3, **options))
        return Case(model, pictures(size, samples), layers, unread)

    return make


def from_torchvision(name, size, layers, unread="", **options):
    def make():
        from torchvision.models import get_model

        torch.manual_seed(0)
        return Case(stirred(get_model(name, weights=None, num_classes=3, **options)), pictures(size), layers, unread)

    return make


TIMM = {
    "resnet18": from_timm(
        "resnet18", 64, {"conv1": ("bn1", maps), "layer3.0.conv2": ("layer3.0.bn2", maps), "fc": ("fc", vectors)}
    ),
    "convnext": from_timm(
        "convnext_atto",
        64,
        {
            "stem.0": ("stem.1", maps),
            "stages.1.blocks.0.mlp.fc1": ("stages.1.blocks.0.mlp.fc1", maps),
            "head.fc": ("head.fc", vectors),
        },
    ),
    "vit": from_timm(
        "vit_tiny_patch16_224",
        64,
        {
            "patch_embed.proj": ("patch_embed.proj", maps),
            "blocks.3.attn.qkv": ("blocks.3.attn.qkv", tokens),
            "head": ("head", vectors),
        },
        img_size=64,
    ),
    "swin": from_timm(
        "swin_tiny_patch4_window7_224",
        64,
        {
            "patch_embed.proj": ("patch_embed.proj", maps),
            "layers.2.blocks.1.mlp.fc1": ("layers.2.blocks.1.mlp.fc1", tokens),
            "head.fc": ("head.fc", vectors),
        },
        unread=".attn",
        img_size=64,
        window_size=4,
    ),
    "efficientnet": from_timm(
        "efficientnet_b0",
        64,
        {
            "conv_stem": ("bn1", maps),
            "blocks.2.0.conv_dw": ("blocks.2.0.bn2", maps),
            "classifier": ("classifier", vectors),
        },
    ),
    "regnet": from_timm("regnety_002", 64, {"stem.conv": ("stem.bn", maps), "head.fc": ("head.fc", vectors)}),
    "mixer": from_timm(
        "mixer_s32_224",
        64,
        {"blocks.2.mlp_channels.fc1": ("blocks.2.mlp_channels.fc1", tokens), "head": ("head", vectors)},
        img_size=64,
    ),
    "mobilevit": from_timm("mobilevit_xxs", 64, {"stem.conv": ("stem.bn", maps), "head.fc": ("head.fc", vectors)}),
    "edgenext": from_timm(
        "edgenext_xx_small", 64, {"stem.0": ("stem.1", maps), "head.fc": ("head.fc", vectors)}, unread="pos_embd"
    ),
    "poolformer": from_timm(
        "poolformerv2_s12", 64, {"stem.conv": ("stem.norm", maps), "head.fc": ("head.fc", vectors)}
    ),
}
# its MBConv's, its windows and its grid; 40 pictures of the size that it was made for took 9 GB
MAXVIT = {
    "stem.conv1": ("stem.norm1", maps),
    "stages.1.blocks.0.attn_block.attn.qkv": ("stages.1.blocks.0.attn_block.attn.qkv", windows(16)),
    "stages.2.blocks.1.attn_grid.mlp.fc1": ("stages.2.blocks.1.attn_grid.mlp.fc1", tokens),
    "head.fc": ("head.fc", vectors),
}
TIMM["maxvit"] = from_timm("maxvit_nano_rw_256", 64, MAXVIT, unread="rel_pos", img_size=64)
LARGE = {"timm maxvit, 40 of 256 x 256": from_timm("maxvit_nano_rw_256", 256, MAXVIT, unread="rel_pos", samples=40)}
TORCHVISION = {
    "alexnet": from_torchvision(
        "alexnet", 64, {"features.3": ("features.3", maps), "classifier.6": ("classifier.6", vectors)}
    ),
    "squeezenet": from_torchvision("squeezenet1_1", 64, {"features.0": ("features.0", maps)}),
    "shufflenet": from_torchvision("shufflenet_v2_x0_5", 64, {"conv1.0": ("conv1.1", maps), "fc": ("fc", vectors)}),
    "mnasnet": from_torchvision("mnasnet0_5", 64, {"layers.0": ("layers.1", maps)}),
    "mobilenet": from_torchvision("mobilenet_v3_small", 64, {"features.0.0": ("features.0.1", maps)}),
    "densenet": from_torchvision("densenet121", 64, {"classifier": ("classifier", vectors)}),
}
# a network of each other family of torchvision's: pixels a side, and options
FAMILIES = {
    "convnext_tiny": (64, {}),
    "efficientnet_v2_s": (64, {}),
    "googlenet": (64, {"init_weights": False}),
    "inception_v3": (96, {"init_weights": False}),
    "maxvit_t": (224, {}),
    "mobilenet_v2": (64, {}),
    "regnet_y_400mf": (64, {}),
    "resnext50_32x4d": (64, {}),
    "swin_t": (64, {}),
    "swin_v2_t": (64, {}),
    "vgg11_bn": (64, {}),
    "vit_b_32": (64, {"image_size": 64}),
    "wide_resnet50_2": (64, {}),
}


def family(name):
    size, options = FAMILIES[name]
    return from_torchvision(name, size, {}, **options)()


def sequences(samples=32, words=30, length=9):
    random, y = torch.Generator().manual_seed(0), torch.arange(samples) % 3
    ids = torch.randint(words, (samples, length), generator=random)
    ids[:, 1] = y
    return ids, y


def vit():
    import transformers

    torch.manual_seed(0)
    config = transformers.ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        num_labels=3,
    )
    x, y = pictures(32)
    layers = {
        "vit.embeddings.patch_embeddings.projection": ("vit.embeddings.patch_embeddings.projection", maps),
        "classifier": ("classifier", vectors),
    }
    model = stirred(transformers.ViTForImageClassification(config))
    return Case(model, [{"pixel_values": x, "labels": y}], layers, "vit.embeddings")


def bert():
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=30,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=40,
        max_position_embeddings=16,
        num_labels=3,
    )
    ids, y = sequences()
    name = "bert.encoder.layer.1.intermediate.dense"
    layers = {name: (name, tokens), "classifier": ("classifier", vectors)}
    model = stirred(transformers.BertForSequenceClassification(config))
    return Case(model, {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": y}, layers)


def gpt2():
    import transformers

    torch.manual_seed(0)
    config = transformers.GPT2Config(
        vocab_size=30, n_embd=32, n_layer=2, n_head=2, n_positions=16, num_labels=3, pad_token_id=29
    )
    ids, y = sequences(words=29)
    layers = {"transformer.h.1.mlp.c_fc": ("transformer.h.1.mlp.c_fc", tokens)}
    return Case(stirred(transformers.GPT2ForSequenceClassification(config)), [{"input_ids": ids, "labels": y}], layers)


class Letters(nn.Module):
    """A character LSTM, as in tutorials: it gives back its state, too."""

    def __init__(self):
        super().__init__()
        self.embed, self.lstm, self.top = nn.Embedding(30, 8), nn.LSTM(8, 16, 2, batch_first=True), nn.Linear(16, 3)

    def forward(self, text):
        z, state = self.lstm(self.embed(text))
        return self.top(z[:, -1]), state


def letters():
    torch.manual_seed(0)
    return Case(stirred(Letters()), sequences(), {"lstm": ("lstm", tokens), "top": ("top", vectors)})


def table(name):
    def make():
        from sklearn import datasets

        found = getattr(datasets, f"load_{name}")()
        torch.manual_seed(0)
        x = (found.data - found.data.mean(0)) / found.data.std(0)
        model = nn.Sequential(nn.Linear(x.shape[1], 16), nn.ReLU(), nn.Linear(16, len(found.target_names)))
        return Case(stirred(model), (x, found.target), {"0": ("0", vectors), "2": ("2", vectors)})

    return make


def sound():
    """Tones in noise, through convolutions of one dimension."""
    torch.manual_seed(0)
    random, y = torch.Generator().manual_seed(0), torch.arange(60) % 3
    time = torch.arange(400) / 400
    x = torch.sin(2 * torch.pi * 20 * (y + 1)[:, None] * time) + torch.randn(60, 400, generator=random)
    model = nn.Sequential(
        nn.Conv1d(1, 8, 25, 4),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.MaxPool1d(4),
        nn.Conv1d(8, 12, 5),
        nn.ReLU(),
        nn.AdaptiveAvgPool1d(1),
        nn.Flatten(),
        nn.Linear(12, 3),
    )
    return Case(stirred(model), (x[:, None], y), {"0": ("1", maps), "4": ("4", maps), "8": ("8", vectors)})


class UNet(nn.Module):
    """Down, up by a transposed convolution, across; classed by the mean of its last map."""

    def __init__(self):
        super().__init__()
        self.down, self.inner, self.up = (
            nn.Conv2d(3, 6, 3, 2, 1),
            nn.Conv2d(6, 8, 3, 2, 1),
            nn.ConvTranspose2d(8, 6, 2, 2),
        )
        self.out = nn.Conv2d(12, 3, 1)

    def forward(self, x):
        first = F.silu(self.down(x))
        return self.out(torch.cat([self.up(F.silu(self.inner(first))), first], 1)).mean((2, 3))


def unet():
    torch.manual_seed(0)
    return Case(stirred(UNet()), pictures(32, 36), {name: (name, maps) for name in ("down", "inner", "up", "out")})


OWN = {
    "hf vit": vit,
    "hf bert": bert,
    "hf gpt2": gpt2,
    "char-lstm": letters,
    "iris": table("iris"),
    "wine": table("wine"),
    "breast cancer": table("breast_cancer"),
    "sound": sound,
    "u-net": unet,
}
CASES = {f"timm {name}": make for name, make in TIMM.items()} | {
    f"torchvision {name}": make for name, make in TORCHVISION.items()
}
CASES |= OWN

"""A network watched while it trains: its outputs now and then, and an internal classifier trained along with it."""

import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib._checks import first_parameter
from layerlib._forward import evaluated
from layerlib.distributions._features import pooled_features
from layerlib.layers._channels import widths_of
from layerlib.layers.capture import capture, passes


class OutputWatch:
    """Callback of ``fit``: what the network makes of some pictures every so many steps, in evaluation mode.

    Parameters
    ----------
    images : uint8, shape (N, C, H, W)
    every : steps between two looks; the first is before training

    Attributes
    ----------
    steps : list of the steps it looked after
    logits : list of tensors, shape (N, …) each, on the CPU

    Raises
    ------
    ValueError
        if ``every`` is below 1, or ``images`` are not uint8
    """

    def __init__(self, images: Tensor, every: int, batch_size: int = 500):
        if every < 1:
            raise ValueError(f"every: expected at least 1 step, got {every}")
        if images.dtype != torch.uint8:
            raise ValueError(f"images: expected uint8 pixels, 0 to 255, got {images.dtype}")
        self.images, self.every, self.batch_size = images, every, batch_size
        self.steps: list[int] = []
        self.logits: list[Tensor] = []

    def __call__(self, step: int, model: nn.Module) -> None:
        if step % self.every:
            return
        self.logits.append(torch.cat(list(evaluated(model, self.images, self.batch_size))).cpu())
        self.steps.append(step)

    def __repr__(self) -> str:
        shown = hashlib.sha256(self.images.cpu().numpy().tobytes()).hexdigest()[:12]
        return f"OutputWatch(images={shown}, every={self.every})"

    def state_dict(self) -> dict:
        return {"steps": list(self.steps), "logits": list(self.logits)}

    def load_state_dict(self, state: dict) -> None:
        self.steps, self.logits = list(state["steps"]), [logits.cpu() for logits in state["logits"]]


class WithClassifier(nn.Module):
    """A network with one internal classifier that trains along with it (Cao et al. 2022, secs. 4.2 and 7.2).

    The classifier is a fully connected layer on the pooled output of one layer. Its loss trains the network too
    (``auxiliary=True``: an auxiliary loss, Lee et al. 2015), or only itself. Train it with ``joint_cross_entropy`` and
    without a validation split, which knows of one output only.

    Parameters
    ----------
    model : any module that puts out logits (N, K); it is trained in place
    name : layer that the classifier reads, averaged over all places
    classes : K
    example : one picture or more, uint8, shape (N, C, H, W), to find the number of features
    auxiliary : whether the classifier's loss reaches the network

    Raises
    ------
    ValueError
        for an unknown layer, or if the network puts out anything but (N, ``classes``)

    Examples
    --------
    >>> both = WithClassifier(build("vgg16", 20, channels=1), "features.1", 20, data.train.images[:1], auxiliary=True)
    >>> both(torch.zeros(5, 1, 64, 64)).shape
    torch.Size([5, 2, 20])
    """

    def __init__(self, model: nn.Module, name: str, classes: int, example: Tensor, auxiliary: bool):
        super().__init__()
        self.model, self.name, self.auxiliary = model, name, auxiliary
        parameter = first_parameter(model)
        output, seen = next(passes(model, [name], example, len(example)))
        self._widths = widths_of(model)
        features = self._read(seen[name]).shape[1]
        if output.shape[1:] != (classes,):
            raise ValueError(f"classes: expected {tuple(output.shape[1:])}, what the network puts out, got {classes}")
        self.classifier = nn.Linear(features, classes, device=parameter.device, dtype=parameter.dtype)

    def extra_repr(self) -> str:
        # a store of training runs names them by this too
        return f"name={self.name!r}, auxiliary={self.auxiliary}"

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the internal classifier and of the network, shape (N, 2, K)."""
        with capture(self.model, [self.name]) as seen:
            output = self.model(x)
            read = self._read(seen[self.name])
        return torch.stack([self.classifier(read if self.auxiliary else read.detach()), output], 1)

    def _read(self, output: Tensor) -> Tensor:
        return pooled_features(output, 1, self.model.get_submodule(self.name), self._widths)


def joint_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Binary cross-entropy of the internal classifier plus that of the network, each averaged over classes; (N,).

    Parameters
    ----------
    logits : shape (N, 2, K), of ``WithClassifier``
    labels : multi-hot, shape (N, K)

    Raises
    ------
    ValueError
        if the labels are not one row of K for every sample
    """
    if labels.shape != logits.shape[::2]:
        raise ValueError(f"labels: expected multi-hot {tuple(logits.shape[::2])}, got {tuple(labels.shape)}")
    both = labels.to(logits.dtype)[:, None].expand_as(logits)
    return F.binary_cross_entropy_with_logits(logits, both, reduction="none").mean(-1).sum(-1)

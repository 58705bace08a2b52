"""A network watched while it trains: its outputs now and then, and an internal classifier trained along with it."""

import copy
import hashlib

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib._checks import checked, flag, text, whole_number
from layerlib._forward import evaluated
from layerlib._tensors import first_parameter, network, pixels, samples
from layerlib.distributions._features import pooled_features
from layerlib.layers._channels import widths_of
from layerlib.layers.capture import capture, passes


@checked(images=pixels, every=whole_number, batch_size=whole_number)
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
        whole_number("every", every)
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


@checked(
    model=network,
    name=text,
    classes=whole_number,
    example=samples,
    auxiliary=flag,
    pool=whole_number,
    teacher=network,
)
class WithClassifier(nn.Module):
    """A network with one internal classifier that trains along with it (Cao et al. 2022, secs. 4.2 and 7.2).

    The classifier is a fully connected layer on the pooled output of one layer. Its loss trains the network too
    (``auxiliary=True``: an auxiliary loss, Lee et al. 2015), or only itself. Train it with ``joint_cross_entropy``, or
    with ``joint_squared_error``, the paper's equation 6. A validation split needs ``until`` beside it, since validation
    errors are of one output.

    Parameters
    ----------
    model : any module that puts out logits (N, K); it is trained in place
    name : layer that the classifier reads
    classes : K
    example : one picture or more, uint8, shape (N, C, H, W), to find the number of features
    auxiliary : whether the classifier's loss reaches the network
    pool : grid of the average pooling, as of ``LayerProbes``
    teacher : a finished network that the classifier is to copy; a frozen copy of it runs along, in evaluation mode. By
        default the network is its own teacher

    Raises
    ------
    ValueError
        for an unknown layer, or if the network, or the teacher, puts out anything but (N, ``classes``)

    Examples
    --------
    >>> both = WithClassifier(build("vgg16", 20, channels=1), "features.1", 20, data.train.images[:1], auxiliary=True)
    >>> both(torch.zeros(5, 1, 64, 64)).shape
    torch.Size([5, 2, 20])
    """

    def __init__(
        self,
        model: nn.Module,
        name: str,
        classes: int,
        example: Tensor,
        auxiliary: bool,
        pool: int = 1,
        teacher: nn.Module | None = None,
    ):
        super().__init__()
        self.model, self.name, self.auxiliary, self.pool = model, name, auxiliary, whole_number("pool", pool)
        self._widths = widths_of(model)
        parameter = first_parameter(model)
        output, seen = next(passes(model, [name], example, len(example)))
        features = self._read(seen[name]).shape[1]
        _check_classes("the network", output, classes)
        self.teacher = None
        if teacher is not None:
            _check_classes("the teacher", next(evaluated(teacher, example, len(example))), classes)
            self.teacher = copy.deepcopy(teacher).to(parameter).requires_grad_(False).eval()
        self.classifier = nn.Linear(features, classes, device=parameter.device, dtype=parameter.dtype)

    def extra_repr(self) -> str:
        return f"name={self.name!r}, auxiliary={self.auxiliary}, pool={self.pool}"

    def train(self, mode: bool = True) -> "WithClassifier":
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Logits of the internal classifier and of the network, shape (N, 2, K); with a teacher (N, 3, K), its last."""
        with capture(self.model, [self.name]) as seen:
            output = self.model(x)
            read = self._read(seen[self.name])
        answers = [self.classifier(read if self.auxiliary else read.detach()), output]
        if self.teacher is not None:
            with torch.no_grad():
                answers.append(self.teacher(x))
        return torch.stack(answers, 1)

    def _read(self, output: Tensor) -> Tensor:
        return pooled_features(output, self.pool, self.model.get_submodule(self.name), self._widths)


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
    _check_labels(logits, labels)
    both = labels.to(logits)[:, None].expand_as(logits[:, :2])
    return F.binary_cross_entropy_with_logits(logits[:, :2], both, reduction="none").mean(-1).sum(-1)


def joint_squared_error(logits: Tensor, labels: Tensor) -> Tensor:
    """‖f(x) - f'(x)‖² of the internal classifier f and its teacher f' plus the network's own cross-entropy; (N,).

    Equation 6 of Cao et al. (2022), f and f' being sigmoids, which sec. 4.2 takes for the auxiliary loss. The binary
    cross-entropy of the network to the labels is averaged over classes. The teacher is the third of the ``logits``
    where there is one, else the network itself; it learns nothing from its student.

    Parameters
    ----------
    logits : shape (N, 2, K), or (N, 3, K) with a teacher, of ``WithClassifier``
    labels : multi-hot, shape (N, K)

    Raises
    ------
    ValueError
        if the labels are not one row of K for every sample
    """
    _check_labels(logits, labels)
    student, own, teacher = logits[:, 0], logits[:, 1], logits[:, -1].detach()
    own_loss = F.binary_cross_entropy_with_logits(own, labels.to(own), reduction="none").mean(-1)
    return (student.sigmoid() - teacher.sigmoid()).square().sum(-1) + own_loss


def _check_classes(who: str, output: Tensor, classes: int) -> None:
    if output.shape[1:] != (classes,):
        raise ValueError(f"classes: expected {tuple(output.shape[1:])}, what {who} puts out, got {classes}")


def _check_labels(logits: Tensor, labels: Tensor) -> None:
    if logits.ndim != 3 or logits.shape[1] not in (2, 3):
        raise ValueError(f"logits: expected shape (N, 2, K), or (N, 3, K) with a teacher, got {tuple(logits.shape)}")
    if labels.shape != logits.shape[::2]:
        raise ValueError(f"labels: expected multi-hot {tuple(logits.shape[::2])}, got {tuple(labels.shape)}")

"""Internal classifiers: one linear layer with a sigmoid on every tap, all trained in one pass (Cao et al. 2022)."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from layerlib.data.load import Split
from layerlib.distributions._features import Features, fill, pooled_features, read_taps, room
from layerlib.layers.capture import capture

PIECE = 10_000  # samples


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the sigmoids to ``targets`` in [0, 1], entry by entry."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """Squared difference of the sigmoids to a teacher's output, entry by entry (Cao et al. 2022, eq. 6)."""
    return (logits.sigmoid() - targets).square()


class LayerProbes:
    """Linear classifiers on the taps of a frozen network (Cao et al. 2022, sec. 6.1; Alain & Bengio 2016).

    A tap's output is averaged over a grid of ``pool`` x ``pool`` places (tokens: over all of them), then one fully
    connected layer and a sigmoid give a probability for each class. A last tap that is the network's own output needs
    no probe: its sigmoid is taken. The probes of all taps are one batch of matrices, trained side by side.

    Parameters
    ----------
    model : any module; it is read in evaluation mode and not changed
    names : taps, as ``layerlib.models.taps(model)`` gives them or any names of ``model.named_modules()``
    classes : K
    pool : grid of the average pooling

    Attributes
    ----------
    weight, bias : shapes (probes, K, F) and (probes, K), None before training; F as of ``Features``

    Raises
    ------
    ValueError
        for an unknown layer, no layer, or ``classes`` or ``pool`` below 1

    Examples
    --------
    >>> model = build("resnet18", classes=20, channels=1)
    >>> probes = LayerProbes(model, taps(model), classes=20)
    >>> probes.fit(data.train, epochs=100)
    >>> probes.predict(data.test.images).shape
    torch.Size([10, 2000, 20])
    """

    def __init__(self, model: nn.Module, names: Sequence[str], classes: int, pool: int = 1):
        for argument, value in (("classes", classes), ("pool", pool)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{argument}: expected a whole number from 1 up, got {value!r}")
        with capture(model, names) as seen:  # refuses a name that is no layer
            self.names = seen.names
        self.model, self.classes, self.pool = model, classes, pool
        self.weight: Tensor | None = None
        self.bias: Tensor | None = None

    def features(self, split: Split, batch_size: int = 500, memory: float = 2e9,
                 progress: str | None = None) -> Features:
        """Run the network once over ``split`` and keep what the taps gave, pooled, on the device of the network.

        That takes probes x N x F numbers of the network's precision: 10,000 pictures on the nine inner taps of a
        ResNet-18, 184 MB; with ``pool=4`` sixteen times as much.

        Parameters
        ----------
        memory : bytes; features that need more are kept in a temporary file, which ends with them
        progress : label of the progress bar; none is shown without it, nor under CI
        """
        pooled, outputs, end = None, [], 0
        for images in _bar(split.images.split(batch_size), progress, "batch"):
            each, output = self._tapped(images)
            if pooled is None:
                sizes = tuple(x.shape[1] for x in each)
                pooled = room((len(each), len(split), max(sizes, default=0)), self._parameter, memory)
            start, end = end, end + len(images)
            fill(pooled[:, start:end], each)
            outputs += [] if output is None else [output.to(pooled.device)]
        return Features(pooled, torch.cat(outputs) if outputs else None, split.labels.to(pooled.device), sizes)

    def fit(self, split: Split | Features, targets: Tensor | None = None, *, epochs: int = 100, batch_size: int = 128,
            rate: float = 0.01, momentum: float = 0.9, weight_decay: float = 1e-4,
            loss: Callable[[Tensor, Tensor], Tensor] = binary_cross_entropy, seed: int = 0,
            callbacks: Iterable[Callable] = (), progress: str | None = None) -> Tensor:
        """Train all probes in one pass; the network is not changed. The defaults are the paper's settings.

        Parameters
        ----------
        split : labelled pictures, or their ``features`` where they are there already
        targets : in [0, 1], shape (N, K), such as the output of a teacher; by default the labels. Class numbers,
            int64 (N,), as labels or targets, count as one-hot: each class is told from all others
        rate : of learning; a tenth of it after 40 % of the epochs, a hundredth after 80 %
        loss : logits and targets, both (probes, n, K) -> (probes, n, K), averaged over samples and classes:
            ``binary_cross_entropy`` or, with a teacher, ``squared_error``
        seed : of the first weights and the order of the samples, neither of which depends on the other taps
        callbacks : each called as ``callback(epoch, probes)``, with epoch 0 before training, then after every epoch

        Returns
        -------
        float64, shape (epochs, probes), mean loss of each epoch; empty where the only tap is the network's output

        Raises
        ------
        ValueError
            if labels or targets are neither (N, K) in [0, 1] nor class numbers below K, ``epochs`` or ``batch_size``
            is below 1, or the loss is not finite
        """
        targets = self._targets(split.labels, targets)
        if epochs < 1 or batch_size < 1:
            raise ValueError(f"epochs, batch_size: expected at least 1, got {epochs} and {batch_size}")
        features = split if isinstance(split, Features) else self.features(split, progress=progress)
        parameters = [t.requires_grad_() for t in self._first_weights(features.sizes, seed)]
        self.weight, self.bias = (t.detach() for t in parameters)  # the same memory: callbacks see it change
        update = torch.optim.SGD(parameters, lr=rate, momentum=momentum, weight_decay=weight_decay)
        order = torch.Generator().manual_seed(seed)
        callbacks, losses = tuple(callbacks), []
        for callback in callbacks:
            callback(0, self)
        for epoch in _bar(range(1, epochs + 1), progress, "epoch"):
            update.param_groups[0]["lr"] = rate * 0.1 ** (5 * (epoch - 1) // (2 * epochs))
            rows = torch.randperm(len(features), generator=order).to(features.pooled.device)
            losses.append(_epoch(features, targets, rows.split(batch_size), parameters, update, loss))
            if not losses[-1].isfinite().all():
                raise ValueError(f"loss: not finite in epoch {epoch} ({losses[-1].tolist()}); lower rate from {rate}")
            for callback in callbacks:
                callback(epoch, self)
        return torch.stack(losses)

    def logits(self, features: Features) -> Tensor:
        """Logits of every tap, the network's own output last if it is one; shape (L, N, K).

        Raises
        ------
        ValueError
            if the features are of other taps, or of another pooling, than the probes were trained on
        """
        self._check_fitted()
        found, expected = tuple(features.pooled.shape[::2]), tuple(self.weight.shape[::2])
        if found != expected:
            raise ValueError(f"features: expected {expected[0]} probes with up to {expected[1]} features, as in "
                             f"training, got {found[0]} with up to {found[1]}")
        return self._logits(features.pooled, features.output)

    def predict(self, images: Tensor | Features, batch_size: int = 500) -> Tensor:
        """Probability of each class at every tap, for ``images`` uint8 (N, C, H, W) or their features; (L, N, K)."""
        if isinstance(images, Features):
            return self.logits(images).sigmoid()
        return torch.cat(list(self.stream(images, batch_size)), 1)

    def stream(self, images: Tensor, batch_size: int = 500) -> Iterator[Tensor]:
        """The same batch by batch, (L, n, K) each, so that memory does not grow with the number of pictures."""
        self._check_fitted()
        return map(self._probabilities, images.split(batch_size))

    def probability(self, name: str, output: Tensor) -> Tensor:
        """What the probe of one tap makes of that tap's output (n, …): probabilities, shape (n, K).

        Raises
        ------
        ValueError
            if ``name`` is not one of the taps
        """
        self._check_fitted()
        if name not in self.names:
            raise ValueError(f"name: expected one of the taps, {list(self.names)}, got {name!r}")
        i = self.names.index(name)
        if i == len(self.bias):
            return output.sigmoid()
        pooled = pooled_features(output, self.pool)
        return F.linear(pooled, self.weight[i, :, : pooled.shape[1]], self.bias[i]).sigmoid()

    @property
    def _parameter(self) -> Tensor:
        return next(self.model.parameters())

    def _tapped(self, images: Tensor) -> tuple[list[Tensor], Tensor | None]:
        """Features of every tap that needs a probe, (n, F) each, and the network's own logits (n, K), if tapped."""
        each, output = read_taps(self.model, self.names, images, self.pool)
        if output is not None and output.shape[1:] != (self.classes,):
            raise ValueError(f"classes: expected {tuple(output.shape[1:])}, what the network puts out, "
                             f"got {self.classes}")
        return each, output

    def _probabilities(self, images: Tensor) -> Tensor:
        each, output = self._tapped(images)
        pooled = self.weight.new_zeros(len(each), len(images), self.weight.shape[2])
        fill(pooled, each)
        return self._logits(pooled, output).sigmoid()

    def _logits(self, pooled: Tensor, output: Tensor | None) -> Tensor:
        device = self.weight.device
        # piece by piece, for features that are in a file and larger than the memory of a GPU
        pieces = [_linear(piece.to(device), self.weight, self.bias) for piece in pooled.split(PIECE, 1)]
        own = [] if output is None else [output.to(device)[None]]
        return torch.cat([torch.cat(pieces, 1), *own])

    def _first_weights(self, sizes: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
        """Uniform in ±1/√(features of the layer), as of ``nn.Linear``, from the same draws for every probe."""
        random = torch.Generator().manual_seed(seed)
        drawn = torch.rand(max(sizes, default=0) + 1, self.classes, generator=random, dtype=torch.float64) * 2 - 1
        size, column = torch.tensor(sizes, dtype=torch.float64)[:, None, None], torch.arange(len(drawn))
        # column 0 is the bias; those beyond the features of a layer are zero and stay so
        started = torch.where(column <= size, drawn.T / size.sqrt(), 0).to(self._parameter)
        return started[:, :, 1:].clone(), started[:, :, 0].clone()

    def _targets(self, labels: Tensor, targets: Tensor | None) -> Tensor:
        name, given = ("labels", labels) if targets is None else ("targets", targets)
        expected = (len(labels), self.classes)
        smallest, largest = given.min().item(), given.max().item()
        if given.dtype == torch.int64 and given.shape == labels.shape[:1]:
            if not 0 <= smallest <= largest < self.classes:
                raise ValueError(f"{name}: expected class numbers 0 to {self.classes - 1}, "
                                 f"got {smallest} to {largest}")
            given = F.one_hot(given, self.classes)
        elif tuple(given.shape) != expected:
            raise ValueError(f"{name}: expected shape {expected}, or class numbers, int64 {expected[:1]}, "
                             f"got {given.dtype} {tuple(given.shape)}")
        elif not 0 <= smallest <= largest <= 1:
            raise ValueError(f"{name}: expected numbers in [0, 1], got {smallest:g} to {largest:g}")
        return given.to(self._parameter)

    def _check_fitted(self) -> None:
        if self.weight is None:
            raise RuntimeError("the probes have not been trained yet: call fit first")


def _epoch(features: Features, targets: Tensor, batches: Iterable[Tensor], parameters: Sequence[Tensor],
           update: torch.optim.Optimizer, loss: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """A step for each of ``batches``, the numbers of its samples; the mean loss of each probe, float64, on the CPU."""
    weight, bias = parameters
    total = torch.zeros(len(weight), dtype=torch.float64, device=weight.device)
    for rows in batches:
        logits = _linear(features.pooled.index_select(1, rows).to(weight.device), weight, bias)
        each = loss(logits, targets[rows].expand_as(logits)).mean((1, 2))
        update.zero_grad()
        each.sum().backward()
        update.step()
        total += len(rows) * each.detach()
    return total.cpu() / len(features)


def _linear(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """``F.linear`` of every probe: (P, n, F), (P, K, F), (P, K) -> (P, n, K)."""
    # in this order the gradient of the weight is a product along rows: on a CPU a step is a third shorter
    return torch.baddbmm(bias[:, :, None], weight, x.mT).mT


def _bar(steps: Iterable, label: str | None, unit: str) -> tqdm:
    quiet = label is None or bool(os.environ.get("CI") or os.environ.get("TQDM_DISABLE"))
    return tqdm(steps, desc=label, disable=quiet, unit=unit, leave=False)

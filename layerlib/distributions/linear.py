"""Linear classifiers on features, a sigmoid for each class: those of many layers trained side by side."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor
from torch.nn import functional as F

from layerlib._checks import above_zero, any_whole_number, checked, from_zero, function, functions, whole_number
from layerlib._precision import own_precision
from layerlib._tensors import all_finite, as_tensor
from layerlib._threads import one_thread
from layerlib.distributions._descent import Descent, Loss, alike, check_finite, logits_of, one_epoch
from layerlib.distributions._features import Features, as_features, bar
from layerlib.distributions._labels import targets_of
from layerlib.distributions._logistic import logistic_regression

PIECE = 10_000  # samples


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Binary cross-entropy of the sigmoids to ``targets`` in [0, 1], entry by entry."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def squared_error(logits: Tensor, targets: Tensor) -> Tensor:
    """Squared difference of the sigmoids to a teacher's output, entry by entry (Cao et al. 2022, eq. 6)."""
    return (logits.sigmoid() - targets).square()


class LinearProbes:
    """A linear layer and a sigmoid on the features of each layer (Cao et al. 2022, sec. 6.1; Alain & Bengio 2016).

    The probes of layers of about one width are one batch of matrices, and none depends on the others.

    Parameters
    ----------
    classes : K

    Attributes
    ----------
    weight, bias : shapes (L, K, F) and (L, K), None before training

    Raises
    ------
    ValueError
        if ``classes`` is no whole number from 1 up

    Examples
    --------
    >>> probes = LinearProbes(classes=10)
    >>> losses = probes.fit(torch.rand(3, 500, 64), torch.arange(500) % 10)
    >>> probes.predict(torch.rand(3, 200, 64)).shape
    torch.Size([3, 200, 10])
    """

    @checked(classes=whole_number)
    def __init__(self, classes: int):
        self.classes = classes
        self.weight: Tensor | None = None
        self.bias: Tensor | None = None

    @torch.inference_mode(False)
    @checked(penalty=above_zero)
    def fit(
        self,
        features: Tensor | Features,
        targets: Tensor | None = None,
        *,
        penalty: float = 1.0,
        progress: str | None = None,
    ) -> Tensor:
        """Take every probe to its optimum, that of logistic regression, each class against all others.

        It is where Σ binary cross-entropy + ½ penalty ‖w‖² is least, w being the weights of features brought to mean 0
        and variance 1; with scikit-learn: ``LogisticRegression(C=1 / penalty)`` behind a ``StandardScaler``.

        Parameters
        ----------
        features : shape (L, N, F) for L layers, or (N, F); or what ``LayerProbes.features`` gives
        targets : class numbers, int64 (N,), of which each class is told from all others; or in [0, 1], shape (N, K),
            such as multi-hot labels or the output of a teacher; by default the labels that ``Features`` come with
        penalty : above 0
        progress : label of the progress bar; none is shown without it, nor under CI

        Returns
        -------
        float64, shape (L,), mean binary cross-entropy of each probe

        Raises
        ------
        ValueError
            if the targets are neither (N, K) in [0, 1] nor class numbers below K, ``penalty`` is not above 0, or the
            features are not finite
        """
        features, targets = self._given(features, targets)
        weight, bias = (t.zero_() for t in self._first_weights(features, seed=0))
        losses = torch.zeros(len(weight), dtype=torch.float64)
        for i, size in enumerate(bar(features.sizes, progress, "layer")):
            # a layer at a time: none waits for the slowest, and one only of many features is in memory twice
            x = features.pooled[i, :, :size]
            with one_thread(x.numel()):
                weight[i, :, :size], bias[i], losses[i] = logistic_regression(x, targets, penalty)
        self.weight, self.bias = weight, bias
        return losses

    @torch.inference_mode(False)
    @torch.enable_grad()
    @checked(
        epochs=whole_number,
        batch_size=whole_number,
        rate=above_zero,
        momentum=from_zero,
        weight_decay=from_zero,
        loss=function,
        seed=any_whole_number,
        callbacks=functions,
    )
    def train(
        self,
        features: Tensor | Features,
        targets: Tensor | None = None,
        *,
        epochs: int = 100,
        batch_size: int = 128,
        rate: float = 0.01,
        momentum: float = 0.9,
        weight_decay: float = 1e-4,
        loss: Callable[[Tensor, Tensor], Tensor] = binary_cross_entropy,
        seed: int = 0,
        callbacks: Iterable[Callable] = (),
        progress: str | None = None,
    ) -> Tensor:
        """Train all probes in one pass, step by step, as the paper does: the defaults are its schedule.

        After it probes of small features are still far from what ``fit`` gives.

        Parameters
        ----------
        features, targets : as of ``fit``
        epochs, batch_size : how often all samples are seen, and how many make a step
        momentum, weight_decay : of stochastic gradient descent
        rate : of learning; a tenth of it after 40 % of the epochs, a hundredth after 80 %
        loss : logits and targets, both (L, n, K) -> (L, n, K), averaged over samples and classes:
            ``binary_cross_entropy`` or, with a teacher, ``squared_error``
        seed : of the first weights and the order of the samples, neither of which depends on the other layers
        callbacks : each called as ``callback(epoch, probes)``, with epoch 0 before training, then after every epoch
        progress : label of the progress bar; none is shown without it, nor under CI

        Returns
        -------
        float64, shape (epochs, L), mean loss of each epoch

        Raises
        ------
        ValueError
            as ``fit``, if ``epochs`` or ``batch_size`` is below 1, a number of the descent is negative or not finite,
            or the loss is not finite
        """
        return self._descend(
            features, targets, epochs, rate, weight_decay, momentum, batch_size, loss, seed, callbacks, progress
        )

    def _descend(
        self,
        features: Tensor | Features,
        targets: Tensor | None,
        epochs: int,
        rate: float,
        weight_decay: float,
        momentum: float = 0.9,
        batch_size: int = 128,
        loss: Loss | None = None,
        seed: int = 0,
        callbacks: Iterable[Callable] = (),
        progress: str | None = None,
    ) -> Tensor:
        """``train``; without a ``loss`` by binary cross-entropy, which is not told: that would take a third longer."""
        features, targets = self._given(features, targets)
        self.weight, self.bias = self._first_weights(features, seed)
        parameters = [  # the same memory: callbacks see it change
            (self.weight[at, :, : max(features.sizes[at], default=0)], self.bias[at]) for at in alike(features.sizes)
        ]
        descent = Descent(parameters, momentum, weight_decay)
        order = torch.Generator().manual_seed(seed)
        losses = []
        for callback in callbacks:
            callback(0, self)
        for epoch in bar(range(1, epochs + 1), progress, "epoch"):
            slower = rate * 0.1 ** (5 * (epoch - 1) // (2 * epochs))
            rows = torch.randperm(len(features), generator=order)
            with one_thread(batch_size * sum(features.sizes)):
                losses.append(one_epoch(features, targets, rows.split(batch_size), descent, slower, loss))
            if loss and (callbacks or losses[-1].device.type == "cpu"):  # a look at each would keep a GPU waiting
                check_finite(losses[-1:], epoch, rate)
            for callback in callbacks:
                callback(epoch, self)
        return check_finite(losses, 1, rate) if loss else torch.stack(losses)

    @own_precision()
    def logits(self, features: Tensor | Features) -> Tensor:
        """Logits of every layer's probe.

        Parameters
        ----------
        features : as of ``fit``

        Returns
        -------
        float, shape (L, N, K); (N, K) for features (N, F)

        Raises
        ------
        ValueError
            if the features are of another number of layers, or another width, than the probes were trained on
        """
        self.check_fitted()
        features = features if isinstance(features, Features) else as_tensor("features", features)
        alone = isinstance(features, Tensor) and features.ndim == 2
        pooled = as_features(features).pooled
        found, expected = tuple(pooled.shape[::2]), tuple(self.weight.shape[::2])
        if found != expected:
            raise ValueError(
                f"features: expected {expected[0]} probes with up to {expected[1]} features, as in "
                f"training, got {found[0]} with up to {found[1]}"
            )
        # piece by piece, for features that are in a file and larger than the memory of a GPU
        pieces = [logits_of(piece.to(self.weight), self.weight, self.bias) for piece in pooled.split(PIECE, 1)]  # type: ignore[arg-type]
        logits = torch.cat(pieces, 1)
        if not all_finite(logits):
            raise ValueError("features: expected finite numbers, got NaN or infinity, or what the probes make of them")
        return logits[0] if alone else logits

    @own_precision()
    def predict(self, features: Tensor | Features) -> Tensor:
        """Probability of each class.

        Parameters
        ----------
        features : as of ``fit``

        Returns
        -------
        float, shape (L, N, K); (N, K) for features (N, F)
        """
        return self.logits(features).sigmoid()

    def check_fitted(self) -> None:
        """Nothing once the probes have been trained.

        Raises
        ------
        RuntimeError
            before
        """
        if self.weight is None:
            raise RuntimeError("the probes have not been trained yet: call fit first")

    def _given(self, features: Tensor | Features, targets: Tensor | None) -> tuple[Features, Tensor]:
        features = as_features(features)
        with one_thread(features.pooled[:1].numel()):
            finite = [all_finite(layer) for layer in features.pooled]  # layer by layer: they may be in a file
        if finite and not torch.stack(finite).all():
            raise ValueError("features: expected finite numbers, got NaN or infinity")
        targets = targets_of("targets", features.labels if targets is None else targets, len(features), self.classes)  # type: ignore[arg-type]
        return features, targets.to(features.device, features.pooled.dtype)

    def _first_weights(self, features: Features, seed: int) -> tuple[Tensor, Tensor]:
        """Uniform in ±1/√(features of the layer), as of ``nn.Linear``, from the same draws for every probe."""
        random = torch.Generator().manual_seed(seed)
        widest = max(features.sizes, default=0)
        drawn = torch.rand(widest + 1, self.classes, generator=random, dtype=torch.float64) * 2 - 1
        size = torch.tensor(features.sizes, dtype=torch.float64)[:, None, None]
        # column 0 is the bias; those beyond the features of a layer are zero and stay so
        started = torch.where(torch.arange(len(drawn)) <= size, drawn.T / size.sqrt(), 0)
        started = started.to(features.device, features.pooled.dtype, non_blocking=True)
        return started[:, :, 1:].clone(), started[:, :, 0].clone()

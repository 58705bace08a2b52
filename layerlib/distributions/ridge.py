"""Ridge regression in its dual form, a read-out for layers of more features than samples.

All that it needs of the features are their products between samples. So its memory grows with the samples that are
kept, whatever the size of the layer, and a convolution can be read place by place, without means that lose where things
are.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from layerlib._checks import whole_number
from layerlib._precision import own_precision
from layerlib._tensors import all_finite, as_tensor
from layerlib.distributions._labels import targets_of

SAMPLES = 2000  # fitted at most: memory takes their square, the decomposition their third power
FEATURES_AT_ONCE = 8192
NUMBERS_AT_ONCE = 2**24
PENALTIES = torch.logspace(-6, 3, 37, dtype=torch.float64)


@dataclass(frozen=True)
class Decomposed:
    """A Gram matrix in parts: what takes longest of a fit, and is the same for any labels of its samples.

    Attributes
    ----------
    values, vectors : eigenvalues, float64, shape (N - 1,), and eigenvectors (N, N - 1), at right angles to (1, …, 1)
    size : mean of the matrix's diagonal, shape ()
    """

    values: Tensor
    vectors: Tensor
    size: Tensor

    @classmethod
    def of(cls, gram: Tensor) -> "Decomposed":
        """Decompose what ``grams`` gives first, float64, shape (N, N).

        The constant vector is one of eigenvalue 0. Given the largest, it is kept apart from others of 0, and left out:
        it belongs to b, which has no penalty.

        Raises
        ------
        ValueError
            if it is not such a matrix of finite numbers, or of fewer than two samples or more than ``SAMPLES``
        """
        gram = _gram_of(gram)
        trace = gram.trace()
        values, vectors = torch.linalg.eigh(gram + 2 * torch.where(trace > 0, trace, 1) / len(gram))
        return cls(values[:-1].clamp_min(0), vectors[:, :-1], gram.diagonal().mean())


@dataclass(frozen=True)
class RidgeReadout:
    """Ridge regression of labels on a layer's features, the penalty chosen by leaving out one sample at a time.

    Minimises Σ ‖y - W x - b‖² + λ ‖W‖², b going free. W is Σ αᵢ xᵢᵀ over the fitted samples, x less their mean, and
    α = (G + λ I)⁻¹ (Y - ȳ) with their Gram matrix G. What each sample would be given if it were left out follows from
    the same decomposition of G, for all penalties (Golub, Heath & Wahba 1979).

    Attributes
    ----------
    penalty : λ
    weight : α, float64, shape (N, K)
    mean : ȳ, float64, shape (K,)
    left_out : float64, shape (N, K), the scores that each fitted sample gets from all others

    Examples
    --------
    >>> gram, products = grams(flat_blocks(torch.randn(200, 16, 8, 8), torch.randn(50, 16, 8, 8)))
    >>> readout = RidgeReadout.fit(gram, torch.arange(200) % 10, classes=10)
    >>> readout.predict(products).shape
    torch.Size([50, 10])
    """

    penalty: float
    weight: Tensor
    mean: Tensor
    left_out: Tensor

    @classmethod
    def fit(
        cls, gram: Tensor | Decomposed, targets: Tensor, classes: int, penalties: Tensor = PENALTIES
    ) -> "RidgeReadout":
        """Fit one read-out for all classes, with the penalty of the least squared error of samples left out.

        Parameters
        ----------
        gram : float64, shape (N, N), of ``grams``; or ``Decomposed``, where several kinds of labels are fitted
        targets : class numbers, int64 (N,), or in [0, 1], shape (N, K)
        classes : K
        penalties : to choose from, in units of the mean of the Gram matrix's diagonal; of equal ones the largest

        Raises
        ------
        ValueError
            if shapes or values are not as above, or there are fewer than two samples or more than ``SAMPLES``
        """
        gram = gram if isinstance(gram, Decomposed) else Decomposed.of(gram)
        values, vectors, size = gram.values, gram.vectors, gram.size
        whole_number("classes", classes)
        targets = targets_of("targets", targets, len(vectors), classes).to(vectors.device, torch.float64)
        penalties = as_tensor("penalties", penalties, torch.float64).to(vectors.device)
        if penalties.ndim != 1 or not len(penalties) or not bool(((penalties > 0) & penalties.isfinite()).all()):
            raise ValueError(f"penalties: expected finite numbers above 0, shape (P,), got {penalties.tolist()}")
        penalties = penalties.sort(descending=True).values * torch.where(size > 0, size, 1)
        mean = targets.mean(0)
        turned = vectors.T @ (targets - mean)
        errors = [
            _off(part, values, vectors, turned).square().mean((0, 2))
            for part in penalties.split(max(1, NUMBERS_AT_ONCE // targets.numel()))
        ]
        best = penalties[torch.cat(errors).argmin()]
        left_out = targets - _off(best[None], values, vectors, turned)[:, 0]
        return cls(best.item(), vectors @ (turned / (values + best)[:, None]), mean, left_out)

    def predict(self, products: Tensor) -> Tensor:
        """Scores (M, K), float64, of samples with these ``products`` (M, N) with the fitted ones, of ``grams``.

        The largest tells the class; with several labels those above one half.
        """
        products = as_tensor("products", products)
        if products.ndim != 2 or products.shape[1] != len(self.weight) or not products.is_floating_point():
            raise ValueError(
                f"products: expected floats of shape (M, {len(self.weight)}), a column for each fitted "
                f"sample, got {products.dtype} {tuple(products.shape)}"
            )
        return self.mean + products.to(self.weight) @ self.weight

    def probabilities(self, products: Tensor) -> Tensor:
        """The scores kept within [0, 1]; where none of a sample is above 0, how frequent each label is; (M, K)."""
        scores = self.predict(products).clamp(0, 1)
        return torch.where(scores.any(1, keepdim=True), scores, self.mean)


@own_precision()
def grams(blocks: Iterable[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Products between fitted samples, and of judged with fitted ones, summed over blocks of features.

    All features are less their mean over the fitted samples. Products are made in the precision of the features, and
    added up in float64.

    Parameters
    ----------
    blocks : features of the fitted and of the judged samples, float, shapes (N, f) and (M, f), a pair for each block

    Returns
    -------
    float64, shapes (N, N) and (M, N), on the device of the first block

    Raises
    ------
    ValueError
        if there is no block, the shapes do not fit, a feature is not finite, or there are more than ``SAMPLES`` fitted
        samples
    """
    gram = products = None
    for number, (fitted, judged) in enumerate(blocks):
        fitted, judged = as_tensor("blocks", fitted), as_tensor("blocks", judged)
        shapes = tuple(fitted.shape), tuple(judged.shape)
        fits = gram is None or products.shape == (shapes[1][0], shapes[0][0])
        if not (fitted.ndim == judged.ndim == 2 and shapes[0][1] == shapes[1][1] and fits):
            raise ValueError(
                "blocks: expected features (N, f) and (M, f) of the same samples in each, "
                f"got {shapes} in block {number}"
            )
        if gram is None:
            _check_number("blocks", len(fitted))
            gram = torch.zeros(len(fitted), len(fitted), dtype=torch.float64, device=fitted.device)
            products = gram.new_zeros(len(judged), len(fitted))
        fitted, judged = (x.to(gram.device, torch.promote_types(x.dtype, torch.float32)) for x in (fitted, judged))
        centre = fitted.mean(0)
        fitted, judged = fitted - centre, judged.to(fitted.dtype) - centre
        gram += fitted @ fitted.T
        products += judged @ fitted.T  # type: ignore[operator]
    if gram is None or products is None:
        raise ValueError("blocks: expected at least one pair of features, got none")
    if not (all_finite(gram) and all_finite(products)):
        raise ValueError("blocks: expected finite features")
    return gram, products


def flat_blocks(fitted: Tensor, judged: Tensor, size: int = FEATURES_AT_ONCE) -> Iterator[tuple[Tensor, Tensor]]:
    """What a layer put out, (N, …) and (M, …), flattened and cut into blocks of ``size`` features, for ``grams``."""
    fitted, judged = as_tensor("fitted", fitted).flatten(1), as_tensor("judged", judged).flatten(1)
    return zip(fitted.split(size, 1), judged.split(size, 1), strict=True)


def _gram_of(gram: Tensor) -> Tensor:
    gram = as_tensor("gram", gram)
    if gram.ndim != 2 or gram.shape[0] != gram.shape[1] or len(gram) < 2 or not gram.is_floating_point():
        raise ValueError(
            f"gram: expected floats of shape (N, N) with at least two samples, got {gram.dtype} {tuple(gram.shape)}"
        )
    _check_number("gram", len(gram))
    if not all_finite(gram):
        raise ValueError("gram: expected finite numbers")
    return gram.double()


def _check_number(name: str, samples: int) -> None:
    if samples > SAMPLES:
        raise ValueError(f"{name}: expected at most {SAMPLES:,} fitted samples, got {samples:,}; take a part of them")


def _off(penalties: Tensor, values: Tensor, vectors: Tensor, turned: Tensor) -> Tensor:
    """By how much samples left out are missed under each penalty, (N, P, K): residuals by 1 less their own weight."""
    kept = penalties / (values[:, None] + penalties)
    residuals = vectors @ (kept[:, :, None] * turned[:, None]).flatten(1)
    return residuals.view(len(vectors), len(penalties), -1) / (vectors.square() @ kept)[:, :, None]

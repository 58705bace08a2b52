"""Logistic regression of many classes at once, on features that may lie in a file."""

import math
import warnings
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

PIECE = 10_000  # samples that are brought to the device and to one scale at a time
ITERATIONS = 1000
SETTLED, UNSETTLED = 1e-7, 1e-3  # largest derivative of the mean loss: where to stop, and from where on to warn


@torch.inference_mode(False)
@torch.no_grad()
def logistic_regression(features: Tensor, targets: Tensor, penalty: float) -> tuple[Tensor, Tensor, Tensor]:
    """Weights and biases that minimise Σ binary cross-entropy + ½ penalty ‖w‖², each class against all others.

    w are the weights of features brought to mean 0 and variance 1, and the biases go free, as with scikit-learn's
    ``LogisticRegression(C=1 / penalty)`` behind its ``StandardScaler``. Found by L-BFGS; what is returned is for
    the features as they are.

    Parameters
    ----------
    features : float, shape (N, F), on any device
    targets : in [0, 1], shape (N, K), of the dtype of ``features``, on the device where to work
    penalty : above 0

    Returns
    -------
    weight : shape (K, F), and bias : shape (K,), of the dtype of ``features``
    loss : mean binary cross-entropy over samples and classes, float64, shape ()

    Raises
    ------
    ValueError
        if the features are not finite

    Warns
    -----
    UserWarning
        if it did not settle
    """
    device, (samples, classes) = targets.device, targets.shape
    centre, spread = _scale(features)
    centre, spread = centre.to(device), spread.to(device)

    def pieces() -> Iterator[Tensor]:
        return ((piece.to(device) - centre) / spread for piece in features.split(PIECE))

    # brought to scale once, where they are few
    held = list(pieces()) if samples <= PIECE else None
    found = torch.zeros(classes, features.shape[1] + 1, dtype=torch.float64, device=device)
    # a class that no sample has, or every one, would take its bias to infinity step by step: start far out
    found[:, -1] = targets.mean(0, dtype=torch.float64).clamp(SETTLED, 1 - SETTLED).logit()
    losses = found.new_zeros(())

    def objective() -> Tensor:
        cross_entropy, found.grad = _cross_entropy(held or pieces(), targets, found)
        losses.copy_(cross_entropy / classes)
        found.grad[:, :-1] += penalty / samples * found[:, :-1]
        return cross_entropy + penalty / samples / 2 * found[:, :-1].square().sum()

    search = torch.optim.LBFGS(
        [found],
        max_iter=ITERATIONS,
        max_eval=2 * ITERATIONS,
        tolerance_grad=SETTLED,
        tolerance_change=0.0,
        history_size=20,
        line_search_fn="strong_wolfe",
    )
    search.step(objective)
    objective()
    if not math.isfinite(steepest := found.grad.abs().max().item()):
        raise ValueError("features: expected finite numbers, or of less different sizes: the regression is not finite")
    if steepest > UNSETTLED:
        warnings.warn(
            f"logistic regression has not settled: a derivative of {steepest:.1g} is left; raise penalty "
            f"from {penalty}",
            stacklevel=3,
        )
    weight = found[:, :-1] / spread
    return weight.to(features.dtype), (found[:, -1] - weight @ centre.double()).to(features.dtype), losses


def _scale(features: Tensor) -> tuple[Tensor, Tensor]:
    centre, spread = features.mean(0), features.std(0, correction=0)
    # a spread that is rounding is none
    return centre, torch.where(spread > 10 * torch.finfo(spread.dtype).eps * centre.abs(), spread, 1)


def _cross_entropy(pieces: Iterable[Tensor], targets: Tensor, found: Tensor) -> tuple[Tensor, Tensor]:
    """Σ over classes of the mean binary cross-entropy, and its derivative in ``found`` (K, F + 1), biases last."""
    weight, bias = found[:, :-1].to(targets.dtype), found[:, -1].to(targets.dtype)
    total, slope, start = found.new_zeros(()), torch.zeros_like(found), 0
    for piece in pieces:
        here = targets[start : start + len(piece)]
        start += len(piece)
        logits = torch.addmm(bias, piece, weight.T)
        total += F.binary_cross_entropy_with_logits(logits, here, reduction="none").sum(dtype=torch.float64)
        off = logits.sigmoid() - here
        slope[:, :-1] += off.T @ piece
        slope[:, -1] += off.sum(0)
    return total / start, slope / start

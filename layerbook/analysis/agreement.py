"""When each lens says that a layer has made up its mind, and whether the lenses agree."""

from collections.abc import Sequence

import numpy as np
from scipy.stats import rankdata

from layerbook.analysis._shapes import shaped
from layerlib._checks import checked, flag, like, several, share
from layerlib.inspection.result import Inspection

Look = Sequence[Inspection]  # of one network at one moment, by means, grid and flat
READ_OUTS = ("means", "grid", "flat")
LENSES = (*READ_OUTS, "patterns", "nodes", "targets", "filters")
FIVE = LENSES[2:]  # with the read-out that loses nothing


@checked(moments=several(several(like("Inspection", "layers", "nulls"))), drawn=flag)
def readings(moments: Sequence[Look], drawn: bool = False) -> np.ndarray:
    """What the lenses read at each of several moments, each on a scale that rises from 0.

    - *means*, *grid*, *flat*: 1 - W / W_guess, with W the distance of the probe's label distribution to the target, by
      means over places, over a grid of them, or by every entry, and W_guess that of always predicting the frequencies
      of the classes: 1 is the target itself (Cao et al. 2022);
    - *patterns*: 1 - ln P / ln P_shuffled, the share of the layer perplexity's entropy that the classes account for,
      with the perplexity of shuffled labels as control (Davel et al. 2020);
    - *nodes*: accuracy of the combined node system, 0 for guessing the most frequent class and 1 for no error
      (Davel et al. 2020);
    - *targets*: silhouette of the back-propagated targets less that of permuted errors (Xie & Lai 2018);
    - *filters*: relative change of the weights since the ``before`` of the inspections (Hu et al. 2018).

    Parameters
    ----------
    moments : the same layers of one network, at several moments: three inspections of each, read by means (with
        ``before``, the network's beginning), by the grid and flat, of which the last two need only the distance
    drawn : read what each lens would have read with other samples, instead

    Returns
    -------
    float64, shape (lenses, moments, layers), or with ``drawn`` (draws, lenses, moments, layers); NaN where a layer was
    not read

    Raises
    ------
    ValueError
        if there is none, or they are not of the same layers
    """
    if not moments or len({each.layers for look in moments for each in look}) > 1:
        raise ValueError(
            "moments: expected inspections of the same layers, at least one, got "
            f"{sorted({each.layers for look in moments for each in look})}"
        )
    read = np.stack([_scales(look, drawn) for look in moments], 1)
    return np.moveaxis(read, -1, 0) if drawn else read


def _scales(look: Look, drawn: bool) -> np.ndarray:
    """The lenses' scales at one moment: shape (lenses, layers), or (lenses, layers, draws)."""
    values, nulls = (
        {name: each.double().numpy() for name, each in part.items()}
        for part in ((look[0].draws, look[0].null_draws) if drawn else (look[0].values, look[0].nulls))
    )
    distances = [(each.draws if drawn else each.values)["distance"].double().numpy() for each in look]
    control, guess = nulls["entropy"], look[0].baseline
    # one pattern for all, whatever the label: the classes account for nothing
    patterns = 1 - np.divide(values["entropy"], control, out=np.ones_like(control), where=control != 0)
    return np.stack(
        [
            *(1 - distance / guess["distance"] for distance in distances),
            patterns,
            (values["combined"] - guess["accuracy"]) / (1 - guess["accuracy"]),
            values["target_silhouette"] - nulls["target_silhouette"],
            values["relative_change"],
        ]
    )


@checked(share=share, own=flag)
@shaped(readings="array open ... 7 moments layers", steps="array moments")
def made_up(readings: np.ndarray, steps: Sequence[float], share: float = 0.5, own: bool = False) -> np.ndarray:
    """The step from which on a layer's reading stays at a share of where the network ends, for every lens.

    The network ends with the reading of its last layer at the last moment; for the filters, each layer's own, since
    every layer has its own way to go. Between moments the time is read off a straight line in ln(1 + step).

    Parameters
    ----------
    readings : shape (..., lenses, moments, layers), as of ``readings``
    steps : shape (moments,), rising, from 0 up
    share : of the last reading, between 0 and 1
    own : measure every layer by where it ends itself, with every lens

    Returns
    -------
    float64, shape (..., lenses, layers); 0 where it is so from the first moment on, NaN where it is not so at the last
    or what it is measured by ends at 0 or below

    Raises
    ------
    ValueError
        if the shapes do not fit, the steps do not rise from 0 or more, or the share is not between 0 and 1
    """
    readings, steps = np.asarray(readings, dtype=float), np.asarray(steps, dtype=float)
    if readings.ndim < 3 or readings.shape[-3::2][0] != len(LENSES) or readings.shape[-2] != len(steps):
        raise ValueError(f"readings: expected shape (..., {len(LENSES)}, {len(steps)}, layers), got {readings.shape}")
    if steps[0] < 0 or (np.diff(steps) <= 0).any() or not 0 < share < 1:
        raise ValueError(
            f"steps, share: expected rising steps from 0 up and a share between 0 and 1, got "
            f"{steps.tolist()} and {share}"
        )
    end = np.broadcast_to(readings[..., -1:, -1:], (*readings.shape[:-2], 1, readings.shape[-1])).copy()
    by_layer = slice(None) if own else LENSES.index("filters")
    end[..., by_layer, :, :] = readings[..., by_layer, -1:, :]
    level = share * end
    short = ~(readings >= level)
    moments = len(steps)
    last = np.where(short, np.arange(moments)[:, None], -1).max(-2, keepdims=True)  # the last moment that falls short
    here, there = (np.take_along_axis(readings, np.clip(last + i, 0, moments - 1), -2) for i in (0, 1))
    time = np.log1p(steps)
    with np.errstate(invalid="ignore", divide="ignore"):
        between = time[np.clip(last, 0, None)] + (level - here) / (there - here) * (
            time[np.clip(last + 1, 0, moments - 1)] - time[np.clip(last, 0, None)]
        )
    found = np.where(last < 0, steps[0], np.expm1(between))
    return np.where((last == moments - 1) | ~(end > 0), np.nan, found)[..., 0, :]


def usual_step(times: np.ndarray, last: float) -> np.ndarray:
    """Geometric mean of 1 + step over seeds, less 1, where what is not within the training counts as its ``last`` step.

    Parameters
    ----------
    times : shape (seeds, ...), as of ``made_up``

    Returns
    -------
    float64, shape (...)
    """
    return np.expm1(np.log1p(np.nan_to_num(times, nan=last)).mean(0))


@shaped(readings="array open ... lenses moments layers")
def agreement(readings: np.ndarray) -> dict[str, np.ndarray]:
    """Rank correlation (Spearman) between every two lenses, in three ways.

    - ``"layers"``: over the layers, at the last moment;
    - ``"steps"``: over the moments, within a layer, averaged over layers;
    - ``"rest"``: over all layers and moments, of what is left of the ranks without the mean of each layer and the mean
      of each moment. What a layer adds at every moment, and a moment to every layer, is no agreement in this way; that
      two lenses rise in a bent way with both together still is.

    Parameters
    ----------
    readings : shape (..., lenses, moments, layers)

    Returns
    -------
    way -> float64, shape (..., lenses, lenses); NaN where a lens reads the same everywhere
    """
    readings = np.asarray(readings, dtype=float)
    within = np.moveaxis(rankdata(readings, axis=-2), -1, -3)  # (..., layers, lenses, moments)
    ranks = rankdata(readings.reshape(*readings.shape[:-2], -1), axis=-1).reshape(readings.shape)
    rest = ranks - ranks.mean(-1, keepdims=True) - ranks.mean(-2, keepdims=True) + ranks.mean((-2, -1), keepdims=True)
    each = _correlations(within)
    known = np.isfinite(each).any(-3)
    steps = np.divide(np.nansum(each, -3), np.isfinite(each).sum(-3), out=np.full(known.shape, np.nan), where=known)
    return {
        "layers": _correlations(rankdata(readings[..., -1, :], axis=-1)),
        "steps": steps,
        "rest": _correlations(rest.reshape(*readings.shape[:-2], -1)),
    }


@shaped(times="array open ... layers")
def order(times: np.ndarray) -> np.ndarray:
    """Rank correlation (Spearman) of times with the number of the layer: -1 where upper layers are first, 1 last.

    Parameters
    ----------
    times : shape (..., layers), as of ``made_up``; NaN, not within the training, counts as later than all others

    Returns
    -------
    float64, shape (...); NaN where all times are the same
    """
    late = np.where(np.isnan(times), np.inf, times)
    layers = np.broadcast_to(np.arange(late.shape[-1]), late.shape)
    return _correlations(rankdata(np.stack([late, layers], -2), axis=-1))[..., 0, 1]


def _correlations(ranks: np.ndarray) -> np.ndarray:
    """Pearson's correlation between rows, (..., rows, n) -> (..., rows, rows); NaN for a constant row."""
    centred = ranks - ranks.mean(-1, keepdims=True)
    length = np.sqrt((centred**2).sum(-1, keepdims=True))
    # a row that is constant but for rounding has no direction
    units = np.divide(centred, length, out=np.full_like(centred, np.nan), where=length > 1e-9 * ranks.shape[-1])
    return np.clip(units @ units.swapaxes(-1, -2), -1, 1)

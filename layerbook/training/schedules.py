"""Schedules of the learning rate beside `layerbook.training.settings.OneCycle`."""

from dataclasses import dataclass

from layerlib._checks import whole_number


@dataclass(frozen=True)
class Decay:
    """Schedule in which the rate falls to a tenth every so many steps (Cao et al. 2022, sec. 6.1: every 40 epochs).

    Parameters
    ----------
    every : steps, from 1 up

    Raises
    ------
    ValueError
        if ``every`` is no whole number from 1 up

    Examples
    --------
    >>> [round(Decay(every=2)(step), 3) for step in range(5)]
    [1.0, 1.0, 0.1, 0.1, 0.01]
    """

    every: int

    def __post_init__(self):
        whole_number("every", self.every)

    def __call__(self, step: int) -> float:
        return 0.1 ** (step // self.every)

"""What drawing takes care of: arguments, names as they are, lengths that fit, colours for every class."""

import contextlib
import functools
import inspect
from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import seaborn as sns

from layerbook.figures._kinds import check_kinds
from layerlib.palette import CLASS_COLOURS


def class_colours(classes: int) -> list[tuple[float, float, float]]:
    """A colour for each class: ``CLASS_COLOURS``, then the same ten darkened; beyond twenty all round the circle."""
    if classes > 2 * len(CLASS_COLOURS):
        return sns.husl_palette(classes)
    return [*CLASS_COLOURS, *(tuple(0.55 * part for part in colour) for colour in CLASS_COLOURS)][:classes]


def as_text(name: object) -> str:
    """A name that matplotlib writes as it is: two dollar signs would be a formula, and a legend hides what begins _."""
    return (" " if str(name).startswith("_") else "") + str(name).replace("$", r"\$")


def draws(draw: Callable) -> Callable:
    """Decorator of what draws figures or tables: arguments are of the kinds that its annotations say, first of all.

    If it fails, no figure of its own stays open in pyplot.
    """
    signature = inspect.signature(draw)

    @functools.wraps(draw)
    def drawn(*arguments: object, **more: object) -> object:
        with contextlib.suppress(TypeError):  # Python's own sentence, below, has the name of the function
            check_kinds(signature, signature.bind(*arguments, **more))
        before = set(plt.get_fignums())
        try:
            return draw(*arguments, **more)
        except BaseException:
            for number in set(plt.get_fignums()) - before:
                plt.close(number)
            raise

    return drawn


def fits(name: str, length: int, expected: int, what: str) -> None:
    """Refuse what is drawn beside something else of another length."""
    if length != expected:
        raise ValueError(f"{name}: expected {expected}, {what}, got {length}")


def class_names(classes: Sequence[str], count: int) -> list[str]:
    """Names of ``count`` classes; their numbers where ``classes`` are those of other data, as beside a record."""
    return list(classes) if len(classes) == count else [str(number) for number in range(count)]

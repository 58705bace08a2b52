"""Sweeps: how a number or a curve changes with the parameters of a chapter."""

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from layerbook.figures._drawing import draws
from layerbook.figures.common import CLASS_COLOURS, INK, depth_colours


@draws
def plot(table: pd.DataFrame, x: str, y: str, hue: str | None = None) -> Figure:
    """A number or a curve over a parameter or an axis: mean, and the range of all that else differs.

    Parameters
    ----------
    table : of `layerbook.collected.collect`
    x : column of parameters or of an axis
    y : name of a number or a curve
    hue : another column, a colour for each of its values

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        if there is no such column, or no run reported ``y``
    """
    names = sorted(set(table.name[table.kind.isin(("number", "curve"))]))
    if y not in names:
        raise ValueError(f"y: expected what a run reported, got {y!r}: there are {', '.join(names) or 'none'}")
    rows = table[table.kind.isin(("number", "curve")) & (table.name == y)]
    columns = [column for column in rows if rows[column].notna().any() and column not in ("kind", "name", "value")]
    for argument, column in (("x", x), ("hue", hue)):
        if column is not None and column not in columns:
            raise ValueError(f"{argument}: expected one of {', '.join(columns)}, got {column!r}")
    figure, ax = plt.subplots(figsize=(7, 4.2))
    colours = {"color": INK}
    if hue is not None:
        named = not pd.api.types.is_numeric_dtype(rows[hue])
        shades = list(dict.fromkeys(rows[hue])) if named else sorted(set(rows[hue]))
        palette = CLASS_COLOURS if named and len(shades) <= len(CLASS_COLOURS) else depth_colours(len(shades))
        colours = {"hue": hue, "hue_order": shades, "palette": palette[: len(shades)], "legend": "full"}
    spread = {"estimator": "mean", "errorbar": ("pi", 100), "marker": "o"}
    sns.lineplot(rows.sort_values(x), x=x, y="value", ax=ax, **colours, **spread)
    ax.set_ylabel(y.replace("$", r"\$"))
    return figure

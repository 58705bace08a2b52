"""An inspection in words and as a page: three lines, a table with its reasons, a file that needs no other."""

from __future__ import annotations

import base64
import html
import io
import math
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from layerlib._files import replacing

if TYPE_CHECKING:
    from layerlib.inspection.result import Inspection

WHOLE = ("input", "before")  # in the place of a layer: the pictures, the twin
STYLE = """body { font-family: sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem; color: #222 }
table { border-collapse: collapse; font-size: 0.85rem } th, td { padding: 0.2rem 0.5rem; text-align: right }
th:first-child, td:first-child { text-align: left } tr:nth-child(even) { background: #f4f4f4 }
img { max-width: 100% } .wide { overflow-x: auto }"""


def in_three_lines(inspection: Inspection) -> str:
    """How good the network is, what guessing would be, and what was not read."""
    about, right = inspection.about, inspection.accuracy
    told = "accuracy not known" if math.isnan(right) else f"accuracy {right:.3g}"
    lost = "; ".join(_lost(inspection)) or "nothing"
    then = "" if inspection.twin is None else f"; before: accuracy {inspection.twin.accuracy:.3g}"
    return (
        f"{about['network']}: {told} on {about['judged']} samples of {about['classes']} classes, "
        f"{_counted(len(inspection.layers), 'layer')} read by {about['read']}\n"
        f"baseline: accuracy {inspection.baseline['accuracy']:.3g}, distance {inspection.baseline['distance']:.3g} "
        f"from the frequencies of the classes alone{then}\nnot read: {lost}"
    )


def _lost(inspection: Inspection) -> list[str]:
    """What was not read, in a few words for each reason."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for (layer, instrument), reason in inspection.reasons.items():
        instruments, layers = found.setdefault(reason, ([], []))
        instruments += [] if instrument in instruments else [instrument]
        layers += [] if layer in layers else [layer]
    every = len(inspection.layers)
    return [
        _listed(instruments)
        + ("" if layers[0] in WHOLE or len(layers) >= every else f" of {_counted(len(layers), 'layer')}")
        + f" ({textwrap.shorten(reason, 60, placeholder=' …')})"
        for reason, (instruments, layers) in found.items()
    ]


def table(inspection: Inspection) -> pd.DataFrame:
    """Values, a row for each layer and a column for each quantity that was read anywhere."""
    values = {name: values.tolist() for name, values in inspection.values.items()}
    return pd.DataFrame(values, index=list(inspection.layers)).dropna(axis=1, how="all")


def notes(inspection: Inspection) -> list[str]:
    """A sentence for each reason: what was not read, where, why."""
    told: dict[tuple[str, str], list[str]] = {}
    for (layer, instrument), reason in inspection.reasons.items():
        told.setdefault((layer, reason), []).append(instrument)
    where: dict[tuple[str, str], list[str]] = {}
    for (layer, reason), instruments in told.items():
        what = "pictures not drawn" if layer == "input" else f"{_listed(instruments)} not read"
        where.setdefault((what, reason), []).append(layer)
    return [f"{what}{_places(inspection, layers)}: {reason}" for (what, reason), layers in where.items()]


def table_and_notes(inspection: Inspection) -> str:
    """The table and the notes as a piece of HTML."""
    listed = "".join(f"<li>{html.escape(note)}</li>" for note in notes(inspection))
    shown = table(inspection).to_html(float_format="{:.3g}".format, na_rep="–", border=0)
    return f'<div class="wide" style="overflow-x: auto">{shown}<ul>{listed}</ul></div>'


def page(inspection: Inspection, path: str | Path | None) -> str:
    """See ``Inspection.to_html``."""
    drawn = io.BytesIO()
    inspection.figure().savefig(drawn, format="png", dpi=110)
    picture = base64.b64encode(drawn.getvalue()).decode()
    head, *rest = (html.escape(line) for line in in_three_lines(inspection).split("\n"))
    about = "".join(
        f"<tr><td>{html.escape(str(key))}</td><td>{html.escape(str(value))}</td></tr>"
        for key, value in inspection.about.items()
    )
    frame = inspection.to_frame().to_html(float_format="{:.4g}".format, na_rep="–", index=False, border=0)
    text = "\n".join(
        [
            "<!doctype html>",
            '<html lang="en">',
            '<head><meta charset="utf-8">',
            f"<title>{head}</title>",
            f"<style>{STYLE}</style></head>",
            f"<body><h1>{head}</h1>",
            *(f"<p>{line}</p>" for line in rest),
            f'<p class="wide"><img alt="Every instrument, layer by layer; the numbers are in the table below." '
            f'src="data:image/png;base64,{picture}"></p>',
            "<h2>Values</h2>",
            table_and_notes(inspection),
            "<h2>With intervals and nulls</h2>",
            f'<div class="wide">{frame}</div>',
            "<h2>What was read</h2>",
            f"<table>{about}</table>",
            "</body></html>",
        ]
    )
    if path is not None:
        with replacing(Path(path)) as beside:
            beside.write_text(text, encoding="utf-8")
    return text


def _places(inspection: Inspection, layers: list[str]) -> str:
    if layers[0] in WHOLE:
        return ""
    return " at any layer" if len(layers) == len(inspection.layers) > 1 else f" at {_few(layers)}"


def _few(names: list[str]) -> str:
    return _listed(names) if len(names) < 5 else f"{', '.join(names[:3])} and {len(names) - 3} more layers"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _listed(words: list[str]) -> str:
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)

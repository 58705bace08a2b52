"""A figure as markup that stands in a page: text stays text, and its colours follow the page's theme."""

import base64
import colorsys
import hashlib
import html
import io
import re
from collections.abc import Collection

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from PIL import Image

from layerbook.figures._drawing import draws

_COLOUR = re.compile(r"#[0-9a-f]{6}\b")
_DARK_PAGE = 0.006  # relative luminance of the dark theme's ground
_CONTRAST = 4.5


@draws
def svg(figure: Figure, alt: str) -> str:
    """A figure as SVG without a ground of its own; the figure is closed.

    Parameters
    ----------
    alt : what it shows, in a sentence that says the finding

    Returns
    -------
    str: ``<svg role="img" …>``, whose colours are those of the theme ``data-theme`` of the page around it
    """
    for ax in figure.axes:
        ax.patch.set_visible(False)
    drawn = io.StringIO()
    settings = {"svg.fonttype": "none", "svg.hashsalt": "layerbook", "savefig.dpi": 120}
    with mpl.rc_context(settings):
        figure.savefig(drawn, format="svg", facecolor="none", metadata={"Date": None, "Creator": None})
    plt.close(figure)
    text = drawn.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
    text = re.sub(r"<!--.*?-->\s*", "", text, flags=re.DOTALL)
    # places to a tenth of a point; what a reader reads stands between the tags, and stays as it is
    text = re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d)\d+", r"\1", tag[0]), text)
    text = re.sub(r"(?<=data:image/png;base64,)[A-Za-z0-9+/=\s]+", lambda found: _small(found[0]), text)
    name = "p" + hashlib.sha256(f"{alt}{text}".encode()).hexdigest()[:8]  # ids of two figures must not meet
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'(url\(|href=")#', rf"\1#{name}-", text)
    text = _COLOUR.sub(lambda found: f"var(--ink-{found[0][1:]}, {found[0]})", text)
    width = re.search(r'viewBox="0 0 ([\d.]+)', text)[1]
    head = f'<svg role="img" aria-label="{html.escape(alt)}" style="max-width: {float(width) * 1.4:.0f}px"'
    return re.sub(
        r'<svg|(?<=\s)(width|height)="[\d.]+pt"', lambda found: head if found[0] == "<svg" else "", text, count=3
    )


def _small(coded: str) -> str:
    """A PNG with few colours, a third of its size; it stays clear where it is."""
    image, small = Image.open(io.BytesIO(base64.b64decode(coded))), io.BytesIO()
    image.convert("RGBA").quantize(32, Image.Quantize.FASTOCTREE).save(small, format="png", optimize=True)
    return base64.b64encode(small.getvalue()).decode()


@draws
def dark(colour: object) -> str:
    """The colour that stands for another one on a dark page: greys turn round, others get light enough to be seen.

    Parameters
    ----------
    colour : anything that matplotlib knows

    Returns
    -------
    str: ``#rrggbb``
    """
    red, green, blue = to_rgb(colour)
    hue, light, full = colorsys.rgb_to_hls(red, green, blue)
    if full < 0.05:
        return to_hex(colorsys.hls_to_rgb(hue, 1 - light, full))
    while light < 1 and _contrast(colorsys.hls_to_rgb(hue, light, full)) < _CONTRAST:
        light = min(1, light + 0.02)
    return to_hex(colorsys.hls_to_rgb(hue, light, full))


@draws
def dark_style(markup: Collection[str]) -> str:
    """The colours of figures on a dark page, as the text of a ``<style>``."""
    used = sorted({name for text in markup for name in re.findall(r"var\(--ink-([0-9a-f]{6})", text)})
    colours = "; ".join(f"--ink-{name}: {dark('#' + name)}" for name in used)
    return f'html[data-theme="dark"] .layer-figure {{ {colours} }}'


def _contrast(colour: tuple[float, float, float]) -> float:
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour]
    luminance = sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), parts, strict=True))
    return (luminance + 0.05) / (_DARK_PAGE + 0.05)

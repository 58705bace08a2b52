"""What a figure shows first, as one picture: for slides, print and e-books, where nothing is touched."""

import base64
import html
import re
from collections.abc import Mapping
from dataclasses import dataclass

# A figure to touch has frames, of which one is not hidden; another one is a drawing by itself.
_FRAME = re.compile(r'(?s)<div class="layer-frame"[^>]*(?<! hidden)>\s*(<svg\b.*?</svg>|<img\b[^>]*>)')
_DRAWING = re.compile(r"(?s)(<svg\b.*?</svg>)")
_SAID = re.compile(r'\b(?:aria-label|alt)="([^"]*)"')
_CODED = re.compile(r'src="data:(image/[\w+]+);base64,([^"]+)"')
_HEAD = re.compile(r'<svg\b[^>]*?viewBox="0 0 ([\d.]+) ([\d.]+)"[^>]*>')
_COLOUR = re.compile(r"var\(--ink-\w+, (#\w+)\)")
_PIXELS = 2  # a point; where there is less room, pages make it smaller


@dataclass(frozen=True)
class Still:
    """One picture.

    Attributes
    ----------
    kind : its media type
    coded : its bytes, as base64
    says : what it shows, in words; empty where the figure does not tell
    """

    kind: str
    coded: str
    says: str = ""

    @property
    def is_tall(self) -> bool:
        """Whether it is higher than wide."""
        if self.kind == "image/png":  # which begins with its sizes
            head = base64.b64decode(self.coded[:64])
            return int.from_bytes(head[20:24], "big") > int.from_bytes(head[16:20], "big")
        width, height = _HEAD.search(base64.b64decode(self.coded).decode()).groups()
        return float(height) > float(width)


def still(data: Mapping) -> Still | None:
    """The picture in an output of a notebook; None where there is none.

    Parameters
    ----------
    data : of the output, by media type
    """
    if coded := data.get("image/png"):
        return Still("image/png", "".join(coded).replace("\n", ""))
    markup = "".join(data.get("text/html", ""))
    found = _FRAME.search(markup) or _DRAWING.search(markup)
    if not found:
        return None
    told = _SAID.search(found[1])
    says = html.unescape(told[1]) if told else ""
    if found[1].startswith("<img"):
        kind, coded = _CODED.search(found[1]).groups()
        return Still(kind, coded, says)
    return Still("image/svg+xml", base64.b64encode(_alone(found[1]).encode()).decode(), says)


def _alone(svg: str) -> str:
    """An SVG of a page as one by itself: with a size, and colours without the page's theme."""
    width, height = (_PIXELS * float(each) for each in _HEAD.search(svg).groups())
    svg = re.sub(r'(<svg\b[^>]*?) style="[^"]*"', rf'\1 width="{width:.0f}" height="{height:.0f}"', svg, count=1)
    return _COLOUR.sub(r"\1", svg)

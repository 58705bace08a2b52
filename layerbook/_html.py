"""Tables for pages and notebooks: whatever is not markup of ours is text, dollar signs too."""

import html
from collections.abc import Sequence

from layerbook.claims import COLOURS, NOT_RECORDED, Claim, size_told

_CELL = ' style="text-align: left; vertical-align: top; white-space: normal; padding: 0.3em 0.6em"'
# as wide as a phone, where the table is wider
_CAPTION = ' style="caption-side: top; text-align: left; max-width: 85vw"'


class Html(str):
    """Text that is markup already."""


class Head(str):
    """A cell that names its row."""


def markup(cell: str) -> Html:
    """A cell as markup: text is escaped, what is markup already stays."""
    return cell if isinstance(cell, Html) else Html(html.escape(cell))


def joined(*cells: str, by: str = "<br>") -> Html:
    """Texts one below the other; empty ones are left out."""
    return Html(by.join(markup(cell) for cell in cells if cell))


def small(text: str) -> Html:
    """Small print; nothing where there is no text."""
    return Html(f"<small>{markup(text)}</small>" if text else "")


def link(address: str, text: str) -> Html:
    """A link to an address of the book."""
    return Html(f'<a href="{html.escape(address)}">{markup(text)}</a>')


def verdict(claim: Claim | None, *notes: str) -> Html:
    """A claim's verdict, marked in its colour; on opening what was measured, why it is undecided, and notes."""
    if claim is None:
        return markup(NOT_RECORDED)
    size = markup(f", {size_told(claim.size, '')}")
    why = claim.reason and f"Undecided because: {claim.reason}"
    folded = joined(claim.here, why, *map(small, notes))
    return Html(f"<details><summary>{badge(claim)}{size}</summary>{folded}</details>")


def badge(claim: Claim) -> Html:
    """A claim's outcome, marked in its colour."""
    mark = f"border-left: 0.4em solid {COLOURS[claim.outcome]}; padding-left: 0.4em"
    return Html(f'<strong style="{mark}">{markup(claim.outcome)}</strong>')


def table(
    heads: Sequence[str],
    rows: Sequence[Sequence[str | tuple[str, object]]],
    kind: str,
    caption: str = "",
    groups: Sequence[tuple[str, int]] = (),
) -> Html:
    """A table that scrolls by itself where the page is narrow.

    Parameters
    ----------
    heads : one a column; empty where the column needs none
    rows : cells of text, `Html` or `Head`, each alone or with the key to sort it by
    kind : further classes of the table
    caption : above the table
    groups : a line of heads above the heads, each with how many columns it is of
    """
    lines = [[_column(name) for name in heads]]
    if groups:
        lines.insert(0, [_column(name, columns) for name, columns in groups])
    head = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    name = caption or f"Table: {', '.join(filter(None, heads))}"
    said = caption and f"<caption{_CAPTION}>{markup(caption)}</caption>"
    # Focus lets the arrow keys scroll it. The theme shows a table of class dataframe in its own colours, and MathJax
    # would read two prices as a formula.
    return Html(
        '<div class="layerlib-scroll" style="overflow-x: auto" tabindex="0" role="region" '
        f'aria-label="{html.escape(name)}">'
        f'<table class="dataframe mathjax_ignore tex2jax_ignore {html.escape(kind)}">'
        f"{said}<thead>{head}</thead><tbody>{body}</tbody></table></div>"
    )


def _column(name: str, columns: int = 1) -> str:
    span = f' colspan="{columns}"' if columns > 1 else ""
    if not name:
        return f"<td{span}></td>"
    return f'<th scope="{"colgroup" if span else "col"}"{span}{_CELL}>{markup(name)}</th>'


def _cell(cell: str | tuple[str, object]) -> str:
    text, key = cell if isinstance(cell, tuple) else (cell, None)
    sort = "" if key is None else f' data-sort="{html.escape(str(key))}"'
    tag, scope = ("th", ' scope="row"') if isinstance(text, Head) else ("td", "")
    return f"<{tag}{scope}{sort}{_CELL}>{markup(text)}</{tag}>"

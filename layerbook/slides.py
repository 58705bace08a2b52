"""Slides of a chapter for a teacher's screen: its boxes, figures and exercises, by reveal.js, without a network."""

import html
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from layerbook.editions import all_words
from layerbook.pieces import Piece, pieces
from layerbook.plain_markdown import Words
from layerbook.still import Still, still

_HEADING = re.compile(r"(?m)^(#{1,3}) +(.+)$")
_BOX = re.compile(r"(?ms)^\*\*(?P<title>[^*\n]+)\.\*\*\n\n(?P<body>.+)\Z")
_DIRECTIVE = re.compile(r"(?ms)^(`{3,}|:{3,})\{([\w:-]+)\}[^\n]*\n.*?^\1[ \t]*$\n?")
_BOXES = ("opening", "admonition", "dropdown", "prediction")
_GLUE = re.compile(r"(?ms)^```\{glue\} *(\S+)\n.*?^```[ \t]*$")
_GLUED = re.compile(r"!\[\]\(glued:(\S+)\)")
_LEAD = re.compile(r"\*\*[^*]+\.\*\*")
_MOST, _PICTURE, _FORMULA = 690, 300, 500  # characters of a box on one slide, and as how many others count
_PAGE_OF_BOOK = re.compile(r'href="(?!\w+:)([^"#]+)\.(?:ipynb|md)(#[^"]*)?"')
_LINK_TO_BOOK = re.compile(r'(?s)<a href="\.\./book/[^"]*">(.*?)</a>')
_EXERCISE = re.compile(r"(?ms)^### Exercise: (?P<title>.+?)\n\n(?P<body>.+)\Z")
_SENTENCE = re.compile(r"(?s)(?:\*\*.+?\*\*|.+?[.?!]\**)(?=\s|$)")
_MATHS = MarkdownIt("commonmark").use(
    dollarmath_plugin, renderer=lambda content, how: f"\\[{content}\\]" if how["display_mode"] else f"\\({content}\\)"
)

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8"><title>{title}</title>
<link rel="stylesheet" href="reveal/reset.css">
<style>
body {{ background: white }}
.reveal {{ font: 30px/1.4 "Source Sans 3", "Helvetica Neue", Arial, sans-serif; color: #222 }}
.reveal h1, .reveal h2, .reveal h3 {{ font-weight: 600; line-height: 1.2; margin: 0 0 0.6em }}
.reveal h1 {{ font-size: 1.9em }} .reveal h2 {{ font-size: 1.4em }} .reveal h3 {{ font-size: 1em; color: #666 }}
.reveal section {{ text-align: left }} .reveal p, .reveal ul, .reveal ol {{ margin: 0 0 0.6em }}
.reveal ul, .reveal ol {{ padding-left: 1.2em }} .reveal li {{ margin: 0 0 0.4em }} .reveal ul {{ list-style: disc }}
.reveal img {{ display: block; margin: 0 auto; max-width: 100%; max-height: 435px }}
.reveal .beside {{ display: flex; gap: 1em; align-items: center }}
.reveal .under img {{ max-height: 300px }}
.reveal .beside img {{ max-height: 570px; margin: 0 }}
@page {{ size: 1200px 700px; margin: 0 }}
.print section {{ break-after: page; width: 1120px; height: 680px; padding: 20px 40px 0; overflow: hidden }}
.reveal .caption {{ font-size: 0.75em; margin-top: 0.6em }} .reveal strong {{ font-weight: 600 }}
.reveal .box {{ border-left: 6px solid #0072b2; padding-left: 0.8em }}
</style>
<script>MathJax = {{ options: {{ enableMenu: false }} }}</script>
<script async src="../_static/mathjax/tex-svg.js"></script>
</head>
<body>
{body}
</body>
</html>
"""
_SHOWN = """<link rel="stylesheet" href="reveal/reveal.css">
<div class="reveal"><div class="slides">
{slides}
</div></div>
<script src="reveal/reveal.js"></script>
<script>
Reveal.initialize({{ hash: true, slideNumber: "c/t", transition: "none", width: 1200, height: 700 }})
</script>"""
_PRINTED = '<div class="reveal print">\n{slides}\n</div>'  # a page a slide, which needs no script


def slides(notebook: NotebookNode, words: Words) -> list[str]:
    """The slides of an executed chapter, each as HTML.

    One for the title with the chapter's first words, one for each section with its first sentences, figure and
    exercise; for each box one, or as many as it fills. Solutions are left out.

    Parameters
    ----------
    notebook : with outputs
    words : what stands in place of references

    Raises
    ------
    ValueError
        as `pieces`
    """
    pictures = _glued(notebook)
    all_of = list(pieces(_apart(notebook), words))
    return [f"<section>\n{each}</section>" for each in _bodies(all_of, pictures)]


def _apart(notebook: NotebookNode) -> NotebookNode:
    """A copy in which each box is a cell by itself, and what is glued as a picture an image of that name."""
    cells = []
    for cell in notebook.cells:
        prose = cell.cell_type == "markdown"
        parts = [part for part in _parts(cell.source) if part.strip()] if prose else []
        cells += [new_markdown_cell(_GLUE.sub(r"![](glued:\1)", part)) for part in parts] if prose else [cell]
    return nbformat.from_dict({**notebook, "cells": cells})


def _parts(source: str) -> Iterator[str]:
    start = 0
    for found in _DIRECTIVE.finditer(source):
        if found[2] in _BOXES or found[2].startswith("prf:"):
            yield source[start : found.start()]
            yield found[0]
            start = found.end()
    yield source[start:]


def _glued(notebook: NotebookNode) -> dict[str, Still]:
    """The pictures that a chapter has glued, by name."""
    found = {}
    for cell in notebook.cells:
        for output in cell.get("outputs", ()):
            if told := output.get("metadata", {}).get("scrapbook"):
                data = {kind.removeprefix(told["mime_prefix"]): each for kind, each in output.data.items()}
                if picture := still(data):
                    found[told["name"]] = picture
    return found


def _bodies(all_of: Sequence[Piece], pictures: Mapping[str, Still]) -> Iterator[str]:
    section, picture = "", None
    for piece in all_of:
        if piece.solves:
            continue
        if piece.cell.cell_type == "code":
            picture = _picture(piece.cell)
            continue
        source = piece.cell.source
        if found := _EXERCISE.search(source):
            yield _titled("Exercise", found["title"], _html(found["body"]))
        elif source.startswith("**Figure ") and picture:
            body = _image(picture) + f'<div class="caption">{_html(_first(_said(source), 2))}</div>\n'
            yield _titled("", section, f'<div class="beside">{body}</div>' if picture.is_tall else body)
        else:
            yield from _texts(source, pictures)
            section = ([section] + [title for _, title in _HEADING.findall(source)])[-1]
        picture = None


def _boxed(title: str, body: str, pictures: Mapping[str, Still]) -> Iterator[str]:
    """The slides of a box: what begins in bold begins a slide, and so does what there is no more room for."""
    slide: list[str] = []
    for block in body.split("\n\n"):
        full = sum(map(_room, [*slide, block])) > _MOST
        if slide and (full or _LEAD.match(block)):
            yield _box(title, slide, pictures)
            slide = []
        slide.append(block)
    yield _box(title, slide, pictures)


def _room(block: str) -> int:
    """About as many characters as a block takes room for."""
    return _PICTURE if _GLUED.match(block) else len(block) + _FORMULA * (block.count("$$") // 2)


def _box(title: str, blocks: Sequence[str], pictures: Mapping[str, Still]) -> str:
    """A slide of a box; where it has a picture, what stands below that is its caption."""
    above, name, below = ([*_GLUED.split("\n\n".join(blocks), maxsplit=1), "", ""])[:3]
    if name not in pictures:
        return _titled("", title, f'<div class="box">{_html(above + below)}</div>\n')
    text = f'<div class="box">{_html(above)}</div>\n' if above.strip() else ""
    caption = f'<div class="caption">{_html(below)}</div>\n' if below.strip() else ""
    shown = _image(pictures[name])
    return _titled("", title, f'<div class="under">{text}{shown}{caption}</div>\n' if text else shown + caption)


def _texts(source: str, pictures: Mapping[str, Still]) -> Iterator[str]:
    """The slides that a cell of prose makes: for headings of chapter and sections, and for a box."""
    if found := _BOX.search(source):
        yield from _boxed(found["title"], found["body"], pictures)
        source = source[: found.start()]
    parts = _HEADING.split(source)[1:]
    for level, title, text in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        text = text.strip()
        if level == "#":
            yield f"<h1>{_inline(title)}</h1>\n{_html(_first(text, 3))}"
            points = [_first(point, 1) for point in re.findall(r"(?ms)^- (.+?)(?=^- |^$|\Z)", text)]
            if points:
                yield _titled("", "In short", _html("\n".join(f"- {' '.join(point.split())}" for point in points)))
        elif level == "##" and text:
            yield _titled("", title, _html(_first(text, 3)))


def _said(caption: str) -> str:
    return re.sub(r"\A\*\*Figure \d+\.\*\* *", "", caption)


def _first(text: str, count: int) -> str:
    """The first sentences of a text's first paragraph."""
    paragraph = text.strip().partition("\n\n")[0]
    return " ".join(each.strip() for each in _SENTENCE.findall(paragraph)[:count])


def _titled(kind: str, title: str, body: str) -> str:
    above = f"<h3>{kind}</h3>\n" if kind else ""
    return f"{above}<h2>{_inline(title)}</h2>\n{body}"


def _html(text: str) -> str:
    return _MATHS.render(text)


def _inline(text: str) -> str:
    return _MATHS.renderInline(text)


def _picture(cell: NotebookNode) -> Still | None:
    return next(filter(None, (still(output.get("data", {})) for output in cell.outputs)), None)


def _image(picture: Still) -> str:
    return f'<img alt="{html.escape(picture.says)}" src="data:{picture.kind};base64,{picture.coded}">\n'


def write(book: Path, executed: Path, out: Path) -> list[Path]:
    """Write the slides of every chapter that has run, to be shown and to be printed, with reveal.js beside them.

    Parameters
    ----------
    book, executed : folders of the chapters and of the executed ones
    out : folder below that of the built pages, whose MathJax sets the formulas

    Returns
    -------
    list of the pages written
    """
    package = Path(find_spec("sphinx_revealjs").origin).parent / "_static" / "revealjs" / "dist"
    (out / "reveal").mkdir(parents=True, exist_ok=True)
    for name in ("reset.css", "reveal.css", "reveal.js"):
        shutil.copyfile(package / name, out / "reveal" / name)
    written = []
    for path, words in all_words(book, executed):
        notebook = nbformat.read(path, 4)
        title = html.escape(_HEADING.search(notebook.cells[0].source)[2])
        shown = _PAGE_OF_BOOK.sub(r'href="../book/\1.html\2"', "\n".join(slides(notebook, words)))
        on_paper = _LINK_TO_BOOK.sub(r"\1", shown)
        for kind, body, all_slides in (("", _SHOWN, shown), (".print", _PRINTED, on_paper)):
            page = _PAGE.format(title=title, body=body.format(slides=all_slides))
            written.append(out / f"{path.stem}{kind}.html")
            written[-1].write_text(page, encoding="utf-8")
    return written

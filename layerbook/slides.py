"""Slides of a chapter for a teacher's screen: its boxes, figures and exercises, by reveal.js, without a network."""

import html
import re
import shutil
from collections.abc import Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path

import nbformat
from markdown_it import MarkdownIt
from mdit_py_plugins.dollarmath import dollarmath_plugin
from nbformat import NotebookNode

from layerbook.editions import all_words
from layerbook.pieces import Piece, pieces
from layerbook.plain_markdown import Words
from layerbook.still import Still, still

_HEADING = re.compile(r"(?m)^(#{1,3}) +(.+)$")
_BOX = re.compile(r"(?ms)^\*\*(?P<title>[^*\n]+)\.\*\*\n\n(?P<body>.+)\Z")
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
.reveal img {{ display: block; margin: 0 auto; max-width: 100%; max-height: 480px }}
.reveal .beside {{ display: flex; gap: 1em; align-items: center }}
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

    One for the title with the chapter's first words, one for each section with its first sentences, one for each box,
    figure and exercise. Solutions are left out.

    Parameters
    ----------
    notebook : with outputs
    words : what stands in place of references

    Raises
    ------
    ValueError
        as `pieces`
    """
    return [f"<section>\n{each}</section>" for each in _bodies(list(pieces(notebook, words)))]


def _bodies(all_of: Sequence[Piece]) -> Iterator[str]:
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
            yield from _texts(source)
            section = ([section] + [title for _, title in _HEADING.findall(source)])[-1]
        picture = None


def _texts(source: str) -> Iterator[str]:
    """The slides that a cell of prose makes: for headings of chapter and sections, and for a box."""
    if found := _BOX.search(source):
        yield _titled("", found["title"], f'<div class="box">{_html(found["body"])}</div>\n')
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
        all_slides = "\n".join(slides(notebook, words))
        for kind, body in (("", _SHOWN), (".print", _PRINTED)):
            page = _PAGE.format(title=title, body=body.format(slides=all_slides))
            written.append(out / f"{path.stem}{kind}.html")
            written[-1].write_text(page, encoding="utf-8")
    return written

"""MyST of the chapters as plain Markdown: nothing of MyST is left, and nothing is made up."""

import re
from pathlib import Path

import nbformat
import pytest
from glued import glued
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from layerbook.plain_markdown import Words, glued_in, places_in, plain, works_of

BOOK = Path(__file__).parents[2] / "book"
WORDS = Words(
    {"error": 0.03125, "depth": 10, "full_depth": "20"},
    {"f1": "Figure 2", "e1": "(3)", "end": "“The end”", "rerun": "*Run again*"},
    {"davel2020": ("Davel et al.", "2020", "DNNs"), "xie2018": ("Xie & Lai", "2018", "An interpretation")},
)


@pytest.mark.parametrize(
    "myst, markdown",
    [
        ("{glue:text}`error:.1%` at {glue:text}`depth`, once {glue:text}`full_depth`.", "3.1% at 10, once 20."),
        ("a {term}`node`, {term}`nodes <node>`", "a node, nodes"),
        ("{cite:t}`davel2020` finds", "Davel et al. (2020) finds"),
        ("others {cite}`davel2020,xie2018`", "others (Davel et al. 2020; Xie & Lai 2018)"),
        ("{numref}`f1`, {eq}`e1`, {ref}`end`", "Figure 2, (3), “The end”"),
        ("{ref}`the table <end>`, {doc}`rerun`", "the table, *Run again*"),
        ("(here)=\n## A heading", "## A heading"),
        ("$$a = b$$ (e1)", "$$a = b \\tag{3}$$"),
        ("$x$ and `{term}` stay", "$x$ and `{term}` stay"),
        ("```{exercise} How many?\n:label: ex\n\nCount $x$.\n```", "### Exercise: How many?\n\nCount $x$."),
        ("```{admonition} More\n:class: dropdown\n\nText.\n```\n\nAfter.", "**More.**\n\nText.\n\nAfter."),
    ],
)
def test_roles_and_directives_become_words(myst, markdown):
    assert plain(myst, WORDS) == markdown


@pytest.mark.parametrize(
    "myst, told",
    [
        ("{glue:text}`gone`", "no number 'gone'"),
        ("{numref}`gone`", "no place 'gone'"),
        ("{cite}`gone`", "no work 'gone'"),
        ("{download}`x.py`", "got download"),
        ("```{note}\nText.\n```", "got a note"),
    ],
)
def test_what_has_no_plain_words_is_refused(myst, told):
    with pytest.raises(ValueError, match=told):
        plain(myst, WORDS)


def test_values_of_a_run_are_read_as_they_were_glued():
    cell = new_code_cell("", outputs=[glued("a", "0.5"), glued("b", "'3 of 4'"), glued("c", "np.float64(2.5)")])
    assert glued_in(new_notebook(cells=[cell])) == {"a": 0.5, "b": "3 of 4", "c": 2.5}


def test_figures_and_equations_are_counted_in_their_order():
    figure = {"mystnb": {"figure": {"caption": "One.", "name": "f-one"}}}
    cells = [
        new_code_cell("", metadata={"mystnb": {"figure": {"caption": "No name."}}}),
        new_markdown_cell("$$a$$ (e-a)\n\n(there)=\n## Where it ends\n\n$$b$$\n\n$$c$$ (e-c)"),
        new_code_cell("", metadata=figure),
        new_markdown_cell(
            "````{exercise} By hand\n:label: x-hand\n\nDo.\n````\n\n```{prf:theorem}\n:label: t-one\n\nIt is.\n```"
        ),
    ]
    notebook = new_notebook(cells=cells)
    told = {"f-one": "Figure 2", "e-a": "(1)", "e-c": "(2)", "there": "“Where it ends”"}
    assert places_in(notebook) == told | {"x-hand": "exercise “By hand”", "t-one": "the theorem"}
    assert places_in(notebook, "Layers")["f-one"] == "Figure 2 of *Layers*"


def test_every_work_that_a_chapter_cites_has_authors_and_a_year():
    works = works_of(BOOK / "references.bib")
    sources = [cell.source for path in BOOK.glob("*.ipynb") for cell in nbformat.read(path, 4).cells]
    cited = [key for source in sources for key in Words().works_in(source)]
    assert len(cited) > 10
    for key in cited:
        authors, year, title = works[key]
        assert re.fullmatch(r"[12]\d{3}", year) and authors and len(title) > 5 and "{" not in authors + title

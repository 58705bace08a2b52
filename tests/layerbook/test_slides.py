import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from layerbook.plain_markdown import Words
from layerbook.printing import find_browser, printed
from layerbook.slides import slides, write

WIDE = "iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAIAAADwyuo0AAAAEElEQVR4nGP4DwYMEOo/AwBdyQf5dTYmFwAAAABJRU5ErkJggg=="
TALL = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAAECAIAAAArjXluAAAAEElEQVR4nGP4DwQMDEAMJAAdzwX7xBdiIwAAAABJRU5ErkJggg=="


def figure(picture, caption):
    shown = new_output("display_data", {"image/png": picture})
    return new_code_cell("draw()", outputs=[shown], metadata={"mystnb": {"figure": {"caption": caption, "name": "f"}}})


def chapter():
    return new_notebook(
        cells=[
            new_markdown_cell(
                "# A $k$-toy\n\nOne. Two. Three. Four.\n\n- *A finding.* And\n  more.\n- Another.\n\nLast."
            ),
            new_markdown_cell("## Looking\n\nFirst. Second.\n\nThird paragraph."),
            figure(WIDE, "**What one sees.** How it was made. More of it."),
            new_code_cell("no_figure()", outputs=[new_output("display_data", {"image/png": WIDE})]),
            new_markdown_cell("### Closer"),
            figure(TALL, "Plain words. And others."),
            new_markdown_cell("```{admonition} A bet\nWhere does it fall?\n```"),
            new_markdown_cell("```{exercise} Twice\n:label: toy\n\nDouble it.\n```\n\n```{solution-start} toy\n```"),
            new_code_cell("secret = 2"),
            new_markdown_cell("So. \n\n```{solution-end}\n```"),
        ]
    )


def texts():
    return [re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", each)).strip() for each in slides(chapter(), Words())]


def test_a_slide_for_title_findings_section_figures_boxes_and_exercises():
    assert texts() == [
        r"A \(k\) -toy One. Two. Three.",
        "In short A finding. Another.",
        "Looking First. Second.",
        "Looking What one sees. How it was made.",
        "Closer Plain words. And others.",
        "A bet Where does it fall?",
        "Exercise Twice Double it.",
    ]


OPENING = """# T

````{opening}
**The question.** Why?

**The idea.** This.

```{glue} idea
:doc: toy.ipynb
```

**What we found.**

- One.

```{glue} best
```

Left: this. Right: that.
````

The page goes on.
"""


def opened(source=OPENING):
    """The slides of an opening with two glued pictures, one of which is a drawing."""
    drawing = '<svg aria-label="A drawing" viewBox="0 0 4 2" style="a"></svg>'
    glued = []
    for name, kind, data in (("idea", "text/html", drawing), ("best", "image/png", WIDE)):
        told = {"scrapbook": {"name": name, "mime_prefix": "papermill/"}}
        glued.append(new_output("display_data", {f"papermill/{kind}": data}, metadata=told))
    return slides(new_notebook(cells=[new_markdown_cell(source), new_code_cell("draw()", outputs=glued)]), Words())


def test_an_opening_is_a_slide_for_the_question_one_for_the_idea_and_one_for_what_was_found():
    title, question, idea, found = opened()
    assert "<h1>T</h1>" in title and "Why?" in question and "<img" not in question
    assert idea.index("This.") < idea.index('<img alt="A drawing" src="data:image/svg+xml;base64,')
    assert found.index("<li>One.</li>") < found.index("image/png") < found.index('<div class="caption"><p>Left: this.')
    assert "below" not in "".join(opened()) and "The page goes on." not in "".join(opened())


def test_a_picture_that_has_no_room_left_has_a_slide_of_its_own():
    *_, found, best = opened(OPENING.replace("- One.", f"- {'One. ' * 100}"))
    assert "<img" not in found and best.count("<img") == 1 and "Left: this." in best


def test_what_is_glued_as_no_picture_leaves_no_empty_place():
    made = "".join(opened(OPENING.replace("{glue} best", "{glue} other")))
    assert made.count("<img") == 1 and "glued:" not in made


def test_a_box_ends_where_it_ends_and_fills_as_many_slides_as_it_needs():
    texts = [letter * 400 for letter in "abc"]
    source = f"```{{admonition}} Long\n{texts[0]}\n\n{texts[1]}\n\n$$x$$\n```\n\n{texts[2]}"
    made = slides(new_notebook(cells=[new_markdown_cell(source)]), Words())
    assert [[text[0] for text in texts if text in each] for each in made] == [["a"], ["b"], []]
    assert all("<h2>Long</h2>" in each for each in made) and r"\[x\]" in made[2]


def test_a_figure_to_touch_is_a_picture_on_its_slide():
    touched = '<div class="layer-frame"><svg aria-label="A &amp; b" viewBox="0 0 4 2" style="a"></svg></div>'
    made = new_notebook(cells=[new_markdown_cell("# T"), figure(WIDE, "One.")])
    made.cells[1].outputs = [new_output("display_data", {"text/html": touched})]
    assert '<img alt="A &amp; b" src="data:image/svg+xml;base64,' in "".join(slides(made, Words()))


def test_solutions_and_pictures_without_a_caption_are_left_out():
    made = "".join(slides(chapter(), Words()))
    assert made.count("<img") == 2
    assert "secret" not in made


def test_a_tall_picture_stands_beside_its_caption():
    assert ["beside" in each for each in slides(chapter(), Words()) if "<img" in each] == [False, True]


@pytest.fixture
def written(tmp_path):
    for folder in ("book", "executed"):
        (tmp_path / folder).mkdir()
        nbformat.write(chapter(), tmp_path / folder / "toy.ipynb")
    (tmp_path / "book" / "references.bib").touch()
    return write(tmp_path / "book", tmp_path / "executed", tmp_path / "html" / "slides")


def test_pages_to_show_and_to_print_need_no_network(written):
    assert [path.name for path in written] == ["toy.html", "toy.print.html"]
    for path in written:
        page = path.read_text(encoding="utf-8")
        named = re.findall(r'(?:src|href)="(?!data:)([^"]+)"', page)
        assert "reveal/reset.css" in named
        assert [name for name in named if re.match(r"\w+:|//", name)] == []
        assert all((path.parent / name).is_file() for name in named if not name.startswith("../_static"))
    assert "reveal/reveal.js" in written[0].read_text(encoding="utf-8")


def test_links_to_other_chapters_lead_to_their_pages_and_on_paper_nowhere(tmp_path):
    made = chapter()
    links = "[a chapter](other.ipynb#there), [a page](more.md), [a site](https://a.org/b.ipynb)"
    made.cells[1].source = f"## Looking\n\nSee {links}."
    for folder in ("book", "executed"):
        (tmp_path / folder).mkdir()
        nbformat.write(made, tmp_path / folder / "toy.ipynb")
    (tmp_path / "book" / "references.bib").touch()
    shown, paper = (
        path.read_text(encoding="utf-8")
        for path in write(tmp_path / "book", tmp_path / "executed", tmp_path / "html" / "slides")
    )
    leads = '<a href="../book/other.html#there">a chapter</a>, <a href="../book/more.html">a page</a>'
    site = '<a href="https://a.org/b.ipynb">a site</a>'
    assert f"See {leads}, {site}." in shown and f"See a chapter, a page, {site}." in paper


@pytest.mark.slow
@pytest.mark.skipif(find_browser() is None, reason="no Chromium found")
def test_they_are_printed_a_page_each(written, tmp_path):
    pdf = printed(written[1], tmp_path / "toy.pdf").read_bytes()
    assert len(re.findall(rb"/Type\s*/Page[^s]", pdf)) == 7


def test_without_a_browser_printing_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr("layerbook.printing.find_browser", lambda: None)
    with pytest.raises(ValueError, match="install chromium"):
        printed(Path("page.html"), tmp_path / "out.pdf")

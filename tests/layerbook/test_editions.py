"""Editions of a chapter: what students get, what teachers get, and that all of it is plain and runs."""

import importlib.util
import json
import subprocess
import sys
from importlib.metadata import version

import nbformat
import pytest
from glued import glued
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from layerbook.editions import EDITIONS, edition, notes_of, published, write
from layerbook.pieces import pieces
from layerbook.plain_markdown import Words

FIRST = """\
Text.

```{exercise} Twice
:label: toy-twice

Take `a` {glue:text}`times` times.
```

```{solution-start} toy-twice
:class: dropdown
```
"""
BETWEEN = """\
It is even.

```{solution-end}
```

```{exercise} Thrice
:label: toy-thrice

And thrice?
```

```{solution-start} toy-thrice
```
"""
LAST = "Odd.\n\n```{solution-end}\n```\n\nGoodbye, {cite:t}`davel2020`."
NOTES = """\
toy-twice:
  minutes: 5
  level: 1
  answer: "answer: a whole number"
  check: |
    exact, answer = 2 * a, int(answer)
    assert answer != a * a, "a squared is not twice a"
    assert answer == exact, "expected 2 a"
  filled: answer = twice
  wrong: They square it.
  discuss: Why is that even?
"""


def chapter():
    shown = new_output("execute_result", {"text/plain": "6"}, execution_count=3, metadata={"x": 1})
    return new_notebook(
        cells=[
            new_markdown_cell("# A toy"),
            new_code_cell("a: int = 3  # a number", metadata={"tags": ["parameters"], "papermill": {"duration": 1}}),
            new_code_cell(
                "a", outputs=[glued("times", "2"), shown], metadata={"mystnb": {"figure": {"caption": "One."}}}
            ),
            new_markdown_cell(FIRST),
            new_code_cell("twice = 2 * a\ntwice", outputs=[shown]),
            new_markdown_cell(BETWEEN),
            new_code_cell("3 * a"),
            new_markdown_cell(LAST),
        ],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}, "papermill": {}, "widgets": {}},
    )


WORDS = Words({"times": 2}, {}, {"davel2020": ("Davel et al.", "2020", "DNNs")})


@pytest.fixture
def notes(tmp_path):
    (tmp_path / "toy.yaml").write_text(NOTES)
    return notes_of(tmp_path / "toy.yaml")


def sources(notebook):
    return [cell.source for cell in notebook.cells]


def test_pieces_know_what_they_solve():
    solving = [(each.cell.source.splitlines()[0], each.solves) for each in pieces(chapter(), WORDS)]
    assert solving == [
        ("# A toy", ""),
        ("a: int = 3  # a number", ""),
        ("a", ""),
        ("**Figure 1.** One.", ""),
        ("Text.", ""),
        ("### Exercise: Twice", ""),
        ("twice = 2 * a", "toy-twice"),
        ("It is even.", "toy-twice"),
        ("### Exercise: Thrice", ""),
        ("3 * a", "toy-thrice"),
        ("Odd.", "toy-thrice"),
        ("Goodbye, Davel et al. (2020).", ""),
    ]


@pytest.mark.parametrize("end", ["", "```{solution-start} other\n```\n"])
def test_a_solution_that_does_not_end_is_refused(end):
    broken = chapter()
    broken.cells[-1].source = end + "Goodbye."
    with pytest.raises(ValueError, match="solution-start"):
        list(pieces(broken, WORDS))


def test_students_get_no_solution_and_no_output_but_a_cell_to_fill_and_a_check(notes):
    made = edition("student", chapter(), WORDS, notes)
    text = json.dumps(made)
    assert "2 * a\\ntwice" not in text and "3 * a" not in text and "even" not in text and "Odd" not in text
    assert not any(cell.get("outputs") for cell in made.cells)
    assert "# answer: a whole number\nanswer = ...\n" in sources(made)
    assert sources(made).count("# Your turn.\n") == 1
    assert sum("def check(" in source for source in sources(made)) == 1
    assert "They square" not in text


@pytest.mark.parametrize(
    "answer, told",
    [
        ("answer = 6", "Right."),
        ("answer = 9", "Not yet: a squared is not twice a"),
        ("answer = 7", "Not yet: expected 2 a"),
        ("answer = None", "Is it what the comment above it asks for?"),
        ("", "Fill in the cell above"),
    ],
)
def test_a_student_copy_runs_as_a_whole_whatever_is_filled_in_and_says_what_is_wrong(notes, answer, told):
    made = edition("student", chapter(), WORDS, notes)
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    code = [source.replace("answer = ...", answer or "answer = ...") for source in code]
    namespace = {}
    exec("\n".join(["exact = 'of the chapter'", *code]), namespace)  # as one program
    assert namespace["check"](namespace["answer"]).startswith(told)
    assert namespace["exact"] == "of the chapter"


def test_what_a_check_expects_is_folded(notes):
    made = edition("student", chapter(), WORDS, notes)
    folded = [cell.source for cell in made.cells if cell.metadata.get("jupyter", {}).get("source_hidden")]
    assert [source.partition("(")[0] for source in folded] == ["def check"]


def test_the_solution_itself_passes_the_check(notes):
    namespace = {}
    solution = [each.cell.source for each in pieces(chapter(), WORDS) if each.solves in ("", "toy-twice")
                and each.cell.cell_type == "code"]  # fmt: skip
    exec("\n".join([*solution, notes["toy-twice"]["filled"], notes["toy-twice"]["check"]]), namespace)
    assert namespace["answer"] == 6


def test_teachers_get_solutions_with_outputs_and_what_there_is_to_say(notes):
    made = edition("instructor", chapter(), WORDS, notes)
    place = sources(made).index("twice = 2 * a\ntwice")
    said = sources(made)[place - 1]
    assert "*5 minutes, level 1 of 3*" in said and "They square it." in said and "Why is that even?" in said
    assert made.cells[place].outputs[0].data == {"text/plain": "6"}
    assert "scrapbook" not in json.dumps(made)


def test_a_portable_copy_installs_first_and_runs_from_the_top(tmp_path):
    made = edition("portable", chapter(), WORDS, {})
    code = [cell.source for cell in made.cells if cell.cell_type == "code"]
    assert "pip" in code[0] and code[-1] == "3 * a"
    script = "\n".join([*code[:-1], "print(3 * a)"])
    ran = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert ran.stdout == "9\n"
    assert list(tmp_path.iterdir()) == []  # nothing was installed where layerlib is there


def test_where_layerlib_is_missing_the_wheel_beside_is_installed_and_torch_is_held(tmp_path, monkeypatch):
    first = edition("portable", chapter(), WORDS, {}).cells[0].source
    asked, real = [], importlib.util.find_spec
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "layerbook" else real(name))
    monkeypatch.setattr(
        subprocess, "run", lambda command, check: asked.append((command, (tmp_path / "stay.txt").read_text()))
    )
    with pytest.raises(AssertionError, match="beside this notebook"):  # never from an index: another's may be there
        exec(first, {})
    (tmp_path / "layerlib-0.1.0-py3-none-any.whl").touch()
    exec(first, {})
    ((command, held),) = asked
    assert "layerlib-0.1.0-py3-none-any.whl[chapters]" in command
    assert held.splitlines()[0] == f"torch=={version('torch')}"
    assert [path.suffix for path in tmp_path.iterdir()] == [".whl"]


def test_where_the_book_is_published_the_package_comes_from_there(tmp_path, monkeypatch):
    first = edition("portable", chapter(), WORDS, {}, "https://example.org/book/").cells[0].source
    asked, real = [], importlib.util.find_spec
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "layerbook" else real(name))
    monkeypatch.setattr(subprocess, "run", lambda command, check: asked.extend(command))
    exec(first, {})
    wheel = f"layerlib-{version('layerlib')}-py3-none-any.whl"
    assert f"layerlib[chapters] @ https://example.org/book/_downloads/portable/{wheel}" in asked


@pytest.mark.parametrize("text, address", [("title: x", ""), ("html: {baseurl: 'https://a.org'}", "https://a.org")])
def test_the_address_of_the_book_is_read_from_its_settings(tmp_path, text, address):
    (tmp_path / "_config.yml").write_text(text)
    assert published(tmp_path / "_config.yml") == address


@pytest.mark.parametrize("kind", EDITIONS)
def test_an_edition_is_a_valid_notebook_with_its_references(kind, notes):
    made = edition(kind, chapter(), WORDS, notes)
    nbformat.validate(made)
    assert set(made.metadata) == {"kernelspec"}
    assert made.cells[-1].source == "## References\n\n- Davel et al. 2020: DNNs."
    assert len({cell.id for cell in made.cells}) == len(made.cells)


def test_notes_about_no_exercise_or_of_unknown_kinds_are_refused(tmp_path):
    with pytest.raises(ValueError, match="toy-gone"):
        edition("student", chapter(), WORDS, {"toy-gone": {"wrong": "x"}})
    for text in ("toy-twice: {minuts: 3}", "toy-twice: {minutes: 3}", "a list", "toy-twice: 3"):
        (tmp_path / "toy.yaml").write_text(text)
        with pytest.raises(ValueError, match=r"toy\.yaml"):
            notes_of(tmp_path / "toy.yaml")


def test_all_editions_of_what_has_run_are_written_with_the_records(tmp_path):
    book, executed = tmp_path / "book", tmp_path / "executed"
    for folder in (book / "teach", book / "records", executed):
        folder.mkdir(parents=True)
    (book / "references.bib").write_text(
        "@book{davel2020,\n  author = {Davel, M. and Others, A. and More, B.},\n  year = {2020},\n  title = {DNNs}\n}\n"
    )
    (book / "teach" / "toy.yaml").write_text(NOTES)
    (book / "records" / "toy.json").write_text("{}")
    for name in ("toy", "not_run"):
        nbformat.write(chapter(), book / f"{name}.ipynb")
    nbformat.write(chapter(), executed / "toy.ipynb")
    written = write(book, executed, tmp_path / "out")
    assert [path.relative_to(tmp_path / "out").as_posix() for path in written] == [
        f"{kind}/toy.ipynb" for kind in EDITIONS
    ]
    assert (tmp_path / "out" / "portable" / "records" / "toy.json").is_file()
    (executed / "toy.ipynb").unlink()
    with pytest.raises(ValueError, match="make book"):
        write(book, executed, tmp_path / "out")

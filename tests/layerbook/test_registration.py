"""The registration page, as the scoreboard reads it."""

from pathlib import Path

import pytest

from layerbook.registration import Registered, read_registration

PAGE = Path(__file__).parents[2] / "book" / "registration.md"


def test_the_books_page_has_both_rounds():
    found = read_registration(PAGE)
    assert [int(item) for item in found if item.isdigit()] == list(range(1, 57))
    assert all(found[str(item)].round == ("first" if item <= 50 else "second") for item in range(1, 57))
    assert found["5"].superseded_by == "5c" and found["5"].mark == "superseded by 5c"
    assert found["37c"].round == found["43b"].round == found["E11b"].round == "second"
    assert found["37c"].test == found["43b"].test
    assert found["8"].mark == "first round" and found["F9b"].mark == "second round"


def test_rows_of_rounds_are_read_and_nothing_else(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(
        "| 9 | before |\n## First round\n| claim | test | superseded by |\n|---|---|---|\n| 1 | a |  |\n"
        "text | 2 | b |\n## Second round\n| 1b | P > 2 |\n"
    )
    assert read_registration(page) == {"1": Registered("1", "first", "a"), "1b": Registered("1b", "second", "P > 2")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# Nothing", "expected tables of registered tests, found none"),
        ("## First round\n| 1 | a |  |\n| 1 | b |  |", "1 is registered twice"),
        ("## First round\n| 1 | a | 1c |", "1 is superseded by 1c, which is not registered"),
    ],
)
def test_a_page_that_registers_badly_is_named(tmp_path, text, message):
    (tmp_path / "page.md").write_text(text)
    with pytest.raises(ValueError, match=f"page.md: {message}"):
        read_registration(tmp_path / "page.md")

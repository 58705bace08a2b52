"""What a reader types stays as it is, unless somebody means to change it."""

from pathlib import Path

from surface import lines

AGREED = Path(__file__).parents[1] / "surface.txt"


def test_the_public_surface_is_the_one_that_was_agreed():
    found = "\n".join(lines()) + "\n"
    renewal = "if this is meant: python tests/helpers/surface.py > tests/surface.txt, and a line in CHANGELOG.md"
    assert found == AGREED.read_text(encoding="utf-8"), renewal

"""Notebooks say nothing of devices: what they call moves tensors to where these are needed."""

import json
from pathlib import Path

import pytest

BOOK = Path(__file__).parents[2] / "book"
MOVES = (".cpu(", ".cuda(", '.to("cpu', ".to('cpu", '.to("cuda', ".to('cuda")


def moving(code: str) -> list[str]:
    """The lines of a cell that move something to a device by name."""
    return [line for line in code.splitlines() if any(move in line for move in MOVES)]


@pytest.mark.parametrize("path", sorted(BOOK.glob("*.ipynb")), ids=lambda path: path.stem)
def test_no_cell_moves_a_tensor_to_a_device_by_name(path):
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    found = {i: moving("".join(cell["source"])) for i, cell in enumerate(cells) if cell["cell_type"] == "code"}
    assert {i: lines for i, lines in found.items() if lines} == {}


def test_a_move_is_seen():
    assert moving("x = y\nz = y.cpu().numpy()") == ["z = y.cpu().numpy()"]

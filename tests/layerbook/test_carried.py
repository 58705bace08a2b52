"""Portable notebooks that read stored files."""

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from layerbook.carried import carry


def test_a_file_that_a_notebook_names_is_there_once_its_cells_ran(tmp_path, monkeypatch):
    book, away = tmp_path / "book", tmp_path / "away"
    (book / "inspections").mkdir(parents=True)
    away.mkdir()
    (book / "inspections" / "a.npz").write_bytes(bytes(range(256)))
    (book / "inspections" / "other.npz").write_bytes(b"other")
    read = "found = open('inspections/a.npz', 'rb').read()  # \"inspections/a.npz\", \"inspections/not_there.npz\""
    made = new_notebook(cells=[new_code_cell("first = 1"), new_code_cell(read)])
    carry(made, book)
    nbformat.validate(made)
    assert [cell.metadata.get("jupyter", {}).get("source_hidden", False) for cell in made.cells] == [False, True, False]
    monkeypatch.chdir(away)
    namespace = {}
    exec("\n".join(cell.source for cell in made.cells), namespace)
    assert namespace["found"] == bytes(range(256))
    assert [path.name for path in (away / "inspections").iterdir()] == ["a.npz"]


def test_a_notebook_that_reads_none_stays_as_it_is(tmp_path):
    made = new_notebook(cells=[new_code_cell("first = 1")])
    carry(made, tmp_path)
    assert len(made.cells) == 1

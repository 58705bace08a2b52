"""Students' copies, filled in as the chapters solve their exercises, run from top to bottom and pass their checks."""

import nbformat
import papermill
import pytest
from copies import BOOK, CHAPTERS, filled, solutions
from smallest import datasets, parameters

from layerbook.running import PATIENCE


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return datasets(tmp_path_factory.mktemp("data"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in CHAPTERS if solutions(name)])
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_filled_copy_runs_and_every_answer_is_right(name, paths, tmp_path):
    (tmp_path / "records").symlink_to(BOOK / "records")
    copy = tmp_path / f"{name}.ipynb"
    nbformat.write(filled(name), copy)
    ran = papermill.execute_notebook(
        str(copy),
        str(tmp_path / "out.ipynb"),
        parameters(name, paths),
        cwd=str(tmp_path),
        progress_bar=False,
        iopub_timeout=PATIENCE,
    )
    checks = [cell for cell in ran.cells if "def check(answer)" in cell.source]
    assert checks
    assert all(cell.outputs[-1].data["text/plain"] == "'Right.'" for cell in checks)

"""The code cells of a notebook, run one after the other in this process."""

import ast
import linecache
from collections.abc import Mapping
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import nbformat
from IPython.core.formatters import DisplayFormatter


def run_cells(path: Path, values: Mapping[str, object]) -> dict[str, object]:
    """Run the notebook at ``path`` with these parameters; figures are made and not drawn.

    Parameters
    ----------
    values : name -> value, set after the cell tagged ``parameters``

    Returns
    -------
    name -> value, what the cells left behind

    Raises
    ------
    ValueError
        if a name is not one of the notebook's parameters
    """
    matplotlib.use("Agg")
    show = DisplayFormatter().format
    names: dict[str, object] = {"__name__": "__main__", "display": lambda *things: [show(each) for each in things]}
    for number, cell in enumerate(nbformat.read(path, as_version=4).cells):
        if cell.cell_type != "code":
            continue
        _run(cell.source, f"<{path.stem}, cell {number}>", names, show)
        if "parameters" in cell.metadata.get("tags", []):
            if unknown := set(values) - set(names):
                raise ValueError(f"values: expected parameters of {path.stem}, got {sorted(unknown)}")
            names |= values
        plt.close("all")
    return names


def _run(source: str, file: str, names: dict[str, object], show) -> None:
    # so that tracebacks show the lines of the cell
    linecache.cache[file] = len(source), None, source.splitlines(keepends=True), file
    statements = ast.parse(source, file)
    last = statements.body[-1] if statements.body else None
    shown = isinstance(last, ast.Expr) and not source.rstrip().endswith(";")
    if shown:
        statements.body.pop()
    exec(compile(statements, file, "exec"), names)
    if shown:
        show(eval(compile(ast.Expression(last.value), file, "eval"), names))

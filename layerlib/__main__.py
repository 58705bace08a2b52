"""The command ``layerlib``, the one file of this package that reaches into the book's."""

import sys
from collections.abc import Sequence

# What an import that fails is called, and the extra that brings it.
EXTRAS = {
    "book": "IPython fastjsonschema joblib jsonschema jupyter_client markdown_it mdit_py_plugins myst_nb nbclient "
    "nbformat openTSNE packaging papermill seaborn skimage traitlets xarray yaml zmq",
    "sweep": "dask dask_jobqueue distributed pyarrow",
}
EXTRA_OF = {module: extra for extra, modules in EXTRAS.items() for module in modules.split()}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line, or say in one sentence which extra it needs.

    Parameters
    ----------
    argv : arguments without the program's name; by default those of the process

    Returns
    -------
    int, the exit code: 0 fine, 1 a cell failed, 2 bad usage or an extra that is not installed, 130 interrupted

    Raises
    ------
    ModuleNotFoundError
        if a module is missing that no extra brings
    """
    argv = sys.argv[1:] if argv is None else argv
    if argv[:1] == ["inspect"]:  # which needs no extra
        from layerlib.inspection._command import main as inspect

        return inspect(argv[1:])
    try:
        from layerbook.cli import main as run

        return run(argv)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in EXTRA_OF:
            raise
        extra = EXTRA_OF[missing]
        print(f"layerlib: the command line needs {missing}: pip install 'layerlib[{extra}]'", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())

"""``python -m layerlib``: the command line, which belongs to the book's package and needs its extra."""

import sys


def main() -> int:
    """Run the command line, or say what to install for it; the exit code."""
    try:
        from layerbook.cli import main as command_line
    except ModuleNotFoundError as error:
        package = (error.name or "").split(".")[0]
        if package in ("layerlib", "layerbook") or not package:
            raise
        print(f"layerlib: the command line needs {package}: pip install 'layerlib[book]'", file=sys.stderr)
        return 2
    return command_line()


if __name__ == "__main__":
    sys.exit(main())

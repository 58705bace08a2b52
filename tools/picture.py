"""Take a named figure out of an executed chapter: python tools/picture.py CHAPTER FIGURE OUT.png"""

import base64
import sys
from pathlib import Path

import nbformat

from layerlib._files import replacing

EXECUTED = Path(__file__).resolve().parents[1] / "_build" / "executed"


def main(chapter: str, figure: str, out: str) -> None:
    notebook = nbformat.read(EXECUTED / f"{chapter}.ipynb", as_version=4)
    found = [
        output["data"]["image/png"]
        for cell in notebook.cells
        if cell.metadata.get("mystnb", {}).get("figure", {}).get("name") == figure
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    if len(found) != 1:
        raise SystemExit(f"{chapter}: expected one figure {figure!r}, got {len(found)}")
    with replacing(Path(out)) as beside:
        beside.write_bytes(base64.b64decode(found[0]))


if __name__ == "__main__":
    main(*sys.argv[1:])

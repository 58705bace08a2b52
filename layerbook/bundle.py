"""One zipped folder with all that a course needs on computers without a network.

The built pages, the editions, slides, books to print, the data, and a wheelhouse: every package that the book is built
with, for the kind of computer that it was gathered on. ``install.sh`` and ``install.bat`` make an environment of it.
"""

import argparse
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path

CPU = "https://download.pytorch.org/whl/cpu"
STORED = {".whl", ".png", ".zip", ".gz", ".npz", ".pdf", ".epub"}  # packed already
_SHELL = """\
#!/bin/sh
# Make an environment in the folder "env" from the packages beside this file. It asks no network.
set -e
cd "$(dirname "$0")"
PYTHON="${PYTHON:-@PYTHON@}"
"$PYTHON" -c 'import sys; sys.exit("%d.%d" % sys.version_info[:2] != "@VERSION@")' || {
    echo "The packages here are for Python @VERSION@. Name one: PYTHON=/path/to/python@VERSION@ ./install.sh" >&2
    exit 1
}
"$PYTHON" -m venv env
env/bin/python -m pip install --quiet --no-index --find-links wheelhouse -r requirements.txt layerlib
env/bin/layerlib check || true
echo "To open the notebooks: env/bin/jupyter lab --ServerApp.root_dir=editions"
echo "To read the book: site/index.html, in a browser"
"""
_BATCH = """\
@echo off
rem Make an environment in the folder "env" from the packages beside this file. It asks no network.
cd /d "%~dp0"
py -@VERSION@ -m venv env || (echo The packages here are for Python @VERSION@ & exit /b 1)
env\\Scripts\\python -m pip install --quiet --no-index --find-links wheelhouse -r requirements.txt layerlib || exit /b 1
env\\Scripts\\layerlib check
echo To open the notebooks: env\\Scripts\\jupyter lab --ServerApp.root_dir=editions
echo To read the book: site\\index.html, in a browser
"""
_README = """\
# The layer book, to take along

`install.sh` (Linux, macOS) or `install.bat` (Windows) makes an environment of the packages in `wheelhouse`: Python
@VERSION@ must be there, a network need not. It ends with a line for each thing that it looked at.

| folder | what it holds |
|---|---|
| `site` | the book: open `index.html`; slides and portable notebooks are linked there |
| `editions` | notebooks for students, for teachers, and portable ones |
| `pdf` | the book and its slides, to print, and as EPUB, where they were made |
| `wheelhouse` | packages for @PLATFORM@ and Python @VERSION@; `layerlib` has the data sets inside |

A computer of another kind needs the wheelhouse of its kind: `make bundle` on one of them makes it.
What may be copied: the page *What you may copy* of the book, and `LICENSE`.
"""


def gather(root: Path, out: Path, torch: str = "") -> Path:
    """Put everything into one folder, the packages from the index that pip asks.

    Parameters
    ----------
    root : of the repository, with the built book and the editions in ``_build``
    out : the new folder
    torch : "cpu" for the smaller PyTorch without CUDA; empty for that of ``requirements.txt``

    Returns
    -------
    Path, the folder

    Raises
    ------
    ValueError
        if the book or the editions have not been built
    """
    built = root / "_build"
    wheels = sorted((built / "editions" / "portable").glob("layerlib-*.whl"))
    for there, how in ((built / "html" / "index.html", "make book"), (wheels and wheels[-1], "make editions")):
        if not there or not there.is_file():
            raise ValueError(f"{there or built / 'editions'}: expected it to be built: {how}")
    shutil.rmtree(out, ignore_errors=True)
    for source, name in ((built / "html", "site"), (built / "editions", "editions"), (built / "pdf", "pdf")):
        if source.is_dir():
            shutil.copytree(source, out / name, ignore=shutil.ignore_patterns(".ready"))
    for name in ("LICENSE", "requirements.txt", "CITATION.cff"):
        shutil.copy(root / name, out)
    _download(out / "requirements.txt", out / "wheelhouse", torch)
    shutil.copy(wheels[-1], out / "wheelhouse")
    _write_texts(out)
    return out


def _download(requirements: Path, out: Path, torch: str) -> None:
    index = ["--extra-index-url", CPU] if torch == "cpu" else []
    if torch == "cpu":
        lines = requirements.read_text(encoding="utf-8").splitlines()
        pinned = [f"{line}+cpu" if line.startswith(("torch==", "torchvision==")) else line for line in lines]
        requirements.write_text("\n".join(pinned) + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--disable-pip-version-check", *index]
    subprocess.run([*command, "-r", requirements, "-w", out], check=True)  # also of what is only to be had as source


def _write_texts(out: Path) -> None:
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    words = {"@VERSION@": here, "@PYTHON@": f"python{here}", "@PLATFORM@": sys.platform}
    for name, text in (("install.sh", _SHELL), ("install.bat", _BATCH), ("README.md", _README)):
        for mark, word in words.items():
            text = text.replace(mark, word)
        newline = "\r\n" if name.endswith(".bat") else "\n"
        (out / name).write_text(text, encoding="utf-8", newline=newline)
    (out / "install.sh").chmod(0o755)


def packed(folder: Path, out: Path) -> Path:
    """Zip a folder; what is packed already is stored as it is.

    Returns
    -------
    Path, the zip
    """
    part = out.with_suffix(".part")
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as made:
        for path in _files(folder):
            how = zipfile.ZIP_STORED if path.suffix in STORED else zipfile.ZIP_DEFLATED
            made.write(path, Path(out.stem, path.relative_to(folder)), how)
    return part.replace(out)


def _files(folder: Path) -> Iterator[Path]:
    yield from (path for path in sorted(folder.rglob("*")) if path.is_file())


def main(argv: Sequence[str] | None = None) -> int:
    """Make the bundle, and say where it is and how large."""
    parser = argparse.ArgumentParser(prog="python -m layerbook.bundle")
    parser.add_argument(
        "--torch", choices=["", "cpu"], default="", help="cpu: PyTorch without CUDA, a tenth of the size"
    )
    asked = parser.parse_args(argv)
    try:
        folder = gather(Path.cwd(), Path("_build/bundle"), asked.torch)
    except (ValueError, subprocess.CalledProcessError) as error:
        print(f"bundle: {error}", file=sys.stderr)
        return 1
    made = packed(folder, Path("_build") / f"layer-book-{version('layerlib')}.zip")
    size = sum(path.stat().st_size for path in _files(folder / "wheelhouse"))
    print(f"The bundle: {made.resolve()}: {made.stat().st_size / 1e6:,.0f} MB, of which packages {size / 1e6:,.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())

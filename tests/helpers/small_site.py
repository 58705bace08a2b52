"""A site of a few pages, built with the book's own extensions, scripts and styles."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

BOOK = Path(__file__).parents[2] / "book"


def build_site(
    folder: Path, files: Mapping[str, str], *extensions: str, builder: str = "html"
) -> subprocess.CompletedProcess:
    """Write ``files``, build what is Markdown into ``folder / "site"``; warnings are errors."""
    for name, content in files.items():
        (folder / name).write_text(content, encoding="utf-8")
    options = [
        f"extensions={','.join(['myst_parser', *extensions])}",
        f"html_static_path={BOOK / '_static_book'}",
        "html_css_files=book.css",
    ]
    command = [sys.executable, "-m", "sphinx", "-C", "-q", "-W", "-b", builder]
    command += [*(word for each in options for word in ("-D", each))]
    env = os.environ | {"PYTHONPATH": os.pathsep.join([str(BOOK / "_ext"), str(BOOK.parent)])}
    return subprocess.run([*command, ".", "site"], cwd=folder, env=env, capture_output=True, text=True)

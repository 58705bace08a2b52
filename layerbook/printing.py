"""Pages of the book as PDF, printed by the Chromium that is there."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")


def find_browser() -> str | None:
    """The browser that prints, or None; the variable BROWSER_PATH names another one."""
    return os.environ.get("BROWSER_PATH") or next(filter(None, map(shutil.which, BROWSERS)), None)


def printed(page: Path, out: Path, wait: float = 30) -> Path:
    """Print a page to a PDF, once its formulas are set.

    Parameters
    ----------
    page : an HTML file
    out : the PDF
    wait : seconds of the page's own time that its scripts may take

    Raises
    ------
    ValueError
        if there is no Chromium, or it printed nothing
    """
    browser = find_browser()
    if browser is None:
        raise ValueError("no Chromium found, which prints: install chromium, or name one in BROWSER_PATH")
    with tempfile.TemporaryDirectory() as profile:
        options = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
        options += [f"--virtual-time-budget={round(1000 * wait)}", "--no-pdf-header-footer", f"--print-to-pdf={out}"]
        done = subprocess.run([browser, *options, page.resolve().as_uri()], capture_output=True, text=True)
    if done.returncode or not out.is_file() or out.stat().st_size < 5000:
        raise ValueError(f"{page}: expected a PDF, got none from {browser}: {done.stderr.strip()[-200:]}")
    return out


def all_printed(built: Path, out: Path) -> list[Path]:
    """Print the book and the slides of its chapters, and put the EPUB beside them.

    Parameters
    ----------
    built : ``_build``, with the pages in ``html`` and what is to be printed in ``print``
    out : folder of the PDFs

    Returns
    -------
    list of the files

    Raises
    ------
    ValueError
        as `printed`
    """
    out.mkdir(parents=True, exist_ok=True)
    made = []
    for epub in sorted(built.glob("print/_build/epub/*.epub")):
        made.append(Path(shutil.copyfile(epub, out / "layer-book.epub")))
    [whole] = built.glob("print/_build/singlehtml/book/intro.html")
    made.append(printed(whole, out / "layer-book.pdf", wait=300))
    for page in sorted(built.glob("html/slides/*.print.html")):
        made.append(printed(page, out / f"slides-{page.name.removesuffix('.print.html')}.pdf"))
    return made


if __name__ == "__main__":
    try:
        for path in all_printed(Path("_build"), Path("_build/pdf")):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    except ValueError as error:
        sys.exit(f"printing: {error}")

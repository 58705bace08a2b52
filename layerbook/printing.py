"""Pages of the book as PDF, printed by the Chromium that is there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
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


def still_page(page: Path, out: Path) -> Path:
    """The whole book without scripts, and where its addresses lead: Sphinx counts them from the folder of all pages.

    Parameters
    ----------
    page : as Sphinx's builder ``singlehtml`` wrote it, in the folder of the book's first page
    out : the page to be printed, in the folder of all pages
    """
    out.write_text(re.sub(r"(?s)<script\b.*?</script>", "", page.read_text(encoding="utf-8")), encoding="utf-8")
    return out


def complete_epub(folder: Path, out: Path) -> Path:
    """The e-book that Sphinx wrote, with the styles that its extensions add too late, and told where formulas are.

    Parameters
    ----------
    folder : as Sphinx's builder ``epub`` left it
    out : the EPUB
    """
    listed = (folder / "content.opf").read_text(encoding="utf-8")
    for path in sorted(folder.glob("_static/*.css")):
        name = path.relative_to(folder).as_posix()
        if f'href="{name}"' not in listed:
            item = f'<item id="late-{path.stem}" href="{name}" media-type="text/css" />\n  '
            listed = listed.replace("</manifest>", f"{item}</manifest>")
    names = re.findall(r'<item [^>]*href="([^"]+)"', listed)
    for name in names:
        if name.endswith(".xhtml") and "<math" in (folder / name).read_text(encoding="utf-8"):
            listed = listed.replace(f'href="{name}" media', f'href="{name}" properties="mathml" media')
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.write(folder / "mimetype", "mimetype", zipfile.ZIP_STORED)  # first, and not packed, says the standard
        made.writestr("content.opf", listed)
        for name in ["META-INF/container.xml", *dict.fromkeys(names)]:
            made.write(folder / name, name)
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
    made = [complete_epub(built / "print" / "_build" / "epub", out / "layer-book.epub")]
    [whole] = built.glob("print/_build/singlehtml/book/intro.html")
    made.append(printed(still_page(whole, whole.parents[1] / "whole.html"), out / "layer-book.pdf"))
    for page in sorted(built.glob("html/slides/*.print.html")):
        made.append(printed(page, out / f"slides-{page.name.removesuffix('.print.html')}.pdf"))
    return made


if __name__ == "__main__":
    try:
        for path in all_printed(Path("_build"), Path("_build/pdf")):
            print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")
    except ValueError as error:
        sys.exit(f"printing: {error}")

"""Pictures of every page of the built book, to look at: python tools/screenshots.py FOLDER [PAGE ...]"""

import base64
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "helpers"))
from browser import browser_page  # noqa: E402

TALLEST = 8000  # Chromium gives up on pictures that are much taller


def main(folder: str, *names: str) -> None:
    html = ROOT / "_build" / "html"
    names = names or sorted(path.stem for path in html.glob("book/*.html"))
    Path(folder).mkdir(parents=True, exist_ok=True)
    with browser_page() as page:
        for name in names:
            for theme in ("light", "dark"):
                for size, width in (("wide", 1400), ("narrow", 400)):
                    page.visit((html / "book" / f"{name}.html").as_uri(), width, theme)
                    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST)
                    clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
                    shot = page.send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
                    file = Path(folder, f"{name}-{theme}-{size}.png")
                    file.write_bytes(base64.b64decode(shot["data"]))
                    print(file)


if __name__ == "__main__":
    main(*sys.argv[1:])

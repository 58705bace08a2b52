"""Every page of the built book, judged by axe-core: read by keyboard, by ear, in both themes, wide and on a phone."""

import pytest
from pages import PAGES, ROOT, address, cannot

AXE = ROOT / "_build" / "foreign" / "axe_playwright_python" / "axe.min.js"
pytestmark = [pytest.mark.foreign, pytest.mark.xdist_group("browser")]

JUDGE = """axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => violations.map((each) => [
    each.id, each.impact, each.nodes.map(({target, html}) => target.join(" ") + "  " + html.slice(0, 200))
]))"""
# All is opened, and no colour is on its way to another one.
SETTLE = """(async () => {
    document.querySelectorAll("article details").forEach((part) => part.open = true);
    const still = "<style>*, *::before, *::after { transition: none !important; animation: none !important; }</style>";
    document.head.insertAdjacentHTML("beforeend", still);
    for (let frames = 0; frames < 2; frames++) await new Promise(requestAnimationFrame);
})()"""


@pytest.fixture(scope="module")
def axe():
    if not AXE.exists():
        cannot("axe-core is not installed: make _build/foreign/.ready")
    return AXE.read_text(encoding="utf-8")


def grave_faults(page, axe) -> dict[str, list[str]]:
    page.send("Runtime.evaluate", expression=axe)
    return {name: where[:5] for name, impact, where in page.evaluate(JUDGE) if impact in ("serious", "critical")}


@pytest.mark.parametrize("width", [1400, 390], ids=["wide", "phone"])
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("name", [name for name in PAGES if name.startswith("book/")])
def test_a_page_has_no_grave_fault(page, axe, name, theme, width):
    page.visit(address(name), width, theme)
    page.evaluate(SETTLE)
    assert grave_faults(page, axe) == {}


def test_a_planted_fault_is_found(page, axe):
    page.visit("data:text/html,<html lang=en><title>A</title><main><h1>A</h1><button></button></main></html>")
    assert set(grave_faults(page, axe)) == {"button-name"}

"""The slider: in a browser, from disk, with nothing but the page itself."""

import base64
import html
import io
import os
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from browser import browser_page, find_browser
from xarray import DataArray

from layerbook.figures.slider import Side, touchable

pytestmark = pytest.mark.xdist_group("browser")
LABELS = ["iteration 0", "iteration <10>", 'the "end"</script>']


@pytest.fixture(scope="module")
def frames():
    made = []
    for i in range(3):
        figure, ax = plt.subplots(figsize=(3, 2))
        ax.plot([0, i + 1])
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=50)
        made.append(file.getvalue())
        plt.close(figure)
    return made


def slider(frames, labels=LABELS):
    """A figure of one side whose pictures a reader leafs through."""
    coded = [f"data:image/png;base64,{base64.b64encode(frame).decode()}" for frame in frames]
    pictures = {
        label: f'<img src="{src}" alt="{html.escape(f"Lines: {label}")}">'
        for label, src in zip(labels, coded, strict=True)
    }
    return touchable({"": Side(pictures)}, "frame")


def test_all_frames_are_in_the_page_and_the_last_is_shown_without_a_script(frames):
    page = slider(frames).data
    coded = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert [base64.b64decode(each) for each in coded] == frames
    shown = re.findall(r'<div class="layer-frame" data-label="([^"]*)"( hidden)?>', page)
    assert [(html.unescape(label), bool(hidden)) for label, hidden in shown] == [
        (LABELS[0], True),
        (LABELS[1], True),
        (LABELS[2], False),
    ]
    assert html.escape(f"Lines: {LABELS[-1]}") in page
    assert page.count("</script>") == 1


def test_the_same_frames_give_the_same_page_and_others_another_name(frames):
    assert slider(frames).data == slider(frames).data
    pages = slider(frames[:2], LABELS[:2]).data, slider(frames[1:], LABELS[:2]).data
    names = [re.search(r'id="(slider-\w+)"', page)[1] for page in pages]
    assert names[0] != names[1]


def test_numbers_come_as_a_table_of_means_and_as_a_file_of_all():
    values = DataArray([[[1.0, 2], [3, float("nan")]]], dims=["data", "seed", "layer"])
    values = values.assign_coords(data=["easy"], seed=[0, 1], layer=[1, 2])
    page = touchable({"this run": Side({"": "<svg/>"}, values)}, name="toy").data
    name, coded = re.search(r'download="([^"]+)" href="data:text/csv;base64,([^"]+)"', page).groups()
    assert name == "toy this run.csv"
    lines = base64.b64decode(coded).decode().splitlines()
    assert lines == ["data,seed,layer 1,layer 2", "easy,0,1,2", "easy,1,3,"]
    assert re.findall(r"<td[^>]*>([^<]*)</td>", page) == ["easy", "2", "2"]


def test_means_of_steps_are_geometric_as_they_are_drawn_and_empty_where_a_seed_never_got_there():
    steps = DataArray([[[0.0, 9, 9], [99, 9, float("nan")]]], dims=["lens", "seed", "layer"])
    steps = steps.assign_coords(lens=["means"], seed=[0, 1], layer=[1, 2, 3]).assign_attrs(mean="geometric")
    page = touchable({"this run": Side({"": "<svg/>"}, steps)}, name="toy").data
    assert "; geometric means over the seeds:" in page
    assert re.findall(r"<td[^>]*>([^<]*)</td>", page) == ["means", "9", "9", ""], "1 and 100 give 10"
    coded = re.search(r'href="data:text/csv;base64,([^"]+)"', page)[1]
    assert base64.b64decode(coded).decode().splitlines()[1:] == ["means,0,0,9,9", "means,1,99,9,"]


def test_a_side_needs_a_picture():
    for sides in ({}, {"this run": Side({})}):
        with pytest.raises(ValueError, match="expected at least one, each with a picture"):
            touchable(sides)


@pytest.fixture(scope="module")
def page(frames, tmp_path_factory):
    """A figure of two sides in a browser; the second has three pictures."""
    if find_browser() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium found")
    pictures = {label: f"<b>{at}</b>" for at, label in enumerate(LABELS)}
    both = touchable({"the record": Side({"": "<b>record</b>"}), "this run": Side(pictures)}, "iteration").data
    path = tmp_path_factory.mktemp("site") / "page.html"
    path.write_text(f"<!doctype html><meta charset=utf-8>{slider(frames)._repr_html_()}{both}")
    with browser_page() as opened:
        opened.visit(path.as_uri())
        yield opened


SHOWN = """[...document.querySelectorAll(".layer-figure:last-of-type .layer-frame")].filter((each) => each.offsetParent)
    .map((each) => each.textContent)"""


def key(page, name, code):
    for kind in ("keyDown", "keyUp"):
        page.send("Input.dispatchKeyEvent", type=kind, key=name, code=name, windowsVirtualKeyCode=code)


def test_moving_the_slider_changes_the_picture_without_kernel_or_network(page, frames):
    shown = []
    for at in (2, 0, 1):
        page.evaluate(f"""(() => {{ const range = document.querySelector("input[type=range]");
            range.value = {at}; range.dispatchEvent(new Event("input")); }})()""")
        src, alt, text, spoken, width = page.evaluate("""(async () => {
            const [image] = [...document.querySelectorAll("img")].filter((each) => each.offsetParent);
            await image.decode(); const range = document.querySelector("input[type=range]");
            return [image.src, image.alt, document.querySelector("output").textContent,
                range.getAttribute("aria-valuetext"), image.naturalWidth]; })()""")
        assert (text, spoken, alt, width) == (LABELS[at], LABELS[at], f"Lines: {LABELS[at]}", 150)
        shown.append(base64.b64decode(src.split(",")[1]))
    assert shown == [frames[2], frames[0], frames[1]]
    assert all(url.startswith(("file:", "data:")) for url in page.requests())
    assert page.complaints() == []


def test_tabs_and_sliders_obey_keys_alone(page):
    assert page.evaluate(SHOWN) == ["record"]
    page.evaluate('document.querySelectorAll("[aria-pressed]")[1].focus()')
    page.send("Input.dispatchKeyEvent", type="keyDown", key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    page.send("Input.dispatchKeyEvent", type="keyUp", key="Enter", code="Enter", windowsVirtualKeyCode=13)
    assert page.evaluate(SHOWN) == ["2"]
    pressed = '[...document.querySelectorAll("[aria-pressed]")].map((each) => each.getAttribute("aria-pressed"))'
    assert page.evaluate(pressed) == ["false", "true"]
    page.evaluate("document.querySelector(\".layer-figure:last-of-type [data-side='this run'] input\").focus()")
    key(page, "ArrowLeft", 37)
    assert page.evaluate(SHOWN) == ["1"]


def test_a_figure_can_be_enlarged_and_put_back(page):
    shown = page.evaluate(SHOWN)  # whatever side and picture it stands at
    page.evaluate('document.querySelectorAll(".layer-enlarge")[1].click()')
    enlarged = page.evaluate("""[...document.querySelectorAll("dialog[open] .layer-frame")]
        .filter((each) => each.offsetParent).map((each) => each.textContent)""")
    assert len(shown) == 1 and enlarged == shown
    page.evaluate('document.querySelector("dialog[open] button").click()')
    page.evaluate("new Promise((done) => setTimeout(done, 50))")
    assert page.evaluate('document.querySelector("dialog")') is None

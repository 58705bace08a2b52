"""The slider: in a browser, from disk, with nothing but the page itself."""

import base64
import html
import io
import json
import os
import re

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest
from browser import browser_page, find_browser
from PIL import Image

from layerbook.figures.slider import png, slider

pytestmark = pytest.mark.xdist_group("browser")
LABELS = ["iteration 0", "iteration <10>", 'the "end"</script>']


@pytest.fixture(scope="module")
def frames():
    made = []
    for i in range(3):
        figure, ax = plt.subplots(figsize=(3, 2))
        ax.plot([0, i + 1])
        made.append(png(figure, 50))
        plt.close(figure)
    return made


def test_a_png_has_the_size_of_the_figure_and_few_colours(frames):
    image = Image.open(io.BytesIO(frames[0]))
    assert image.format == "PNG" and image.size == (150, 100)
    assert len(image.convert("RGB").getcolors()) <= 64


def test_all_frames_are_in_the_page_and_the_last_is_shown_without_a_script(frames):
    page = slider(frames, LABELS, "Lines").data
    listed = json.loads(re.search(r"frames = (\[.*?\]), labels", page)[1])
    assert [base64.b64decode(address.split(",")[1]) for address in listed] == frames
    assert f'src="{listed[-1]}"' in page
    assert html.escape(f"Lines: {LABELS[-1]}") in page
    assert page.count("</script>") == 1


def test_the_same_frames_give_the_same_page_and_others_another_name(frames):
    assert slider(frames, LABELS, "Lines").data == slider(frames, LABELS, "Lines").data
    names = [
        re.search(r'id="(slider-\w+)"', slider(some, LABELS[:2], "Lines").data)[1] for some in (frames[:2], frames[1:])
    ]
    assert names[0] != names[1]


@pytest.mark.parametrize("some, labels", [(0, 0), (2, 3), (3, 2)])
def test_a_label_is_needed_for_every_frame(frames, some, labels):
    with pytest.raises(ValueError, match=f"one label per frame .*, got {some} frames and {labels} labels"):
        slider(frames[:some], LABELS[:labels], "Lines")


def test_what_is_no_png_is_refused(frames):
    with pytest.raises(ValueError, match="frames: expected PNG files, frame 1 begins b'GIF89a'"):
        slider([frames[0], b"GIF89a"], LABELS[:2], "Lines")


def test_moving_the_slider_changes_the_picture_without_kernel_or_network(frames, tmp_path):
    if find_browser() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no Chromium found")
    (tmp_path / "page.html").write_text(
        f"<!doctype html><meta charset=utf-8>{slider(frames, LABELS, 'Lines', 'iteration').data}", encoding="utf-8"
    )
    with browser_page() as page:
        page.visit((tmp_path / "page.html").as_uri())
        shown = []
        for at in (2, 0, 1):
            page.evaluate(f"""(() => {{ const range = document.querySelector("input[type=range]");
                range.value = {at}; range.dispatchEvent(new Event("input")); }})()""")
            src, alt, text, width = page.evaluate("""(async () => { const image = document.querySelector("img");
                await image.decode(); const output = document.querySelector("output");
                return [image.src, image.alt, output.textContent, image.naturalWidth]; })()""")
            assert (text, alt, width) == (LABELS[at], f"Lines: {LABELS[at]}", 150)
            shown.append(base64.b64decode(src.split(",")[1]))
        assert shown == [frames[2], frames[0], frames[1]]
        assert all(url.startswith(("file:", "data:")) for url in page.requests())
        assert page.complaints() == []

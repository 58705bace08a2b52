"""The one picture of a figure, for where nothing is touched."""

import base64
import io
import xml.etree.ElementTree as ET

import matplotlib.pyplot as plt
import pytest

from layerbook.figures.svg import svg
from layerbook.still import still


def drawn(alt, size=(4, 2)):
    figure, ax = plt.subplots(figsize=size)
    ax.plot([1, 2], color="#0173b2")
    return svg(figure, alt)


def framed(*frames):
    return "".join(f'<div class="layer-frame" data-label="a: 1"{how}>{what}\n</div>' for how, what in frames)


def test_a_figure_to_touch_shows_the_frame_that_is_not_hidden():
    markup = framed((" hidden", drawn("first")), ("", drawn("second & <third>")), (" hidden", drawn("last")))
    shown = still({"text/html": f'<div class="layer-figure">{markup}</div>', "text/plain": "x"})
    assert shown.kind == "image/svg+xml" and shown.says == "second & <third>"
    assert not shown.is_tall


def test_a_drawing_stands_by_itself_with_a_size_and_colours_of_its_own():
    shown = still({"text/html": [drawn("tall", (2, 4))]})
    text = base64.b64decode(shown.coded).decode()
    root = ET.fromstring(text)
    assert (root.get("width"), root.get("height")) == ("288", "576")  # two pixels a point
    assert shown.is_tall
    assert "var(" not in text and "#0173b2" in text


@pytest.mark.parametrize("size, tall", [((4, 2), False), ((2, 4), True)])
def test_pixels_are_shown_as_they_are(size, tall):
    figure, written = plt.figure(figsize=size), io.BytesIO()
    figure.savefig(written, format="png")
    plt.close(figure)
    coded = base64.b64encode(written.getvalue()).decode()
    for data in (
        {"image/png": f"{coded}\n"},
        {"text/html": framed(("", f'<img src="data:image/png;base64,{coded}">'))},
    ):
        shown = still(data)
        assert (shown.kind, shown.coded, shown.says, shown.is_tall) == ("image/png", coded, "", tall)


@pytest.mark.parametrize("data", [{}, {"text/plain": "3"}, {"text/html": "<table></table>"}])
def test_what_has_no_picture_gives_none(data):
    assert still(data) is None

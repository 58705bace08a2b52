"""Figures as markup: text stays text, colours follow the theme, no two share an id."""

import re
import xml.etree.ElementTree as ET

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import pytest

from layerbook.figures.svg import dark, dark_style, svg


def made(alt="A line", colour="#332288", **look):
    figure, ax = plt.subplots(figsize=(3, 2))
    ax.plot([0, 1], color=colour, **look)
    ax.set_title("told <twice>")
    return svg(figure, alt)


def test_it_is_whole_says_what_it_shows_and_closes_the_figure():
    text = made('Says "so" & more')
    root = ET.fromstring(text)
    assert root.get("aria-label") == 'Says "so" & more' and root.get("role") == "img"
    assert not root.get("width") and not root.get("height") and root.get("viewBox")
    assert "told &lt;twice&gt;" in text
    assert plt.get_fignums() == []


def test_numbers_that_are_read_keep_their_digits_and_places_are_short():
    figure, ax = plt.subplots()
    ax.set(title="perplexity 1.649", yticks=[0.25, 0.75])
    text = svg(figure, "Numbers")
    assert "perplexity 1.649" in text and ">0.25</text>" in text
    assert not re.search(r"\d\.\d\d", " ".join(re.findall(r'\bd="([^"]+)"', text)))


def test_every_colour_can_change_with_the_theme():
    text = made()
    assert "var(--ink-332288, #332288)" in text
    assert not re.search(r"(?<!, )#[0-9a-f]{6}\b", text)
    assert f"--ink-332288: {dark('#332288')}" in dark_style([text])


def test_ids_are_of_one_figure_alone_and_what_refers_to_them_finds_them():
    one, other = made("one", marker="o"), made("other", marker="o")
    ids = [set(re.findall(r'\bid="([^"]+)"', text)) for text in (one, other)]
    assert ids[0] and not ids[0] & ids[1]
    assert set(re.findall(r'(?:href="#|url\(#)([^")]+)', one)) <= ids[0]
    assert made("one", marker="o") == one


@pytest.mark.parametrize("colour, expected", [("white", "#000000"), ("0.15", "#d9d9d9"), ("#949494", "#6b6b6b")])
def test_greys_turn_round_on_a_dark_page(colour, expected):
    assert dark(colour) == expected


def test_dark_colours_get_light_enough_and_light_ones_stay():
    assert dark("#ece133") == "#ece133"
    red, green, blue = (int(dark("#332288")[at : at + 2], 16) for at in (1, 3, 5))
    assert blue > 0x88 and red < blue > green


def test_dots_are_kept_small_and_stay_clear_where_nothing_is():
    figure, ax = plt.subplots()
    ax.scatter(range(50), range(50), rasterized=True)
    assert len(svg(figure, "Dots")) < 40_000

import numpy as np
import pytest
import torch

from layerbook.analysis.strokes import boxes, find_strokes, one_of_each
from layerlib.data.load import load


def drawing(*lines, thick=1):
    """A 28 x 28 image of straight lines, each (row, column, row, column), ``thick`` pixels to each side."""
    image = torch.zeros(28, 28)
    for r0, c0, r1, c1 in lines:
        for t in np.linspace(0, 1, 100):
            r, c = round(r0 + t * (r1 - r0)), round(c0 + t * (c1 - c0))
            image[r - thick : r + thick + 1, c - thick : c + thick + 1] = 1
    return image


def ring(radius):
    rows, columns = torch.meshgrid(torch.arange(28) - 14.0, torch.arange(28) - 14.0, indexing="ij")
    return ((rows**2 + columns**2).sqrt() - radius).abs().lt(1.5).float()


def marked(image):
    """Centres of the crossings and of the turns, as (row, column)."""
    strokes = find_strokes(image[None])
    return [
        [(t + h / 2 - 0.5, left + w / 2 - 0.5) for t, left, h, w in boxes(mask[0])]
        for mask in (strokes.crossings, strokes.turns)
    ]


PLUS, X = drawing((4, 14, 24, 14), (14, 4, 14, 24)), drawing((5, 5, 22, 22), (5, 22, 22, 5))
TEE, ELL = drawing((6, 4, 6, 24), (6, 14, 24, 14)), drawing((4, 8, 22, 8), (22, 8, 22, 22))
SEVEN, LINE = drawing((5, 6, 5, 21), (5, 21, 24, 11)), drawing((4, 5, 24, 20))


@pytest.mark.parametrize(
    ("image", "where"), [(PLUS, (14, 14)), (X, (13.5, 13.5)), (TEE, (6, 14))], ids=["plus", "x", "tee"]
)
@pytest.mark.parametrize("turned", range(4))
def test_a_crossing_is_found_where_lines_meet_and_nowhere_else(image, where, turned):
    image = image.rot90(turned)
    for _ in range(turned):
        where = (27 - where[1], where[0])
    crossings, turns = marked(image)
    assert len(crossings) == 1 and turns == []
    assert np.abs(np.subtract(crossings[0], where)).max() <= 1.5


@pytest.mark.parametrize(("image", "where"), [(ELL, (22, 8)), (SEVEN, (5, 21))], ids=["ell", "seven"])
@pytest.mark.parametrize("turned", range(4))
def test_a_turn_is_found_at_a_corner_and_nowhere_else(image, where, turned):
    image = image.rot90(turned)
    for _ in range(turned):
        where = (27 - where[1], where[0])
    crossings, turns = marked(image)
    assert len(turns) == 1 and crossings == []
    assert np.abs(np.subtract(turns[0], where)).max() <= 2.5


@pytest.mark.parametrize("image", [LINE, LINE.rot90(), ring(8), ring(10), drawing((14, 3, 14, 24), thick=2)])
def test_lines_and_wide_rings_neither_cross_nor_turn(image):
    assert marked(image) == [[], []]


def test_ragged_edges_and_blank_images_make_no_crossings():
    ragged = drawing((4, 14, 24, 14))
    ragged[8, 16] = ragged[15, 12] = ragged[19, 16] = 1
    assert marked(ragged) == [[], []]
    strokes = find_strokes(torch.zeros(2, 28, 28))
    assert not any(mask.any() for mask in (strokes.ink, strokes.skeleton, strokes.crossings, strokes.turns))


def test_an_image_gives_the_same_alone_as_among_others_and_as_bytes():
    images = load("mnist-mini").test.images[:40]
    together = find_strokes(images)
    for i in (0, 17, 39):
        alone = find_strokes(images[i].float() / 255)
        for name in ("ink", "skeleton", "crossings", "turns", "rest"):
            assert torch.equal(getattr(alone, name)[0], getattr(together, name)[i])
        torch.testing.assert_close(alone.density[0], together.density[i])


def test_masks_lie_on_the_ink_and_part_it():
    strokes = find_strokes(load("mnist-mini").test.images[:200])
    parts = [strokes.crossings, strokes.turns, strokes.rest]
    assert torch.equal(sum(part.int() for part in parts), strokes.ink.int())
    assert not (strokes.skeleton & ~strokes.ink).any()
    assert strokes.density.shape == strokes.ink.shape and 0 <= strokes.density.min() <= strokes.density.max() <= 1


def test_digits_cross_and_turn_as_they_are_drawn():
    test = load("mnist-mini").test
    strokes = find_strokes(test.images)
    crossed, turned = (
        torch.stack([mask[test.labels == c].flatten(1).any(1).double().mean() for c in range(10)])
        for mask in (strokes.crossings, strokes.turns)
    )
    assert crossed[[4, 8]].min() > 0.95 and crossed[1] < 0.05 and crossed[0] < 0.2
    assert turned[[3, 5, 7]].min() > 0.85 and turned[1] < 0.05


def test_boxes_surround_the_parts_of_a_mask():
    mask = torch.zeros(10, 10, dtype=torch.bool)
    mask[2:4, 3:7] = mask[8, 8] = True
    assert boxes(mask, margin=0) == [(2, 3, 2, 4), (8, 8, 1, 1)]
    assert boxes(mask) == [(1, 2, 4, 6), (7, 7, 3, 3)] and boxes(mask & False) == []


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match=r"^images: expected shape \(N, H, W\) or \(N, 1, H, W\), got \(2, 3, 8, 8\)"):
        find_strokes(torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match="^images: expected uint8 from 0 to 255 or floating point from 0 to 1, got "):
        find_strokes(torch.full((1, 8, 8), 255.0))
    with pytest.raises(ValueError, match="^images: expected uint8"):
        find_strokes(torch.full((1, 8, 8), torch.nan))
    with pytest.raises(ValueError, match=r"^threshold: expected a number in \[0, 1\], got 128"):
        find_strokes(torch.zeros(1, 8, 8), threshold=128)
    with pytest.raises(ValueError, match=r"^mask: expected bool of shape \(H, W\), got torch.float32"):
        boxes(torch.zeros(3, 3))


def test_of_each_class_the_first_image_with_most_marks_is_taken():
    plus = drawing((4, 14, 24, 14), (14, 4, 14, 24))  # a crossing
    corner = drawing((6, 6, 20, 6), (20, 6, 20, 20))  # a turn
    line = drawing((4, 14, 24, 14))
    strokes = find_strokes(torch.stack([line, plus, corner, line, line]))
    assert one_of_each(strokes, torch.tensor([0, 0, 0, 1, 1])).tolist() == [1, 3]
    both = find_strokes(torch.stack([plus, torch.maximum(plus, drawing((4, 24, 4, 14)))]))
    assert both.crossings[1].any() and both.turns[1].any()
    assert one_of_each(both, torch.tensor([0, 0])).tolist() == [1]

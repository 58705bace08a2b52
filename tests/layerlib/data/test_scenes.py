"""Scenes: what the labels say is in the picture, and nothing else is."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from layerlib.data import load as data
from layerlib.data import scenes
from layerlib.data.load import load, scene_sources
from layerlib.data.scenes import fresh_scenes, make_scenes
from layerlib.data.splits import Split

SHAPE = (5, 4)


def planted(first_value, samples=10, shape=SHAPE):
    """Sample i is of class i % 10 and a full rectangle of the grey value ``first_value`` + i."""
    values = torch.arange(first_value, first_value + samples, dtype=torch.uint8)
    return Split(values[:, None, None, None].expand(-1, 1, *shape).contiguous(), torch.arange(samples) % 10)


DIGITS, ARTICLES = planted(1), planted(101)


def literal(digits, articles, size, objects, source, top, left):
    """The pasting read aloud, picture by picture, object by object."""
    pictures, labels = np.zeros((len(objects), size, size), np.uint8), np.zeros((len(objects), 20), np.float32)
    for n, number in enumerate(objects):
        for i in range(number):
            kind = int(source[n][i] >= len(digits))
            split, sample = (digits, articles)[kind], source[n][i] - kind * len(digits)
            picture, y, x = split.images[sample, 0].numpy(), top[n][i], left[n][i]
            height, width = picture.shape
            window = pictures[n, y : y + height, x : x + width]
            pictures[n, y : y + height, x : x + width] = np.maximum(window, picture)
            labels[n, 10 * kind + split.labels[sample]] = 1
    return pictures, labels


@given(st.integers(1, 60), st.integers(0, 2**31), st.integers(9, 20), st.sampled_from([1, 7, 64]))
def test_scenes_equal_a_literal_pasting_of_what_was_drawn(count, seed, size, batch):
    random = torch.Generator().manual_seed(seed)
    sources = [
        Split(
            torch.randint(256, (n, 1, 9, 7), dtype=torch.uint8, generator=random),
            torch.randint(10, (n,), generator=random),
        )
        for n in (6, 11)
    ]
    drawn = scenes._draw(6, 11, count, seed, 5, (size - 8, size - 6))
    pictures, labels = literal(*sources, size, *(part.tolist() for part in drawn))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "BATCH", batch)
        ours = make_scenes(*sources, count, seed, size)
    assert np.array_equal(ours.images[:, 0].numpy(), pictures)
    assert np.array_equal(ours.labels.numpy(), labels)


def test_labels_name_the_planted_sources_that_are_in_the_picture():
    ours = make_scenes(DIGITS, ARTICLES, 3000, seed=0, size=40)
    assert ours.images.shape == (3000, 1, 40, 40) and ours.images.dtype == torch.uint8
    assert ours.labels.shape == (3000, 20) and ours.labels.dtype == torch.float32
    values = torch.cat([torch.arange(1, 11), torch.arange(101, 111)])
    pixels = torch.stack([(ours.images == value).flatten(1).sum(1) for value in values], 1)
    # whatever is seen is in the labels; what is in them and not seen lies under brighter objects
    assert (ours.labels[pixels > 0] == 1).all()
    hidden = (ours.labels == 1) & (pixels == 0)
    assert hidden.double().mean() < 0.002
    assert (pixels.sum(1) == (ours.images > 0).flatten(1).sum(1)).all()
    # the brightest object of a picture is seen whole
    brightest = torch.where(ours.labels == 1, values, -1).argmax(1)
    assert (pixels.gather(1, brightest[:, None]) >= SHAPE[0] * SHAPE[1]).all()


def test_objects_classes_and_places_are_drawn_evenly():
    objects, source, top, left = scenes._draw(30, 10, 40_000, 0, 5, (37, 12))
    for part, low, high in [(objects, 1, 5), (top, 0, 36), (left, 0, 11)]:
        counts = (part.flatten() - low).bincount(minlength=high - low + 1)
        assert len(counts) == high - low + 1
        expected = part.numel() / len(counts)
        assert (counts - expected).abs().max() < 5 * expected**0.5
    counts = source.flatten().bincount(minlength=40)
    for part, expected in [(counts[:30], 100_000 / 30), (counts[30:], 100_000 / 10)]:
        assert (part - expected).abs().max() < 5 * expected**0.5


def test_a_picture_has_about_two_point_eight_labels_of_one_to_five():
    labels = make_scenes(DIGITS, ARTICLES, 40_000, seed=1, size=12).labels.sum(1)
    expected = np.mean([20 * (1 - 0.95**n) for n in range(1, 6)])  # of n objects of 20 equally frequent classes
    assert labels.mean().item() == pytest.approx(expected, abs=5 * labels.std().item() / 200)
    assert labels.unique().tolist() == [1, 2, 3, 4, 5]


def test_fewer_objects_can_be_asked_for():
    labels = make_scenes(DIGITS, ARTICLES, 1000, seed=1, size=12, most=2).labels.sum(1)
    assert labels.unique().tolist() == [1, 2]
    assert torch.equal(fresh_scenes(DIGITS, ARTICLES, 1000, size=12, most=2)(1).labels.sum(1), labels)


def test_a_seed_always_makes_the_same_pictures_and_leaves_the_random_state():
    state = torch.get_rng_state()
    first, again, other = (make_scenes(DIGITS, ARTICLES, 50, seed) for seed in (3, 3, 4))
    assert torch.equal(first.images, again.images) and torch.equal(first.labels, again.labels)
    assert not torch.equal(first.images, other.images) and not torch.equal(first.labels, other.labels)
    assert torch.equal(torch.get_rng_state(), state)


def test_pictures_do_not_depend_on_the_batches_they_are_made_in(monkeypatch):
    whole = make_scenes(DIGITS, ARTICLES, 100, seed=0, size=16)
    monkeypatch.setattr(scenes, "BATCH", 7)
    assert torch.equal(make_scenes(DIGITS, ARTICLES, 100, seed=0, size=16).images, whole.images)


def test_objects_may_fill_the_whole_picture():
    square = planted(1, shape=(6, 6))
    ours = make_scenes(square, planted(101, shape=(6, 6)), 200, seed=0, size=6)
    assert (ours.images == ours.images.amax((2, 3), keepdim=True)).all()


def test_fresh_scenes_differ_from_epoch_to_epoch_and_repeat_by_number():
    epochs = fresh_scenes(DIGITS, ARTICLES, 300, size=16)
    made = [epochs(epoch) for epoch in range(5)]
    pictures = Counter(bytes(x) for part in made for x in part.images.numpy().reshape(300, -1))
    assert len(pictures) > 0.95 * 1500
    for epoch in (4, 0):
        again = epochs(epoch)
        assert torch.equal(again.images, made[epoch].images) and torch.equal(again.labels, made[epoch].labels)


@pytest.mark.parametrize(
    "changed, message",
    [
        ({"count": 0}, "count: expected at least 1 picture, got 0"),
        ({"most": 0}, "most: expected at least 1 object, got 0"),
        ({"size": 4}, "size: expected at least 5, that of the objects, got 4"),
        (
            {"digits": Split(torch.zeros(2, 3, 5, 4).byte(), torch.zeros(2).long())},
            r"digits: expected grey pictures \(1, h, w\) .*got \(3, 5, 4\)",
        ),
        ({"articles": planted(1, shape=(6, 6))}, r"articles: .* of the shape of digits, got \(1, 6, 6\)"),
        (
            {"digits": Split(DIGITS.images, torch.arange(1, 11))},
            r"digits: expected class numbers 0 to 9, got .* up to 10",
        ),
        (
            {"articles": Split(ARTICLES.images, torch.eye(10))},
            r"articles: expected class numbers .* \(10, 10\) up to 1",
        ),
    ],
)
def test_bad_sources_counts_and_sizes_are_refused(changed, message):
    arguments = {"digits": DIGITS, "articles": ARTICLES, "count": 3, "size": 64} | changed
    with pytest.raises(ValueError, match=message):
        make_scenes(**arguments, seed=0)
    with pytest.raises(ValueError, match=message):  # at once, before the first epoch
        fresh_scenes(**arguments)


# the embedded scenes


def test_embedded_scenes_have_the_promised_sizes_and_names():
    made = load("scenes-mini")
    for part, count in ((made.train, 10_000), (made.test, 2_000)):
        assert part.images.shape == (count, 1, 64, 64) and part.labels.shape == (count, 20)
        assert part.labels.sum(1).mean().item() == pytest.approx(2.81, abs=0.1)
        assert (part.labels.mean(0) - 0.14).abs().max() < 0.03
    assert made.classes == load("mnist-mini").classes + load("fashion-mini").classes
    assert len(set(made.classes)) == 20 and made.unlabelled == (0, 0)
    assert torch.equal(load("scenes-mini").test.images, made.test.images)


def test_test_scenes_are_made_of_sources_that_no_training_scene_has():
    sources = {
        part: {
            bytes(x)
            for split in scene_sources("scenes-mini", part=part)
            for x in split.images.numpy().reshape(len(split), -1)
        }
        for part in ("train", "test")
    }
    assert not sources["train"] & sources["test"]
    made = load("scenes-mini")
    for part, other in (("train", "test"), ("test", "train")):
        scene = getattr(made, part)
        single = scene.images[scene.labels.sum(1) == 1][:150, 0]
        own, foreign = (single_objects(single, sources[key]) for key in (part, other))
        # a picture of one label may still hold two objects of that class
        assert own > 60 and foreign == 0


def single_objects(pictures, sources):
    """How many of the pictures are one of the sources, cut out with all that is not black, on a black ground."""
    cut = {trimmed(np.frombuffer(source, np.uint8).reshape(28, 28)) for source in sources}
    return sum(trimmed(picture) in cut for picture in pictures.numpy())


def trimmed(picture):
    rows, columns = (np.flatnonzero(picture.any(axis)) for axis in (1, 0))
    part = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return part.shape, part.tobytes()


def test_whole_scenes_are_made_of_the_whole_sets(monkeypatch):
    honest, asked = data.load, []

    def small(name, root=None, size=None):
        asked.append((name, root))
        return honest({"mnist": "mnist-mini", "fashion_mnist": "fashion-mini"}[name])

    monkeypatch.setattr(data, "load", small)
    made = honest("scenes", "somewhere")
    assert asked == [("mnist", Path("somewhere")), ("fashion_mnist", Path("somewhere"))]
    assert (len(made.train), len(made.test)) == (50_000, 10_000) and len(made.classes) == 20
    digits, articles = scene_sources("scenes", "there", "test")
    assert asked[2:] == [("mnist", Path("there")), ("fashion_mnist", Path("there"))]
    assert torch.equal(digits.images, honest("mnist-mini").test.images)
    assert torch.equal(articles.images, honest("fashion-mini").test.images)


def test_scenes_without_the_whole_sets_say_what_to_put_where(tmp_path, monkeypatch):
    from torchvision import datasets

    def refused(*args, **kwargs):
        raise OSError("no network in tests")

    monkeypatch.setattr(datasets.mnist, "download_and_extract_archive", refused)
    with pytest.raises(FileNotFoundError, match="mnist: not found in .* put the original files into"):
        load("scenes", tmp_path)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("mnist-mini",), r"name: expected one of \['scenes-mini', 'scenes'\], got 'mnist-mini'"),
        (("scenes-mini", None, "validation"), "part: expected 'train' or 'test', got 'validation'"),
    ],
)
def test_sources_of_other_sets_and_parts_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        scene_sources(*arguments)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_makes_the_same_scenes_as_the_cpu():
    digits, articles = scene_sources("scenes-mini")
    ours = make_scenes(digits, articles, 3000, seed=5)
    theirs = make_scenes(digits.to("cuda"), articles.to("cuda"), 3000, seed=5)
    assert theirs.images.is_cuda and torch.equal(theirs.images.cpu(), ours.images)
    assert torch.equal(theirs.labels.cpu(), ours.labels)
    with pytest.raises(ValueError, match="articles: expected on the device of digits, .+, got cpu"):
        make_scenes(digits.to("cuda"), articles, 10, seed=0)

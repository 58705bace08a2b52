"""Data sets: the embedded ones are as promised, the reader's own are read or refused by name."""

import importlib.util
import io
import os
import pickle
import tarfile
import zipfile
from importlib import resources
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from platformdirs import user_cache_path
from torchvision import datasets

from layerlib import Inspection, _archives
from layerlib.data.folders import VOC_CLASSES
from layerlib.data.load import EMBEDDED, Data, Split, _folder, label_vectors, load

WHOLE_DATA = os.environ.get("LAYERLIB_DATA")
needs_whole_data = pytest.mark.skipif(not WHOLE_DATA, reason="needs the whole sets in $LAYERLIB_DATA")
FOLDER = resources.files("layerlib") / "datasets"
RANDOM = np.random.default_rng(0)


def pixels(*shape):
    return RANDOM.integers(0, 256, shape, dtype=np.uint8)


def split(samples, seed=0):
    random = torch.Generator().manual_seed(seed)
    return Split(torch.randint(256, (samples, 1, 3, 3), dtype=torch.uint8, generator=random), torch.arange(samples))


def script(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[3] / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# the embedded sets


@pytest.mark.parametrize(
    "name, per_class, shape",
    [
        ("mnist-mini", (600, 200), (1, 28, 28)),
        ("fashion-mini", (600, 200), (1, 28, 28)),
        ("cifar10-mini", (500, 200), (3, 32, 32)),
    ],
)
def test_embedded_sets_are_balanced_and_of_the_promised_size(name, per_class, shape):
    data = load(name)
    for part, count in zip((data.train, data.test), per_class, strict=True):
        assert part.images.shape == (10 * count, *shape) and part.images.dtype == torch.uint8
        assert part.images.is_contiguous() and part.labels.dtype == torch.int64
        assert part.labels.bincount().tolist() == [count] * 10
        # in random order: runs of equal labels are as rare as by chance
        assert 0.07 < (part.labels[1:] == part.labels[:-1]).double().mean() < 0.13
        assert part.images.min() == 0 and part.images.max() == 255
    assert len(data.classes) == 10 and all(isinstance(c, str) for c in data.classes)


def test_class_names_are_the_data_sets_own():
    assert load("mnist-mini").classes == tuple("0123456789")
    assert load("fashion-mini").classes == tuple(datasets.FashionMNIST.classes)
    assert load("cifar10-mini").classes[3:6] == ("cat", "deer", "dog")


def test_an_embedded_set_is_the_same_at_every_loading():
    first, second = load("mnist-mini"), load("mnist-mini")
    assert torch.equal(first.train.images, second.train.images)
    first.train.images.zero_()
    assert torch.equal(load("mnist-mini").train.images, second.train.images)


def test_no_image_is_in_both_parts_and_few_twice():
    for name in EMBEDDED:
        data = load(name)
        train, test = (
            {bytes(x) for x in part.images.numpy().reshape(len(part), -1)} for part in (data.train, data.test)
        )
        assert not train & test
        assert len(train) >= len(data.train) - 5 and len(test) >= len(data.test) - 5


def test_embedded_sets_are_small_and_without_pickle():
    files = sorted(path.name for path in FOLDER.iterdir() if path.name.endswith(".npz"))
    assert files == sorted(f"{name}.npz" for name in (*EMBEDDED, "label_vectors"))
    assert sum((FOLDER / name).stat().st_size for name in files) <= 12_000_000
    for name in files:
        with np.load(FOLDER / name, allow_pickle=False) as file:
            assert all(file[key].dtype != object for key in file.files)


def test_a_nearest_class_mean_tells_the_classes_apart():
    for name, at_least in [("mnist-mini", 0.75), ("fashion-mini", 0.6), ("cifar10-mini", 0.2)]:
        data = load(name)
        train, test = (part.images.flatten(1).double() for part in (data.train, data.test))
        means = torch.stack([train[data.train.labels == c].mean(0) for c in range(10)])
        assert (torch.cdist(test, means).argmin(1) == data.test.labels).double().mean() > at_least


# vectors of the label names


def similarity(names):
    vectors = label_vectors(names).double()
    return vectors @ vectors.T


def test_label_vectors_are_unit_vectors_in_the_order_of_the_names():
    names = load("scenes-mini").classes
    vectors = label_vectors(names)
    assert vectors.dtype == torch.float32 and vectors.shape == (20, 256)
    assert vectors.norm(dim=1).sub(1).abs().max() < 1e-6
    assert torch.equal(label_vectors(names[::-1]), vectors.flip(0))
    assert torch.equal(label_vectors(name for name in ["cat", "dog", "cat"])[[0, 1]], label_vectors(["cat", "dog"]))
    assert label_vectors([]).shape == (0, 256)


def test_different_names_have_different_vectors():
    with np.load(FOLDER / "label_vectors.npz") as file:
        names = file["names"].tolist()
    # one thing under two names: VOC's and COCO's
    same = {("aeroplane", "airplane"), ("dining table", "diningtable"), ("potted plant", "pottedplant")}
    close = (similarity(names) > 0.95).triu(1).nonzero().tolist()
    assert {(names[i], names[j]) for i, j in close} == same


def test_label_vectors_carry_meaning():
    scenes = similarity(load("scenes-mini").classes)
    assert scenes[:10, :10].min() > scenes[:10, 10:].max()  # digits are nearer to one another than to any article
    classes = load("scenes-mini").classes
    articles = scenes[10:, 10:].fill_diagonal_(-1)
    for one, other in [("Sandal", "Sneaker"), ("Ankle boot", "Sneaker"), ("Shirt", "T-shirt/top")]:
        assert articles[classes.index(one) - 10].argmax() == classes.index(other) - 10
    voc = similarity(VOC_CLASSES)
    for one, near, far in [
        ("cat", "dog", "aeroplane"),
        ("bicycle", "motorbike", "sheep"),
        ("sofa", "chair", "horse"),
        ("bus", "car", "cat"),
        ("cow", "sheep", "tvmonitor"),
    ]:
        i, j, k = (VOC_CLASSES.index(name) for name in (one, near, far))
        assert voc[i, j] > voc[i, k] + 0.1


@pytest.mark.parametrize(
    "groups",
    [
        [
            "bird cat cow dog horse sheep",
            "aeroplane bicycle boat bus car motorbike train",
            "bottle chair diningtable pottedplant sofa tvmonitor",
        ],
        [
            "bird cat dog horse sheep cow elephant bear zebra giraffe",
            "bicycle car motorcycle airplane bus train truck boat",
            "banana apple sandwich orange broccoli carrot pizza donut cake",
            "bottle cup fork knife spoon bowl",
        ],
    ],
)
def test_names_of_one_group_are_nearer_than_names_of_two(groups):
    names, group = zip(*[(name, i) for i, names in enumerate(groups) for name in names.split()], strict=True)
    group, pairs = torch.tensor(group), torch.ones(len(names), len(names)).triu(1).bool()
    within, across = (similarity(names)[pairs & same] for same in (group[:, None] == group, group[:, None] != group))
    # the probability that a pair of one group is the nearer one, one half by chance
    assert (within[:, None] > across).double().mean() > 0.7


def test_one_name_has_one_vector():
    assert torch.equal(label_vectors("cat"), label_vectors(["cat"]))


@pytest.mark.parametrize(
    "name, message",
    [
        ("airplan", r"names: no vector of 'airplan' \(did you mean airplane or aeroplane"),
        ("sandal", r"names: no vector of 'sandal' \(did you mean Sandal"),
        ("qqqq", "names: no vector of 'qqqq'; expected class names of VOC, COCO or the scenes"),
        (3, r"names: expected one name or several, got int"),
    ],
)
def test_a_name_without_a_vector_is_refused_with_the_closest(name, message):
    with pytest.raises(ValueError, match=message):
        label_vectors(["cat", name])


def test_the_script_makes_the_label_vectors_again(tmp_path, monkeypatch):
    pytest.importorskip("wordllama", reason="needs the language model the vectors are made with")
    make_label_vectors = script("make_label_vectors")
    with np.load(FOLDER / "label_vectors.npz") as embedded:
        names, vectors = embedded["names"], embedded["vectors"]
    assert np.abs(make_label_vectors.vectors(names.tolist()) - vectors).max() < 1e-6
    make_label_vectors.save(tmp_path / "again.npz", names=names, vectors=vectors)
    with np.load(tmp_path / "again.npz") as made:
        assert np.array_equal(made["names"], names) and np.array_equal(made["vectors"], vectors)


# splits


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (
            torch.zeros(2, 1, 3, 3),
            torch.zeros(2).long(),
            r"images: expected uint8 \(N, C, H, W\), got torch.float32 \(2, 1, 3, 3\)",
        ),
        (torch.zeros(2, 3, 3).byte(), torch.zeros(2).long(), r"images: expected uint8 .* got torch.uint8 \(2, 3, 3\)"),
        (torch.zeros(0, 1, 3, 3).byte(), torch.zeros(0).long(), "images: expected at least one image, got none"),
        (torch.zeros(2, 1, 3, 3).byte(), torch.zeros(2), r"labels: expected int64 \(N,\) .* got torch.float32 \(2,\)"),
        (torch.zeros(2, 1, 3, 3).byte(), torch.zeros(2, 3).long(), r"labels: expected int64 .* torch.int64 \(2, 3\)"),
        (torch.zeros(2, 1, 3, 3).byte(), torch.zeros(3).long(), "labels: expected 2, one per image, got 3"),
        (torch.zeros(2, 1, 3, 3).byte(), torch.zeros(1, 4), "labels: expected 2, one per image, got 1"),
        (torch.zeros(2, 1, 3, 3).byte(), torch.tensor([0, -1]), "labels: expected class numbers from 0 up, got -1"),
    ],
)
def test_a_split_refuses_what_is_no_images_with_labels(images, labels, message):
    with pytest.raises(ValueError, match=message):
        Split(images, labels)


@pytest.mark.parametrize("index", [slice(1, 4), torch.tensor([3, 0, 3]), torch.arange(6) % 2 == 0])
def test_indexing_keeps_images_with_their_labels(index):
    whole = split(6)
    part = whole[index]
    assert torch.equal(part.images, whole.images[index]) and torch.equal(part.labels, whole.labels[index])
    assert len(part) == len(whole.labels[index])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, ">i8", np.int64])
def test_numpy_arrays_become_a_split(dtype):
    images, labels = pixels(4, 1, 3, 3)[::-1], np.arange(4).astype(dtype)
    labels.flags.writeable = False
    part = Split(images, labels)
    assert part.images.tolist() == images.tolist() and part.labels.tolist() == [0, 1, 2, 3]
    assert part.images.dtype == torch.uint8 and part.labels.dtype == torch.int64
    assert Split(images, np.eye(4, dtype=dtype)).labels.dtype == torch.float32


@pytest.mark.parametrize(
    "images, labels, message",
    [
        (np.zeros((2, 1, 3, 3)), np.arange(2), r"images: expected uint8 \(N, C, H, W\), got torch.float64"),
        ([[0]], np.arange(2), "images: expected a tensor or a numpy array of numbers, got list"),
        (pixels(2, 1, 3, 3), np.array(["a", "b"]), "labels: expected .* numpy array of numbers, got an array of <U1"),
        (pixels(2, 1, 3, 3), np.array([0.0, 1.0]), r"labels: expected int64 \(N,\) .* got torch.float64 \(2,\)"),
    ],
)
def test_a_split_refuses_other_arrays_for_what_they_are(images, labels, message):
    with pytest.raises(ValueError, match=message):
        Split(images, labels)


def test_unlabelled_pictures_are_none_unless_counted():
    assert Data(split(3), split(3), tuple("abc")).unlabelled == (0, 0)


def test_data_go_to_a_device_whole():
    data = Data(split(3), split(3), tuple("abc"), (1, 2)).to("cpu")
    assert data.classes == tuple("abc") and data.unlabelled == (1, 2) and len(data.test) == 3


def test_multi_hot_labels_make_a_split():
    assert len(Split(torch.zeros(2, 3, 4, 5).byte(), torch.ones(2, 7)).to("cpu")) == 2


@given(st.integers(2, 40), st.integers(0, 2**31), st.data())
def test_holdout_gives_disjoint_parts_in_the_old_order_and_nothing_is_lost(samples, seed, data):
    held_samples = data.draw(st.integers(1, samples - 1))
    whole = split(samples)
    rest, held = whole.holdout(held_samples, seed)
    assert len(held) == held_samples
    assert sorted(rest.labels.tolist() + held.labels.tolist()) == list(range(samples))
    for part in (rest, held):
        assert part.labels.tolist() == sorted(part.labels.tolist())
        assert torch.equal(part.images, whole.images[part.labels])
    again = whole.holdout(held_samples, seed)[1]
    assert torch.equal(again.labels, held.labels)


def test_holdout_changes_with_the_seed_and_leaves_the_random_state():
    whole, state = split(100), torch.get_rng_state()
    held = {tuple(whole.holdout(20, seed)[1].labels.tolist()) for seed in range(5)}
    assert len(held) == 5 and torch.equal(torch.get_rng_state(), state)
    assert all(max(part) > 50 and min(part) < 50 for part in held)


@pytest.mark.parametrize("samples", [-1, 0, 6, 7])
def test_holdout_refuses_to_leave_a_part_empty(samples):
    with pytest.raises(ValueError, match=f"samples: expected 1 to 5 of 6, got {samples}"):
        split(6).holdout(samples)


@pytest.mark.parametrize(
    "test, classes, message",
    [
        (
            Split(torch.zeros(2, 1, 4, 4).byte(), torch.zeros(2).long()),
            9,
            r"test: expected images of the shape of those of train, \(1, 3, 3\), got \(1, 4, 4\)",
        ),
        (
            Split(torch.zeros(2, 1, 3, 3).byte(), torch.zeros(2, 4)),
            9,
            r"test: expected labels of the kind of those of train, int64 \(N,\), got float32 \(N, 4\)",
        ),
        (split(4), 3, "classes: expected at least 4 names, one per class, got 3"),
    ],
)
def test_data_refuses_parts_that_do_not_belong_together(test, classes, message):
    with pytest.raises(ValueError, match=message):
        Data(split(3), test, tuple("abcdefghi")[:classes])


# the reader's own file


def arrays(shape=(28, 28), train=6, test=4, **other):
    return {
        "x_train": pixels(train, *shape),
        "y_train": np.arange(train) % 3,
        "x_test": pixels(test, *shape),
        "y_test": np.arange(test) % 3,
    } | other


@pytest.fixture
def save(tmp_path):
    def write(content, saver=np.savez):
        saver(tmp_path / "own.npz", **content)
        return tmp_path / "own.npz"

    return write


@pytest.mark.parametrize("saver", [np.savez, np.savez_compressed])
@pytest.mark.parametrize(
    "shape, first",
    [
        ((5, 7), lambda x: x[:, None]),
        ((1, 5, 7), lambda x: x),
        ((3, 5, 7), lambda x: x),
        ((5, 7, 1), lambda x: x.transpose(0, 3, 1, 2)),
        ((5, 7, 3), lambda x: x.transpose(0, 3, 1, 2)),
        ((3, 7, 3), lambda x: x),  # both could be channels: first, as torch has it
    ],
)
def test_images_of_every_layout_come_out_channels_first(save, saver, shape, first):
    content = arrays(shape)
    data = load(save(content, saver))
    for part in ("train", "test"):
        assert np.array_equal(getattr(data, part).images.numpy(), first(content[f"x_{part}"]))
        assert getattr(data, part).labels.tolist() == content[f"y_{part}"].tolist()
        assert getattr(data, part).images.is_contiguous()
    assert data.classes == ("0", "1", "2")


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, np.uint16])
def test_labels_of_any_whole_numbers_become_int64(save, dtype):
    data = load(str(save(arrays(y_train=np.array([0, 1, 2, 2, 1, 0], dtype)))))
    assert data.train.labels.dtype == torch.int64 and data.train.labels.tolist() == [0, 1, 2, 2, 1, 0]


@pytest.mark.parametrize("dtype", [bool, np.int64, np.float64])
def test_zeros_and_ones_become_multi_hot_labels(save, dtype):
    hot = np.eye(6, 4)
    data = load(save(arrays(y_train=hot.astype(dtype), y_test=hot[:4].astype(dtype))))
    assert data.train.labels.dtype == torch.float32 and np.array_equal(data.train.labels.numpy(), hot)
    assert data.classes == ("0", "1", "2", "3")


def test_names_of_classes_are_read(save):
    assert load(save(arrays(classes=np.array(["cat", "dog", "eel"])))).classes == ("cat", "dog", "eel")


@pytest.mark.parametrize(
    "other, message",
    [
        ({"x_train": pixels(6, 5, 5).astype(np.float32)}, r"x_train: expected uint8 images .* got float32 \(6, 5, 5\)"),
        ({"x_train": pixels(6, 5)}, r"x_train: expected uint8 images .* got uint8 \(6, 5\)"),
        ({"x_test": pixels(4, 5, 5, 4)}, r"x_test: expected .* with 1 or 3 channels, got uint8 \(4, 5, 5, 4\)"),
        ({"x_test": pixels(4, 9, 9)}, r"test: expected images of the shape .* \(1, 5, 5\), got \(1, 9, 9\)"),
        ({"x_test": pixels(0, 5, 5), "y_test": np.arange(0)}, "test: images: expected at least one image, got none"),
        ({"y_train": np.arange(5)}, "train: labels: expected 6, one per image, got 5"),
        (
            {"y_train": np.arange(6) / 2},
            r"y_train: expected whole numbers \(N,\) or zeros and ones \(N, K\), got float64",
        ),
        ({"y_train": np.arange(6)[:, None]}, r"y_train: expected whole numbers .* got int64 \(6, 1\)"),
        ({"y_train": np.array(list("abcabc"))}, "y_train: expected whole numbers"),  # y_test has numbers
        (
            {"y_train": np.array(list("abcabc")), "classes": np.array(["a", "b"])},
            r"y_train: expected names among classes, got \['c'\]",
        ),
        ({"y_train": np.arange(6) - 1}, "train: labels: expected class numbers from 0 up, got -1"),
        ({"y_test": np.eye(4)}, "test: expected labels of the kind of those of train"),
        ({"classes": np.array(["cat", "dog"])}, "classes: expected at least 3 names, one per class, got 2"),
        ({"y_train": np.array([0, 1, 2, None, 1, 0])}, "truncated, or not a .npz of plain arrays"),
    ],
)
def test_a_mis_shaped_file_is_refused_with_the_array_named(save, other, message):
    path = save(arrays((5, 5), **other))
    with pytest.raises(ValueError, match=message) as caught:
        load(path)
    assert str(path) in str(caught.value)


def test_names_of_classes_may_be_bytes(save):
    classes = np.array([b"cat", "hühner".encode(), b"dog"])
    assert load(save(arrays(classes=classes))).classes == ("cat", "hühner", "dog")


@pytest.mark.parametrize("kind", ["U", "S"])
def test_labels_in_words_become_class_numbers_in_the_order_of_the_words(save, kind):
    content = arrays(y_train=np.array(["dog", "cat", "eel"] * 2, kind), y_test=np.array(["eel", "cat"] * 2, kind))
    data = load(save(content))
    assert data.classes == ("cat", "dog", "eel")
    assert data.train.labels.tolist() == [1, 0, 2] * 2 and data.test.labels.tolist() == [2, 0] * 2
    data = load(save(content | {"classes": np.array(["eel", "dog", "cat"])}))
    assert data.classes == ("eel", "dog", "cat") and data.test.labels.tolist() == [0, 2] * 2


def test_a_file_of_one_split_is_a_split(save):
    images = pixels(6, 5, 7, 3)
    part = load(save({"x": images, "y": np.array(["b", "a"] * 3)}))
    assert isinstance(part, Split) and part.labels.tolist() == [1, 0] * 3
    assert np.array_equal(part.images.numpy(), images.transpose(0, 3, 1, 2))
    own = Split.from_numpy(images, [1, 0] * 3)
    assert torch.equal(own.images, part.images) and torch.equal(own.labels, part.labels)
    with pytest.raises(ValueError, match=r"^labels: expected whole numbers .* got float32"):
        Split.from_numpy(images, [0.5] * 6)


def test_arrays_that_are_not_asked_for_are_not_unpacked(save):
    path = save(arrays(extra=np.array([{"needs": "pickle"}])))
    assert len(load(path).train) == 6


def test_a_header_that_declares_more_than_there_is_is_refused(tmp_path):
    path = tmp_path / "own.npz"
    with zipfile.ZipFile(path, "w") as archive:
        for key, array in arrays().items():
            buffer = io.BytesIO()
            np.lib.format.write_array_header_1_0(
                buffer, {"descr": "|u1", "fortran_order": False, "shape": (10**6, 1000, 1000)}
            )
            archive.writestr(f"{key}.npy", buffer.getvalue() + array.tobytes())
    message = "own.npz: truncated, .*x_train: declares 1000000000000 bytes, and has 4704"
    with pytest.raises(ValueError, match=message):
        load(path)


def test_a_header_that_ends_within_a_bracket_is_refused(tmp_path):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (3,".ljust(117) + b"\n"
    array = np.lib.format.magic(1, 0) + len(header).to_bytes(2, "little") + header + bytes(3)
    for keys, read in ((("x", "y"), load), (("said",), Inspection.load)):
        path = tmp_path / "own.npz"
        with zipfile.ZipFile(path, "w") as archive:
            for key in keys:
                archive.writestr(f"{key}.npy", array)
        with pytest.raises(ValueError, match=rf"own.npz: .*{keys[0]}: its header is damaged"):
            read(path)


@given(
    st.sampled_from([np.savez, np.savez_compressed]),
    st.sampled_from([(), (1,), (3,)]),
    st.lists(st.integers(5, 8), min_size=3, max_size=3),
    st.integers(0, 99),
)
def test_arrays_come_back_as_they_were_saved(tmp_path_factory, saver, channels, sizes, seed):
    random, path = np.random.default_rng(seed), tmp_path_factory.getbasetemp() / "round.npz"
    samples, *places = sizes
    images = random.integers(256, size=(samples, *places, *channels), dtype=np.uint8)
    labels = random.integers(7, size=samples)
    saver(path, x=images, y=labels)
    kept = load(path)
    assert np.array_equal(kept.images.movedim(1, -1).numpy().reshape(images.shape), images)
    assert kept.labels.tolist() == labels.tolist()


def test_what_would_not_fit_into_the_memory_is_refused_before_it_is_unpacked(save, monkeypatch):
    path = save(arrays((4, 4)), np.savez_compressed)
    monkeypatch.setattr(_archives, "machine_memory", lambda: 100.0)
    with pytest.raises(ValueError, match=r"own.npz: truncated, .*y_train: would take .* the machine has 1e\+02"):
        load(path)
    with pytest.raises(ValueError, match=r"own.npz: damaged, or not an inspection .*no array 'said'"):
        Inspection.load(path)


@pytest.mark.parametrize("saver", [np.savez, np.savez_compressed])
def test_no_flipped_bit_of_an_array_is_read(save, saver):
    path = save(arrays(shape=(4, 4)), saver)
    whole = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        entries = [info for info in archive.infolist() if info.filename == "x_train.npy"]
        start, size = entries[0].header_offset, entries[0].compress_size
    for place in range(start + size // 2, start + size, 7):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(ValueError, match="^.*own.npz: truncated, or not a .npz of plain arrays"):
            load(path)


def test_a_stray_label_asks_for_no_memory(save):
    labels = np.array([0, 1, 2, 0, 1, 10**12])
    with pytest.raises(ValueError, match="own.npz: y_train: expected class numbers below 1000000, got 1000000000000"):
        load(save(arrays(y_train=labels)))


def test_missing_arrays_are_named(save):
    content = arrays()
    del content["y_train"], content["x_test"]
    with pytest.raises(ValueError, match=r"expected arrays x_train, y_train, x_test, y_test; \['y_train'\] missing"):
        load(save(content))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.npz: no such file"):
        load(tmp_path / "nothing.npz")


def npz(saver):
    buffer = io.BytesIO()
    saver(buffer, **arrays((4, 4)))
    return buffer.getvalue()


STORED, COMPRESSED = npz(np.savez), npz(np.savez_compressed)


@given(st.sampled_from([STORED, COMPRESSED]), st.data())
def test_a_truncated_file_is_always_refused(tmp_path_factory, whole, data):
    path = tmp_path_factory.mktemp("cut") / "cut.npz"
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole) - 1))])
    with pytest.raises(ValueError, match="cut.npz: truncated, or not a .npz of plain arrays"):
        load(path)


@given(st.sampled_from([STORED, COMPRESSED]), st.data())
def test_a_damaged_file_is_read_as_it_was_or_refused(tmp_path_factory, whole, data):
    path, damaged = tmp_path_factory.mktemp("damaged") / "damaged.npz", bytearray(whole)
    damaged[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(damaged))
    try:
        images = load(path).train.images
    except ValueError as error:
        assert "damaged.npz" in str(error)
    else:
        with np.load(io.BytesIO(whole)) as file:
            assert np.array_equal(images[:, 0].numpy(), file["x_train"])


@pytest.mark.parametrize("content", [b"hello", pickle.dumps([1, 2]), b"\x93NUMPY"])
def test_what_is_no_npz_is_refused(tmp_path, content):
    (tmp_path / "no.npz").write_bytes(content)
    with pytest.raises(ValueError, match="no.npz: truncated, or not a .npz of plain arrays"):
        load(tmp_path / "no.npz")
    np.save(tmp_path / "single.npy", pixels(3, 3))
    (tmp_path / "single.npy").rename(tmp_path / "single.npz")
    with pytest.raises(ValueError, match="single.npz: truncated, or not a .npz of plain arrays"):
        load(tmp_path / "single.npz")


def jpegs(pictures, quality=95, mode="RGB"):
    files = []
    for picture in pictures:
        file = io.BytesIO()
        Image.fromarray(picture).convert(mode).save(file, "JPEG", quality=quality)
        files.append(np.frombuffer(file.getvalue(), np.uint8))
    return np.concatenate(files), np.cumsum([0, *map(len, files)])


def jpeg_arrays(mode="RGB"):
    content = {}
    for part, samples in (("train", 4), ("test", 3)):
        smooth = np.linspace(0, 255, 16 * 16).reshape(16, 16, 1) * np.array([1, 0.5, 0.2])
        pictures = [np.roll(smooth, i, axis=0).astype(np.uint8) for i in range(samples)]
        content[f"{part}_jpeg"], content[f"{part}_offsets"] = jpegs(pictures, mode=mode)
        content[f"{part}_labels"] = np.arange(samples)
    return content


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_bytes_are_decoded_picture_by_picture(save, mode):
    content = jpeg_arrays(mode)
    data = load(save(content))
    assert data.train.images.shape == (4, 3, 16, 16) and data.train.labels.tolist() == [0, 1, 2, 3]
    for i, image in enumerate(data.train.images):
        raw = content["train_jpeg"][content["train_offsets"][i] : content["train_offsets"][i + 1]].tobytes()
        assert np.array_equal(image.permute(1, 2, 0).numpy(), np.asarray(Image.open(io.BytesIO(raw)).convert("RGB")))


def test_damaged_jpeg_bytes_are_refused(save):
    content = jpeg_arrays()
    for wrong in [
        {"train_jpeg": content["train_jpeg"][:-200]},
        {"train_jpeg": content["train_jpeg"][::-1]},
        {"train_offsets": content["train_offsets"] + 0.5},
        {"train_offsets": content["train_offsets"][:1]},
        {
            "train_jpeg": np.concatenate([content["train_jpeg"], jpegs([pixels(8, 8, 3)])[0]]),
            "train_offsets": np.append(content["train_offsets"], 10**6),
        },
    ]:
        with pytest.raises(ValueError, match="own.npz: train_jpeg: expected JPEG pictures of one size"):
            load(save(content | wrong))
    with pytest.raises(ValueError, match="own.npz, train: labels: expected 4, one per image, got 5"):
        load(save(content | {"train_labels": np.arange(5)}))
    del content["test_offsets"]
    with pytest.raises(ValueError, match=r"\['test_offsets'\] missing"):
        load(save(content))


@pytest.mark.parametrize(
    "name, message",
    [
        ("minst", r"unknown data set 'minst' \(did you mean mnist"),
        ("fashion", r"unknown data set 'fashion' \(did you mean fashion"),
        ("MNIST-mini", r"unknown data set 'MNIST-mini' \(did you mean mnist-mini"),
        ("zzzz", r"unknown data set 'zzzz'; expected one of \['mnist-mini', .* or a path ending in .npz"),
    ],
)
def test_an_unknown_name_is_refused_with_the_closest(name, message):
    with pytest.raises(ValueError, match=message):
        load(name)


# the whole sets, as torchvision keeps them on disk


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*args, **kwargs):
        raise URLError("no network in tests")

    for module in (datasets.mnist, datasets.cifar):
        monkeypatch.setattr(module, "download_and_extract_archive", refused)


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


@pytest.fixture(params=["mnist", "fashion_mnist"])
def grey(request, tmp_path):
    raw = tmp_path / {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}[request.param] / "raw"
    raw.mkdir(parents=True)
    content = {}
    for part, samples in (("train", 6), ("t10k", 4)):
        content[f"{part}-images-idx3-ubyte"] = pixels(samples, 28, 28)
        content[f"{part}-labels-idx1-ubyte"] = RANDOM.integers(0, 10, samples, dtype=np.uint8)
    for name, array in content.items():
        (raw / name).write_bytes(idx(array))
    return request.param, tmp_path, raw, content


@pytest.mark.parametrize("by", ["argument", "environment"])
def test_idx_files_are_read_byte_by_byte(grey, by, monkeypatch):
    name, root, _, content = grey
    monkeypatch.setenv("LAYERLIB_DATA", str(root) if by == "environment" else "/nowhere")
    data = load(name, root if by == "argument" else None)
    for part, prefix in ((data.train, "train"), (data.test, "t10k")):
        assert np.array_equal(part.images[:, 0].numpy(), content[f"{prefix}-images-idx3-ubyte"])
        assert part.labels.tolist() == content[f"{prefix}-labels-idx1-ubyte"].tolist()
    assert data.classes == load(name.split("_")[0] + "-mini").classes


def test_every_truncation_of_an_idx_file_is_refused(grey):
    name, root, raw, content = grey
    for file, array in content.items():
        whole = idx(array)
        for length in {*range(20), len(whole) // 2, len(whole) - 1} & set(range(len(whole))):
            (raw / file).write_bytes(whole[:length])
            with pytest.raises(ValueError, match=f"{name}: a file in .*raw is truncated or damaged"):
                load(name, root)
        (raw / file).write_bytes(whole)
    assert len(load(name, root).train) == 6


def test_idx_files_that_do_not_belong_together_are_refused(grey):
    name, root, raw, _ = grey
    for labels, message in [
        (np.arange(5, dtype=np.uint8), "expected 6, one per image, got 5"),
        (np.full(6, 10, np.uint8), "expected at least 11 names"),
    ]:
        (raw / "train-labels-idx1-ubyte").write_bytes(idx(labels))
        with pytest.raises(ValueError, match=f"{name}: a file in .* damaged .*{message}"):
            load(name, root)


def test_a_set_that_is_not_there_says_what_to_put_where(grey):
    name, root, raw, _ = grey
    (raw / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(
        FileNotFoundError,
        match=f"(?s){name}: not found in .* put the original files into .*raw, or "
        f"use the embedded load\\('{name.split('_')[0]}-mini'\\)",
    ):
        load(name, root)


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """A small CIFAR-10 in its pickled batches; torchvision knows the checksums of the real one only."""
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    content, names = {}, [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    for name in names:
        content[name] = {"data": pixels(3, 3072), "labels": RANDOM.integers(0, 10, 3).tolist()}
        (folder / name).write_bytes(pickle.dumps(content[name]))
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": list("abcdefghij")}))
    monkeypatch.setattr(datasets.CIFAR10, "train_list", [[name, None] for name in names[:5]])
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", None]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", datasets.CIFAR10.meta | {"md5": None})
    return tmp_path, folder, content


def test_cifar_batches_are_read_channels_first(cifar):
    root, _, content = cifar
    data = load("cifar10", root)
    batches = [content[f"data_batch_{i}"] for i in range(1, 6)]
    rows = np.concatenate([b["data"] for b in batches])
    assert np.array_equal(data.train.images.numpy(), rows.reshape(-1, 3, 32, 32))
    assert data.train.labels.tolist() == [label for b in batches for label in b["labels"]]
    assert np.array_equal(data.test.images.numpy(), content["test_batch"]["data"].reshape(-1, 3, 32, 32))
    assert data.train.images.is_contiguous() and data.classes == tuple("abcdefghij")


def test_cifar_that_is_not_there_says_what_to_put_where(tmp_path):
    with pytest.raises(
        FileNotFoundError,
        match="cifar10: not found in .* put the original files into "
        ".*cifar-10-batches-py, or use the embedded load\\('cifar10-mini'\\)",
    ):
        load("cifar10", tmp_path)


def test_an_archive_of_cifar_that_is_not_the_original_is_not_unpacked(tmp_path):
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.addfile(tarfile.TarInfo("cifar-10-batches-py/batches.meta"))
    with pytest.raises(FileNotFoundError, match="cifar10: not found"):
        load("cifar10", tmp_path)
    assert not (tmp_path / "cifar-10-batches-py").exists()


@needs_whole_data
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_the_real_whole_sets_are_complete(name):
    data = load(name)
    assert (len(data.train), len(data.test)) == (60_000, 10_000)
    assert data.train.images.shape[1:] == (1, 28, 28) and data.train.labels.unique().tolist() == list(range(10))
    if name == "fashion_mnist":
        assert data.train.labels.bincount().tolist() == [6000] * 10


@needs_whole_data
def test_embedded_images_are_images_of_the_whole_sets_with_their_labels():
    for name, mini in [("mnist", "mnist-mini"), ("fashion_mnist", "fashion-mini")]:
        whole, small = load(name), load(mini)
        for part in ("train", "test"):
            known = {}
            for image, label in zip(getattr(whole, part).images, getattr(whole, part).labels.tolist(), strict=True):
                known.setdefault(image.numpy().tobytes(), set()).add(label)
            for image, label in zip(getattr(small, part).images, getattr(small, part).labels.tolist(), strict=True):
                assert label in known[image.numpy().tobytes()]


@needs_whole_data
def test_the_script_makes_the_embedded_sets_again(tmp_path, monkeypatch):
    make_datasets = script("make_datasets")
    monkeypatch.setattr(make_datasets, "OUT", tmp_path)
    root = Path(WHOLE_DATA)
    make_datasets.grey(datasets.MNIST, root, "mnist")
    make_datasets.grey(datasets.FashionMNIST, root, "fashion")
    names = ["mnist-mini", "fashion-mini"]
    if (root / "cifar10_jpeg.npz").is_file():
        make_datasets.cifar10(root)
        names.append("cifar10-mini")
    for name in names:
        with np.load(tmp_path / f"{name}.npz") as made, np.load(FOLDER / f"{name}.npz") as embedded:
            assert made.files == embedded.files
            for key in made.files:
                assert made[key].dtype == embedded[key].dtype and np.array_equal(made[key], embedded[key])


def test_whole_sets_lie_in_the_systems_folder_for_caches(monkeypatch, tmp_path):
    monkeypatch.delenv("LAYERLIB_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert _folder(None) == user_cache_path("layerlib") and tmp_path in _folder(None).parents
    monkeypatch.setenv("LAYERLIB_DATA", str(tmp_path / "own"))
    assert _folder(None) == tmp_path / "own" and _folder("here") == Path("here")


def test_files_of_mnist_with_a_dot_in_their_names_are_called_that(tmp_path, monkeypatch):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images.idx3", "train-labels.idx1", "t10k-images.idx3", "t10k-labels.idx1"):
        (raw / f"{name}-ubyte").write_bytes(b"x")
    monkeypatch.setattr(datasets.MNIST, "download", lambda self: (_ for _ in ()).throw(URLError("no network")))
    with pytest.raises(ValueError, match="mnist: expected t10k-images-idx3-ubyte in .*, got t10k-images.idx3-ubyte"):
        load("mnist", tmp_path)

"""Sets in folders of pictures, read from small trees that the tests write in the real layouts."""

import json
import tarfile
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import voc
from torchvision.models import detection, segmentation

from layerlib.data import folders
from layerlib.data.load import label_vectors, load
from layerlib.data.splits import Split

# the network's own list: its index is the category number, gaps and all
COCO_NUMBERS = {
    name: number
    for number, name in enumerate(detection.FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"])
    if name not in ("__background__", "N/A")
}
VOC_NAMES = tuple(segmentation.FCN_ResNet50_Weights.COCO_WITH_VOC_LABELS_V1.meta["categories"][1:])
COLOURS = [(250, 10, 20), (30, 240, 10), (20, 30, 230), (240, 230, 10), (10, 10, 10), (128, 128, 128)]


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    def refused(*args, **kwargs):
        raise URLError("no network in tests")

    monkeypatch.setattr(voc, "download_and_extract_archive", refused)
    monkeypatch.setenv("CI", "true")  # no progress bars


def picture(path, filling, shape=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", shape, filling).convert(mode).save(path, "JPEG", quality=95)


def is_of(images, colours):
    """Whether every picture is all of its colour, as far as JPEG keeps it."""
    expected = torch.tensor(colours).view(-1, 3, 1, 1)
    return bool(((images.int() - expected).abs() <= 4).all())


# Pascal VOC


def objects(*names_and_difficult):
    return "".join(
        f"<object><name>{name}</name><pose>Left</pose><truncated>1</truncated>"
        f"<difficult>{difficult}</difficult><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>9</xmax><ymax>8</ymax>"
        "</bndbox><part><name>head</name></part></object>"
        for name, difficult in names_and_difficult
    )


VOC_TREE = {
    "trainval": {
        "000005": [("chair", 0), ("chair", 1), ("chair", 0)],
        "000007": [("car", 0)],
        "000009": [("horse", 0), ("person", 0), ("person", 0), ("dog", 1)],
        "000012": [("cat", 1)],
        "000016": [],
    },
    "test": {"000001": [("dog", 0), ("person", 1)], "000002": [("tvmonitor", 0), ("aeroplane", 0)]},
}
VOC_LABELS = {"trainval": [{"chair"}, {"car"}, {"horse", "person"}], "test": [{"dog"}, {"tvmonitor", "aeroplane"}]}


@pytest.fixture
def voc_root(tmp_path):
    base = tmp_path / "VOCdevkit" / "VOC2007"
    for folder in ("ImageSets/Main", "Annotations"):
        (base / folder).mkdir(parents=True)
    for part, content in VOC_TREE.items():
        (base / "ImageSets" / "Main" / f"{part}.txt").write_text("".join(f"{name}\n" for name in content))
        for i, (name, found) in enumerate(content.items()):
            picture(base / "JPEGImages" / f"{name}.jpg", COLOURS[i])
            (base / "Annotations" / f"{name}.xml").write_text(
                f"<annotation>\n\t<folder>VOC2007</folder>\n\t<filename>{name}.jpg</filename>"
                f"<size><width>40</width><height>30</height></size>{objects(*found)}</annotation>\n"
            )
    return tmp_path


def named(labels, classes):
    return [{classes[i] for i in row.nonzero()[:, 0].tolist()} for row in labels]


def test_voc_labels_are_the_objects_that_are_not_difficult(voc_root):
    data = load("voc2007", voc_root, size=16)
    assert data.classes == VOC_NAMES and len(VOC_NAMES) == 20
    for part, key in ((data.train, "trainval"), (data.test, "test")):
        assert part.labels.dtype == torch.float32 and part.labels.shape == (len(VOC_LABELS[key]), 20)
        assert named(part.labels, data.classes) == VOC_LABELS[key]


def test_voc_pictures_without_labels_are_left_out_and_counted(voc_root):
    data = load("voc2007", voc_root, size=16)
    assert data.unlabelled == (2, 0)
    assert is_of(data.train.images, COLOURS[:3]) and is_of(data.test.images, COLOURS[:2])


def test_pictures_are_resized_by_their_shorter_side_and_cropped_in_the_middle(voc_root):
    path = voc_root / "VOCdevkit" / "VOC2007" / "JPEGImages" / "000005.jpg"
    for shape, box in [((80, 40), (20, 0, 60, 40)), ((50, 90), (0, 20, 50, 70)), ((10, 10), (0, 0, 10, 10))]:
        smooth = np.add.outer(np.linspace(0, 150, shape[1]), np.linspace(0, 100, shape[0])).astype(np.uint8)
        Image.fromarray(np.stack([smooth, 255 - smooth, smooth // 2], -1)).save(path, "JPEG", quality=95)
        image = load("voc2007", voc_root, size=20).train.images[0]
        with Image.open(path) as file:
            expected = file.resize((20, 20), Image.Resampling.BILINEAR, box=box)
        difference = image.permute(1, 2, 0).int() - torch.from_numpy(np.array(expected)).int()
        assert difference.abs().max() <= 2
    assert load("voc2007", voc_root).train.images.shape == (3, 3, 224, 224)


def test_grey_pictures_become_three_equal_channels(voc_root):
    picture(voc_root / "VOCdevkit" / "VOC2007" / "JPEGImages" / "000005.jpg", (200, 200, 200), mode="L")
    assert is_of(load("voc2007", voc_root, size=8).train.images[:1], [(200, 200, 200)])


def test_voc_is_found_by_the_environment_too(voc_root, monkeypatch):
    monkeypatch.setenv("LAYERLIB_DATA", str(voc_root))
    assert len(load("voc2007", size=8).train) == 3


@pytest.mark.parametrize(
    "lost, part", [("ImageSets/Main/test.txt", "test"), ("ImageSets/Main/trainval.txt", "trainval"), (None, "trainval")]
)
def test_voc_that_is_not_there_says_what_to_put_where(voc_root, tmp_path_factory, lost, part):
    if lost:
        (voc_root / "VOCdevkit" / "VOC2007" / lost).unlink()
    root = voc_root if lost else tmp_path_factory.mktemp("empty")
    with pytest.raises(
        FileNotFoundError,
        match=f"voc2007: {part} not found in .*no network.* put VOCtrainval and "
        "VOCtest of 2007, unpacked, into .*VOC2007",
    ):
        load("voc2007", root)


def test_voc_is_downloaded_only_where_it_is_missing(voc_root, tmp_path_factory, monkeypatch):
    asked = []

    def unpack(url, root, filename, md5):
        asked.append(filename)
        with tarfile.open(Path(root) / filename, "w") as archive:
            archive.add(voc_root / "VOCdevkit", "VOCdevkit")
        with tarfile.open(Path(root) / filename) as archive:
            archive.extractall(root, filter="data")

    monkeypatch.setattr(voc, "download_and_extract_archive", unpack)
    load("voc2007", voc_root, size=8)
    assert asked == []
    (voc_root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main" / "test.txt").rename(voc_root / "kept")
    root = tmp_path_factory.mktemp("empty")
    with pytest.raises(FileNotFoundError, match="voc2007: test not found"):
        load("voc2007", root, size=8)
    assert asked == ["VOCtrainval_06-Nov-2007.tar", "VOCtest_06-Nov-2007.tar"]
    (voc_root / "kept").rename(voc_root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main" / "test.txt")
    assert len(load("voc2007", root, size=8).test) == 2
    assert asked[2:] == ["VOCtest_06-Nov-2007.tar"]


@pytest.mark.parametrize(
    "content, message",
    [
        ("<annotation><object><name>cat</name>", "000007.xml: damaged"),
        ("", "000007.xml: damaged"),
        (
            "<annotation><object><name>unicorn</name></object></annotation>",
            "000007.xml: .*none of the 20 classes, got 'unicorn'$",
        ),
        ("<annotation><object></object></annotation>", "000007.xml: .*none of the 20 classes"),
    ],
)
def test_a_damaged_voc_annotation_is_refused(voc_root, content, message):
    (voc_root / "VOCdevkit" / "VOC2007" / "Annotations" / "000007.xml").write_text(content)
    with pytest.raises(ValueError, match=message):
        load("voc2007", voc_root, size=8)


def test_a_damaged_or_missing_picture_is_refused_by_name(voc_root):
    path = voc_root / "VOCdevkit" / "VOC2007" / "JPEGImages" / "000007.jpg"
    whole = path.read_bytes()
    for length in (0, 10, 300, len(whole) // 2):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match="000007.jpg: truncated, or not a picture"):
            load("voc2007", voc_root, size=8)
    path.unlink()
    with pytest.raises(FileNotFoundError, match="000007.jpg"):
        load("voc2007", voc_root, size=8)


def test_a_blank_line_in_the_list_of_voc_is_no_picture(voc_root):
    path = voc_root / "VOCdevkit" / "VOC2007" / "ImageSets" / "Main" / "test.txt"
    path.write_text(path.read_text() + "\n \n")
    assert len(load("voc2007", voc_root, size=8).test) == 2
    path.write_text("\n")
    with pytest.raises(ValueError, match=r"voc2007: expected pictures in ImageSets/Main/test.txt of .*, got none"):
        load("voc2007", voc_root, size=8)


# COCO

COCO_TREE = {  # file number: category names; the crowd flag of the object follows from its place
    "train2014": {9: ["cat", "cat", "toothbrush"], 25: ["person"], 30: [], 34: ["zebra", "person"]},
    "val2014": {42: [], 73: ["motorcycle"], 74: ["dog", "bicycle"]},
}


@pytest.fixture
def coco_root(tmp_path):
    categories = [{"supercategory": "thing", "id": number, "name": name} for name, number in COCO_NUMBERS.items()]
    (tmp_path / "annotations").mkdir()
    for part, content in COCO_TREE.items():
        images, annotations = [], []
        for i, (number, names) in reversed(list(enumerate(content.items()))):  # in no order, as in the real files
            file = f"COCO_{part}_{number:012d}.jpg"
            picture(tmp_path / part / file, COLOURS[i])
            images.append({"id": number, "file_name": file, "width": 40, "height": 30, "license": 1})
            annotations += [
                {
                    "id": 1000 * number + j,
                    "image_id": number,
                    "category_id": COCO_NUMBERS[name],
                    "iscrowd": int(j == 1),
                    "bbox": [1, 2, 3, 4],
                    "area": 12.0,
                }
                for j, name in enumerate(names)
            ]
        content = {
            "info": {"year": 2014},
            "images": images,
            "annotations": annotations[::-1],
            "categories": categories[::-1],
            "licenses": [],
        }
        (tmp_path / "annotations" / f"instances_{part}.json").write_text(json.dumps(content))
    return tmp_path


def test_coco_labels_are_the_categories_of_all_objects_crowds_too(coco_root):
    data = load("coco", coco_root, size=16)
    assert data.classes == tuple(COCO_NUMBERS) and len(data.classes) == 80
    assert max(COCO_NUMBERS.values()) == 90  # numbers have gaps
    for part, key, of in ((data.train, "train2014", [0, 1, 3]), (data.test, "val2014", [1, 2])):
        assert part.labels.dtype == torch.float32 and part.labels.shape == (len(of), 80)
        assert named(part.labels, data.classes) == [set(names) for names in COCO_TREE[key].values() if names]
        assert is_of(part.images, [COLOURS[i] for i in of])
    assert data.unlabelled == (1, 1)


@pytest.mark.parametrize("lost", ["annotations/instances_train2014.json", "annotations/instances_val2014.json"])
def test_coco_that_is_not_there_says_what_to_put_where(coco_root, lost):
    (coco_root / lost).unlink()
    part = lost.split("_")[1].split(".")[0]
    with pytest.raises(
        FileNotFoundError,
        match=f"coco: {part} not found in .*; put there annotations/instances_{part}"
        f".json and the pictures {part}/\\*.jpg, from .*{part}.zip",
    ):
        load("coco", coco_root)
    (coco_root / lost).write_text("{}")
    (coco_root / part).rename(coco_root / "elsewhere")
    with pytest.raises(FileNotFoundError, match=f"coco: {part} not found"):
        load("coco", coco_root)


def test_damaged_coco_annotations_are_refused(coco_root):
    path = coco_root / "annotations" / "instances_train2014.json"
    whole = path.read_text()
    content = json.loads(whole)
    unknown = content | {"annotations": [{"image_id": 9, "category_id": 12}]}  # 12 is one of the gaps
    unnamed = content | {"images": [image | {"file_name": 9} for image in content["images"]]}
    for wrong in [
        whole[:100],
        whole[:-1],
        "",
        "[]",
        json.dumps({"images": []}),
        json.dumps(unknown),
        json.dumps(unnamed),
        "[" * 10**5,
    ]:
        path.write_text(wrong)
        with pytest.raises(ValueError, match="instances_train2014.json: truncated, or not instances as COCO"):
            load("coco", coco_root)


def test_coco_parts_with_other_categories_are_refused(coco_root):
    path = coco_root / "annotations" / "instances_val2014.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"categories": content["categories"][1:], "annotations": []}))
    with pytest.raises(ValueError, match="val2014.json: expected the 80 categories of train2014, got others, 79"):
        load("coco", coco_root)


# a folder laid out as ImageNet's


def colour(number):
    """One that JPEG does not turn into that of another number."""
    return 20 * (number // 12), 20 * (number % 12), 90


def class_folder(folder, count, first=0):
    """``count`` pictures that show their number, counted from ``first``, as a colour."""
    for i in range(count):
        picture(folder / f"n_{i:04d}.JPEG", colour(first + i), shape=(8, 8))


def test_of_each_class_the_first_96_are_trained_on_and_4_of_val_are_tested(tmp_path):
    for name, count in (("n01440764", 99), ("n01443537", 12)):
        class_folder(tmp_path / "train" / name, count)
        class_folder(tmp_path / "val" / name, 6, first=50)
    data = load("imagenet-folder", tmp_path, size=8)
    assert data.classes == ("n01440764", "n01443537")
    assert data.train.labels.dtype == torch.int64 and data.train.labels.tolist() == [0] * 96 + [1] * 12
    assert is_of(data.train.images, [colour(i) for i in [*range(96), *range(12)]])
    assert data.test.labels.tolist() == [0] * 4 + [1] * 4
    assert is_of(data.test.images, [colour(i) for i in [50, 51, 52, 53] * 2])


def test_without_val_the_4_that_follow_the_first_96_are_tested(tmp_path):
    for name, count in (("b", 103), ("a", 98)):
        class_folder(tmp_path / "train" / name, count)
    data = load("imagenet-folder", tmp_path, size=8)
    assert data.train.labels.tolist() == [0] * 96 + [1] * 96
    assert is_of(data.train.images, [colour(i) for i in range(96)] * 2)
    assert data.test.labels.tolist() == [0] * 2 + [1] * 4
    assert is_of(data.test.images, [colour(i) for i in [96, 97, 96, 97, 98, 99]])


def test_an_imagenet_folder_that_does_not_fit_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="imagenet-folder: no train in .*; put pictures into .*train/<class>/"):
        load("imagenet-folder", tmp_path)
    class_folder(tmp_path / "train" / "cat", 97)
    class_folder(tmp_path / "train" / "dog", 96)
    with pytest.raises(ValueError, match="expected more than 96 pictures a class .* got no more of class 'dog'"):
        load("imagenet-folder", tmp_path)
    class_folder(tmp_path / "val" / "cat", 2)
    with pytest.raises(ValueError, match=r"expected in val the 2 classes of train, got 1, different \['dog'\]"):
        load("imagenet-folder", tmp_path)
    (tmp_path / "val" / "dog").mkdir()
    with pytest.raises(FileNotFoundError, match="expected pictures .* of every class, got none of 'dog'"):
        load("imagenet-folder", tmp_path)


# all of them


@pytest.mark.parametrize("name", ["voc2007", "coco", "imagenet-folder"])
def test_a_size_below_one_is_refused_before_anything_is_read(tmp_path, name):
    with pytest.raises(ValueError, match="size: expected a whole number from 1 up, got 0"):
        load(name, tmp_path, size=0)


@pytest.mark.parametrize("name", ["mnist-mini", "scenes-mini", "mnist", "own.npz"])
def test_a_size_is_refused_where_pictures_have_one(name):
    with pytest.raises(ValueError, match=rf"size: expected none but for \['voc2007', .*\], got 32 for '{name}'"):
        load(name, size=32)


def test_every_class_of_these_sets_has_a_label_vector():
    assert label_vectors(VOC_NAMES).shape == (20, 256) and label_vectors(COCO_NUMBERS).shape == (80, 256)
    assert folders.VOC_CLASSES == VOC_NAMES


# pictures of every depth, and folders of every shape


def ramp(top, dtype):
    return np.linspace(0, top, 64 * 64).reshape(64, 64).astype(dtype)


@pytest.mark.parametrize(
    "file, values", [("a.png", ramp(65535, np.uint16)), ("a.tif", ramp(1, np.float32)), ("a.png", ramp(255, np.uint8))]
)
def test_pictures_of_more_bits_keep_their_brightness(tmp_path, file, values):
    Image.fromarray(values).save(tmp_path / file)
    image = folders.pictures([tmp_path / file], 64)[0].double()
    assert image.mean().item() == pytest.approx(127.5, abs=0.5)
    assert torch.equal(image[0], image[2]) and (image[0].flatten().diff() >= 0).all()


@pytest.mark.parametrize(
    "values, message",
    [
        (ramp(2, np.float32), r"expected grey from 0 to 1, got 0 to 2"),
        (ramp(200, np.int32), "whole numbers of 32 bits"),
        (np.full((8, 8), np.nan, np.float32), "got nan to nan"),
    ],
)
def test_numbers_that_are_no_brightness_are_refused_by_name(tmp_path, values, message):
    Image.fromarray(values).save(tmp_path / "a.tif")
    with pytest.raises(ValueError, match=f"a.tif: truncated, or not a picture .*{message}"):
        folders.pictures([tmp_path / "a.tif"], 8)


def test_pictures_are_turned_as_their_camera_says(tmp_path):
    upright = Image.new("RGB", (16, 16))
    upright.paste((255, 255, 255), (0, 0, 16, 8))
    for number, turn in ((1, None), (3, Image.Transpose.ROTATE_180), (6, Image.Transpose.ROTATE_90)):
        exif = Image.Exif()
        exif[0x0112] = number
        (upright if turn is None else upright.transpose(turn)).save(tmp_path / "a.jpg", exif=exif, quality=95)
        image = folders.pictures([tmp_path / "a.jpg"], 16)[0]
        assert image[:, :7].min() > 240 and image[:, 9:].max() < 15


def test_a_picture_that_claims_too_many_pixels_is_refused_by_name(tmp_path, monkeypatch):
    picture(tmp_path / "a.jpg", COLOURS[0])
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(ValueError, match="a.jpg: truncated, or not a picture .*decompression bomb"):
        folders.pictures([tmp_path / "a.jpg"], 8)


def test_a_split_from_a_folder_for_each_class(tmp_path):
    for i, name in enumerate(("b", "a")):
        for j in range(2 + i):
            picture(tmp_path / name / "deeper" / f"{j}.png", COLOURS[i])
    picture(tmp_path / ".ipynb_checkpoints" / "x.png", COLOURS[2])
    picture(tmp_path / "a" / ".hidden" / "x.png", COLOURS[2])
    picture(tmp_path / "a" / ".x.png", COLOURS[2])
    (tmp_path / "a" / "loop").symlink_to(tmp_path / "a", target_is_directory=True)
    (tmp_path / "a" / "notes.txt").write_text("no picture")
    split = Split.from_folder(tmp_path, size=8)
    assert split.labels.tolist() == [0] * 3 + [1] * 2 and split.images.shape == (5, 3, 8, 8)
    assert is_of(split.images, [COLOURS[1]] * 3 + [COLOURS[0]] * 2)
    (tmp_path / "c").symlink_to(tmp_path / "b", target_is_directory=True)
    assert len(Split.from_folder(tmp_path, size=8)) == 7


def test_a_folder_without_classes_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no/such: no such folder"):
        Split.from_folder(tmp_path / "no" / "such")
    with pytest.raises(FileNotFoundError, match="expected a folder of pictures for each class, got none"):
        Split.from_folder(tmp_path)

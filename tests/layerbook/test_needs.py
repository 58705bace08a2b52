"""What chapters need of their parameters together is said before they train."""

import os
from pathlib import Path

import numpy as np
import pytest

from layerbook import cli, running
from layerbook.asked import full_size
from layerbook.chapters import chapters
from layerbook.needs import NEEDS, check_needs
from layerbook.sweep import plan

BOOK = Path(__file__).parents[2] / "book"
CHAPTERS, _ = chapters(BOOK)


@pytest.mark.parametrize("name", sorted(NEEDS))
def test_a_chapter_has_what_its_needs_name_and_meets_them_small_and_full(name):
    chapter = CHAPTERS[name]
    assert {each for names, _, _ in NEEDS[name] for each in names} <= set(chapter.parameters)
    check_needs(chapter, {})
    check_needs(chapter, full_size(BOOK, chapter))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("cooperating_classifiers", {"width": 40}, "width: expected one of widths, got 40 with widths=.20, 50, 100.$"),
        ("cooperating_classifiers", {"seeds": [3]}, "seeds: expected at least two, whose spread says"),
        (
            "cooperating_classifiers",
            {"depths_compared": [4, 7]},
            "depths_compared: expected at least two depths besides",
        ),
        ("forward_backward", {"iterations": 10}, "iterations: expected more than 10, .*, got 10$"),
        (
            "filter_evolution",
            {"images": 400, "epochs": 1, "every": 2},
            "images: expected enough for ten snapshots, .* every=2",
        ),
        (
            "filter_evolution",
            {"images": 400, "epochs": 40, "every": 11},
            "every: expected at most the steps of an epoch",
        ),
        (
            "filter_evolution",
            {"images_more": 400, "every": 11, "epochs": 40},
            "every: expected at most the steps of an epoch, .* images_more=400",
        ),
        ("filter_evolution", {"resnets_again": []}, "resnets_again: expected one or both of preresnet50"),
        ("filter_evolution", {"resnets_again": ["resnet18"]}, "resnets_again: expected one or both of preresnet50"),
        ("four_lenses", {"looked_at": [16, 64]}, "looked_at: expected steps in order, from 0 on"),
        ("four_lenses", {"looked_at": [0, 64, 16]}, "looked_at: expected steps in order, from 0 on"),
        ("four_lenses", {"looked_at": [0]}, "looked_at: expected steps in order, from 0 on"),
    ],
)
def test_values_that_do_not_go_together_are_refused(name, values, message):
    with pytest.raises(ValueError, match=message):
        check_needs(CHAPTERS[name], values)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("filter_evolution", {"images": 400, "epochs": 2, "every": 2}),
        ("filter_evolution", {"images": 401, "epochs": 40, "every": 11}),
        ("forward_backward", {"iterations": 11}),
    ],
)
def test_what_is_just_enough_is_taken(name, values):
    check_needs(CHAPTERS[name], values)


SETS = [
    (name, each)
    for name in CHAPTERS
    for each in ("easy", "hard", "data", "second")
    if each in CHAPTERS[name].parameters
]


@pytest.mark.parametrize(("name", "parameter"), [each for each in SETS if each[0] in NEEDS])
def test_a_file_of_one_split_is_refused_where_a_chapter_trains_and_tests(tmp_path, name, parameter):
    np.savez(tmp_path / "split.npz", x=np.zeros((4, 32, 32), dtype=np.uint8), y=np.arange(4) % 2)
    with pytest.raises(ValueError, match=f"^{parameter}: expected a file with x_train, .*, got .*split.npz$"):
        check_needs(CHAPTERS[name], {parameter: str(tmp_path / "split.npz")})


@pytest.mark.parametrize("layout", [(8, 8), (1, 8, 8), (3, 40, 16), (16, 40, 3)])
def test_pictures_too_small_for_five_halvings_are_refused(tmp_path, layout):
    path = tmp_path / "small.npz"
    x, y = np.zeros((4, *layout), dtype=np.uint8), np.arange(4) % 2
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    message = "^data: expected pictures of at least 32 x 32 pixels, .*, got .*small.npz$"
    beside = os.path.relpath(path, BOOK)
    for data in (str(path), beside):
        with pytest.raises(ValueError, match=message):
            check_needs(CHAPTERS["filter_evolution"], {"data": data})


def test_pictures_of_the_least_size_and_files_that_are_none_are_left_to_the_chapter(tmp_path):
    x, y = np.zeros((4, 3, 32, 32), dtype=np.uint8), np.arange(4) % 2
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, x_test=x, y_test=y)
    (tmp_path / "empty.npz").touch()
    for data in (*(str(tmp_path / f"{name}.npz") for name in ("own", "empty", "nothing")), "cifar10-mini"):
        check_needs(CHAPTERS["filter_evolution"], {"data": data})


def test_neither_a_run_nor_a_sweep_begins(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(running, "execute", lambda *given: pytest.fail("it ran"))
    command = [
        "run",
        "cooperating_classifiers",
        "--book",
        str(BOOK),
        "-p",
        "width=40",
        "--out",
        str(tmp_path / "o.ipynb"),
    ]
    assert cli.main(command) == 2
    assert "layerlib: width: expected one of widths, got 40" in capsys.readouterr().err
    with pytest.raises(ValueError, match="seeds: expected at least two"):
        plan("cooperating_classifiers", {"seeds": [[0, 1], [0]]}, out=tmp_path, book=BOOK)

"""Where things may go, settled before a run of hours."""

import os
import shutil
import tempfile

import pytest
from records import record

from layerbook.places import check_writable, find_book, from_here, out_path
from layerbook.record import write_record


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A book with two chapters; the reader is in another folder, which holds a file."""
    folder = tmp_path / "book"
    folder.mkdir()
    for name in ("toy", "slow"):
        (folder / f"{name}.ipynb").write_text(name)
    (tmp_path / "reader").mkdir()
    (tmp_path / "reader" / "my.npz").write_text("")
    monkeypatch.chdir(tmp_path / "reader")
    return folder


def test_the_book_is_found(book, tmp_path, monkeypatch):
    assert find_book(book) == book.resolve()
    monkeypatch.chdir(tmp_path)
    assert find_book(None) == book.resolve()
    with pytest.raises(ValueError, match="no book folder at nowhere: name it with --book"):
        find_book(tmp_path.__class__("nowhere"))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("my.npz", "../reader/my.npz"),
        ("./my.npz", "../reader/my.npz"),
        ("../reader/my.npz", "../reader/my.npz"),
        (["my.npz", 3], ["../reader/my.npz", 3]),
        ("./new", "../reader/new"),
        ("../runs", "../runs"),
        ("other.npz", "other.npz"),
        ("mnist-mini", "mnist-mini"),
        ("T-shirt/top", "T-shirt/top"),
        ("a\0.b", "a\0.b"),
        ("/data/my.npz", "/data/my.npz"),
        (0.5, 0.5),
        (None, None),
    ],
)
def test_a_file_of_the_reader_is_named_as_the_chapter_reaches_it(book, value, expected):
    assert from_here(value, book) == expected


def test_the_home_folder_is_the_readers(book, monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert from_here("~/my.npz", book) == str(tmp_path / "my.npz")


def test_the_executed_notebook_goes_to_build_or_where_it_is_asked_to(book, tmp_path):
    chapter = book / "toy.ipynb"
    assert out_path(None, "small", book, chapter) == tmp_path / "_build" / "runs" / "toy.small.ipynb"
    assert out_path(tmp_path / "a.ipynb", "small", book, chapter) == tmp_path / "a.ipynb"


def test_no_run_overwrites_a_chapter(book, tmp_path):
    os.link(book / "slow.ipynb", tmp_path / "hard.ipynb")
    (tmp_path / "soft.ipynb").symlink_to(book / "slow.ipynb")
    (tmp_path / "around").symlink_to(book)
    for path, what in (
        (book / "toy.ipynb", "the source of toy"),
        (book / "slow.ipynb", "the source of slow"),
        (tmp_path / "hard.ipynb", "the source of slow"),
        (tmp_path / "soft.ipynb", "the source of slow"),
        (tmp_path / "around" / "slow.ipynb", "the source of slow"),
        (book / "new.ipynb", "in the folder of the chapters' sources"),
    ):
        with pytest.raises(ValueError, match=f"--out: {path} is {what}, which a run must not overwrite"):
            out_path(path, "small", book, book / "toy.ipynb")


@pytest.mark.parametrize("name", ["a.html", "folder.ipynb"])
def test_the_executed_notebook_has_a_notebooks_name(book, tmp_path, name):
    (tmp_path / "folder.ipynb").mkdir()
    with pytest.raises(ValueError, match=r"--out: expected a file name ending in .ipynb, got '"):
        out_path(tmp_path / name, "small", book, book / "toy.ipynb")


def test_folders_are_tried_and_not_made(book, tmp_path):
    check_writable(tmp_path / "new" / "deep" / "a.ipynb", book / "records" / "toy.json")
    assert not (tmp_path / "new").exists() and not (book / "records").exists()


def test_a_file_in_place_of_a_folder_is_refused(book, tmp_path):
    (book / "records").write_text("")
    with pytest.raises(ValueError, match="records: expected a folder to write to, got '.*/book/records': "):
        check_writable(tmp_path / "a.ipynb", book / "records" / "toy.json")
    with pytest.raises(ValueError, match="--out: expected a folder to write to, got '.*/book/records': "):
        check_writable(book / "records" / "a.ipynb", None)


def test_a_folder_that_takes_no_file_is_refused(book, tmp_path, monkeypatch):
    def refuse(**_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    with pytest.raises(ValueError, match=f"--out: expected a folder to write to, got '{tmp_path}': Permission denied"):
        check_writable(tmp_path / "a.ipynb", None)


def test_a_full_disk_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(2**30, 2**30, 3 * 2**20))
    with pytest.raises(ValueError, match=f"--out: only 3 MiB left in '{tmp_path}', expected 64"):
        check_writable(tmp_path / "a.ipynb", None)


def test_an_old_record_that_is_damaged_is_noticed(book, tmp_path):
    path = book / "records" / "toy.json"
    write_record(record(), path)
    check_writable(tmp_path / "a.ipynb", path)
    path.write_text("{")
    with pytest.raises(ValueError, match=f"{path}: not JSON"):
        check_writable(tmp_path / "a.ipynb", path)

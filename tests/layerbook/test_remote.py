"""Sweeps whose runs go to an address: a web server of this machine stands for a bucket."""

import http.server
import json
import threading

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook
from papermill.iorw import S3, papermill_io

from layerbook import cli
from layerbook.collected import collect
from layerbook.places import sweep_places
from layerbook.remote import put

pytestmark = pytest.mark.lengthy
TOY = """\
from layerbook.report import Report
assert depth != 13, "an unlucky depth"
report = Report("toy", "smaller")
report.number("error", 1 / depth);
"""


@pytest.fixture
def book(tmp_path, monkeypatch):
    first = new_code_cell("depth: int = 6", metadata={"tags": ["parameters"]})
    (tmp_path / "book").mkdir()
    nbformat.write(
        new_notebook(cells=[first, new_code_cell(TOY), new_code_cell("report")]), tmp_path / "book" / "toy.ipynb"
    )
    monkeypatch.chdir(tmp_path)
    return tmp_path / "book"


@pytest.fixture
def bucket():
    """A server that keeps what is put there, names with a word of ``refused`` apart; its address, and what it holds."""
    kept: dict[str, dict] = {}

    class Bucket(http.server.BaseHTTPRequestHandler):
        refused = ()

        def do_PUT(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            fine = not any(word in self.path for word in Bucket.refused)
            if fine:
                kept[self.path.rpartition("/")[2]] = json.loads(body)
            self.send_response(201 if fine else 403)
            self.end_headers()

        def log_message(self, *words):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bucket) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/depths", kept, Bucket
        server.shutdown()


def swept(address, depths="2,13"):
    return cli.main(["sweep", "toy", "--over", f"depth={depths}", "--out", address])


def test_runs_go_to_an_address_and_are_collected_here(book, bucket, capsys):
    address, kept, _ = bucket
    assert swept(address + "/") == 1
    assert sorted(name.split(".")[-1] for name in kept) == ["ipynb", "ipynb", "json", "json", "json"]
    assert len(kept["sweep.json"]["runs"]) == 2
    for name in kept["sweep.json"]["runs"]:
        failed = "depth=13" in name
        assert kept[f"{name}.json"]["state"] == ("failed" if failed else "finished")
        assert bool(kept[f"{name}.ipynb"]["metadata"]["papermill"]["exception"]) == failed
    folder, _ = sweep_places(address, book, "toy")
    assert folder.parent == book.parent / "_build" / "sweeps"
    assert set(collect(folder).state) == {"finished", "failed"}
    kept.clear()
    assert swept(address, "2") == 0
    assert list(kept) == ["sweep.json"]


def test_a_place_that_takes_nothing_says_so_before_any_run(book, bucket, capsys):
    address, kept, server = bucket
    server.refused = ("sweep.json",)
    assert swept(address) == 2
    assert "403" in capsys.readouterr().err and kept == {}
    assert not list(book.parent.glob("_build/sweeps/*/*.ipynb"))


def test_a_run_that_its_place_did_not_take_is_made_again(book, bucket, capsys):
    address, kept, server = bucket
    server.refused = (".ipynb",)
    assert swept(address, "2") == 1
    assert "0 of 1 runs have finished" in capsys.readouterr().out and set(kept) == {"sweep.json"}
    server.refused = ()
    assert swept(address, "2") == 0
    assert len(kept) == 3


class Handler:
    """One that papermill could be given for other places."""

    def __init__(self):
        self.kept = {}

    def write(self, text, address):
        self.kept[address] = text


@pytest.mark.parametrize("scheme", ["s3://", "gs://", "abs://"])
def test_the_handler_of_the_address_is_the_one_that_writes(monkeypatch, scheme):
    handler = Handler()
    monkeypatch.setattr(papermill_io, "_handlers", [(scheme, handler), *papermill_io._handlers])
    put("{}", f"{scheme}bucket/depths/sweep.json")
    assert handler.kept == {f"{scheme}bucket/depths/sweep.json": "{}"}


@pytest.mark.skipif(isinstance(S3, type), reason="boto3 is installed")
def test_a_package_that_a_place_needs_is_named_before_any_run(book, capsys):
    assert swept("s3://bucket/depths") == 2
    assert "pip install papermill[s3]" in capsys.readouterr().err


def test_an_address_that_papermill_does_not_know_is_refused(book, capsys):
    assert swept("ftp://bucket/depths") == 2
    assert "papermill writes to " in (said := capsys.readouterr().err) and "s3://" in said

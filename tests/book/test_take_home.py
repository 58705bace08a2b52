"""What pages offer to take home, and that buttons to elsewhere wait for an address."""

import zipfile
from types import SimpleNamespace

import pytest
import take_home
from take_home import copy_editions, offer, where_to_run


def settings(**options):
    config = SimpleNamespace(html_theme_options=options)
    where_to_run(None, config)
    return config.html_theme_options


@pytest.mark.parametrize("address", [{}, {"repository_url": ""}, {"repository_url": take_home.JUPYTER_BOOK}])
def test_without_an_address_nothing_leads_elsewhere(address):
    options = settings(**address, launch_buttons={"colab_url": "https://colab.research.google.com"})
    assert options == {"repository_url": "", "launch_buttons": {}, "use_issues_button": False}


def test_with_an_address_there_are_colab_binder_and_feedback():
    options = settings(repository_url="https://github.com/a/b", launch_buttons={"notebook_interface": "classic"})
    assert set(options["launch_buttons"]) == {"colab_url", "binderhub_url", "notebook_interface"}
    assert options["launch_buttons"]["notebook_interface"] == "jupyterlab"  # other programs do not show MyST
    assert options["use_issues_button"]


def test_a_hub_of_ones_own_is_added():
    hub = "https://hub.example.org"
    options = settings(repository_url="https://github.com/a/b", launch_buttons={"jupyterhub_url": hub})
    assert options["launch_buttons"]["jupyterhub_url"] == hub


def page(tmp_path, name, launch=()):
    folder = tmp_path / "_build" / "editions" / "portable"
    folder.mkdir(parents=True)
    for file in ("toy.ipynb", "layerlib-0.1.0-py3-none-any.whl"):
        (folder / file).touch()
    source = {"url": "_sources/toy.ipynb", "text": ".ipynb", "label": "download-source-button"}
    download = {"label": "download-buttons", "buttons": [source, {"text": ".pdf", "label": "download-pdf-button"}]}
    context = {"header_buttons": [download, {"label": "launch-buttons", "buttons": [*launch]}]}
    context["pathto"] = lambda path, resource: f"../{path}"
    offer(SimpleNamespace(srcdir=tmp_path), name, "page.html", context, None)
    return context["header_buttons"]


def test_a_chapter_offers_its_portable_notebook_and_the_package(tmp_path):
    download, _ = page(tmp_path, "book/toy")
    assert [(each["text"], each.get("url")) for each in download["buttons"]] == [
        (".ipynb", "../_downloads/portable/toy.ipynb"),
        (".whl", "../_downloads/portable/layerlib-0.1.0-py3-none-any.whl"),
        (".pdf", None),
    ]


def test_a_page_without_a_portable_notebook_keeps_its_source(tmp_path):
    download, _ = page(tmp_path, "book/glossary")
    assert download["buttons"][0]["url"] == "_sources/toy.ipynb"


def test_colab_opens_the_portable_notebook_and_binder_the_chapter(tmp_path):
    colab = {"text": "Colab", "url": "https://colab/github/a/b/blob/main/book/toy.ipynb"}
    binder = {"text": "Binder", "url": "https://mybinder.org/v2/gh/a/b/main?urlpath=lab/tree/book/toy.ipynb"}
    _, launch = page(tmp_path, "book/toy", [dict(colab), dict(binder)])
    opened = {each["text"]: each["url"] for each in launch["buttons"]}
    assert opened["Colab"] == "https://colab/github/a/b/blob/gh-pages/_downloads/portable/toy.ipynb"
    assert opened["Binder"] == binder["url"]


def test_copies_to_hand_out_lie_zipped_beside_the_pages(tmp_path):
    for name in ("student/toy.ipynb", "student/records/toy.json", "instructor/toy.ipynb", "portable/toy.ipynb",
                 "portable/layerlib-0.1.0-py3-none-any.whl"):  # fmt: skip
        path = tmp_path / "_build" / "editions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    copy_editions(SimpleNamespace(builder=SimpleNamespace(name="html"), srcdir=tmp_path, outdir=tmp_path / "html"))
    there = tmp_path / "html" / "_downloads"
    assert (there / "portable" / "toy.ipynb").is_file()
    with zipfile.ZipFile(there / "student.zip") as packed:
        assert {"student/toy.ipynb", "student/records/toy.json"} <= set(packed.namelist())
    assert zipfile.is_zipfile(there / "instructor.zip")

"""Offer what a reader may take home: a chapter's portable notebook, its slides, copies to hand out, where to run it.

The notebook as it is kept has MyST in it, which other programs show as it stands; so the theme's button offers the
portable one instead. Buttons that open a chapter elsewhere, and the link for feedback, need to know where the book's
repository is. They are there once ``repository: {url: …}`` stands in ``_config.yml``, and not before.
"""

import shutil
from pathlib import Path

from sphinx.util import logging

from layerbook.slides import write

LOGGER = logging.getLogger(__name__)
JUPYTER_BOOK = "https://github.com/executablebooks/jupyter-book"  # its own, where no address is configured
PORTABLE = "_downloads/portable"
HANDED_OUT = ("student", "instructor")
BRANCH = "gh-pages"  # where .github/workflows/book.yml publishes the built book


def copy_editions(app):
    """Put the portable notebooks, the package and the records that they read beside the pages; the others as zips."""
    if app.builder.name != "html":
        return
    made = Path(app.srcdir, "_build", "editions")
    if not list(made.glob("portable/layerlib-*.whl")):
        LOGGER.warning("%s has no portable notebooks: `make editions` makes them", made)
        return
    shutil.copytree(made / "portable", Path(app.outdir, PORTABLE), dirs_exist_ok=True)
    for kind in HANDED_OUT:
        shutil.make_archive(str(Path(app.outdir, "_downloads", kind)), "zip", made, kind)


def write_slides(app, exception):
    """Put the slides of the chapters beside the pages."""
    if app.builder.name == "html" and exception is None:
        write(Path(app.srcdir, "book"), Path(app.srcdir, "_build", "executed"), Path(app.outdir, "slides"))


def offer(app, pagename, templatename, context, doctree):
    """Let the buttons of a chapter lead to its portable notebook."""
    made = Path(app.srcdir, "_build", "editions", "portable")
    notebook = made / f"{Path(pagename).name}.ipynb"
    groups = {button.get("label"): button for button in context.get("header_buttons", [])}
    if "download-buttons" not in groups or not notebook.is_file():
        return
    there = [(notebook.name, "Download a notebook that runs anywhere, beside the package", "code")]
    there += [(wheel.name, "Download the package, which the notebook installs", "cube") for wheel in made.glob("*.whl")]
    pathto = context["pathto"]
    links = [
        {"type": "link", "url": pathto(f"{PORTABLE}/{name}", 1), "text": text, "icon": f"fas fa-{icon}",
         "tooltip": tooltip, "label": f"download-{icon}-button"}
        for (name, tooltip, icon), text in zip(there, (".ipynb", ".whl"), strict=False)
    ]  # fmt: skip
    buttons = groups["download-buttons"]["buttons"]
    buttons[:] = links + [button for button in buttons if button["label"] == "download-pdf-button"]
    for button in groups.get("launch-buttons", {}).get("buttons", ()):
        if button["text"] == "Colab":  # which opens one file, without the rest of the repository
            whole, _, _ = button["url"].partition("/blob/")
            button["url"] = f"{whole}/blob/{BRANCH}/{PORTABLE}/{notebook.name}"


def where_to_run(app, config):
    """Buttons for Colab, Binder and feedback, where the repository's address is known."""
    options = config.html_theme_options
    if options.get("repository_url", "") in ("", JUPYTER_BOOK):
        options.update(repository_url="", launch_buttons={}, use_issues_button=False)
        return
    known = {"colab_url": "https://colab.research.google.com", "binderhub_url": "https://mybinder.org"}
    asked = {name: value for name, value in options.get("launch_buttons", {}).items() if value}
    options["launch_buttons"] = {**known, **asked, "notebook_interface": "jupyterlab"}
    options["use_issues_button"] = True


def setup(app):
    app.connect("config-inited", where_to_run)
    app.connect("builder-inited", copy_editions)
    app.connect("build-finished", write_slides)
    app.connect("html-page-context", offer, priority=900)  # after the theme has made its buttons
    return {"parallel_read_safe": True, "parallel_write_safe": True}

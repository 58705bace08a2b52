"""Put MathJax into the book, so that formulas need no network.

One file of the installed package sphinx-mathjax-offline is enough; as an extension that package would copy 30 MB.
"""

import shutil
from importlib.util import find_spec
from pathlib import Path


def copy_mathjax(app):
    if app.builder.format != "html" or app.builder.math_renderer_name != "mathjax":
        return
    package = Path(find_spec("sphinx-mathjax-offline").origin).parent
    target = Path(app.outdir, "_static", app.config.mathjax_path)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(package / "static" / app.config.mathjax_path, target)


def setup(app):
    app.connect("builder-inited", copy_mathjax)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

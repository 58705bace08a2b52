"""Leave out of the reference what has its words from elsewhere.

From Python 3.13 on, a partial function has the docstring of the function that it calls; that of a setting's default is
PyTorch's, with references that only PyTorch's pages know.
"""

from functools import partial


def leave_out(app, what, name, obj, skip, options):
    return True if isinstance(obj, partial) else None


def setup(app):
    app.connect("autodoc-skip-member", leave_out)
    return {"parallel_read_safe": True, "parallel_write_safe": True}

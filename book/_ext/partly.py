"""A build that goes on from the one before, where only words of some pages are others: which pages are written again.

Sphinx writes what it has read again. But titles, labels, numbers and meanings of terms stand on other pages, too. So
where one of these is another, every page is written. The front page always is: it shows what a chapter has glued.

Two detours are cut short: a reference to a figure unpickles the whole page on which that stands, each time anew, and
to see whether the pages of source code are still right, Sphinx imports all of it, PyTorch included.
"""

from functools import cache
from hashlib import sha256
from pathlib import Path

from docutils import nodes
from hover_cards import meanings
from sphinx.domains.std import StandardDomain
from sphinx.ext import viewcode
from sphinx.util.index_entries import split_index_msg

SHARED = ("titles", "longtitles", "toctree_includes", "toc_secnumbers", "toc_fignumbers", "sphinx_exercise_registry")


def plain(value) -> str:
    """A text that is the same for the same value, whatever process made it."""
    if isinstance(value, nodes.Node):
        return value.astext()
    if isinstance(value, dict):
        return repr(sorted((plain(key), plain(each)) for key, each in value.items()))
    if isinstance(value, (set, frozenset)):
        return repr(sorted(map(plain, value)))
    return repr([*map(plain, value)]) if isinstance(value, (list, tuple)) else repr(value)


def told(env) -> str:
    """A digest of all that pages take from each other."""
    known = {name: getattr(env, name, None) for name in SHARED}
    domains = {name: data for name, data in env.domaindata.items() if name != "cite"}  # whose data are objects
    cited = {target.key for reference in env.get_domain("cite").citation_refs for target in reference.targets}
    return sha256(plain([known, domains, cited, meanings(env)]).encode()).hexdigest()


def remember(env) -> None:
    """What the search knows from indexes: Sphinx forgets that of pages which it does not write again."""
    for page, entries in env.domaindata["index"]["entries"].items():
        found = {
            (part, target or "", main)
            for kind, value, target, main, _ in entries
            for part in split_index_msg(kind, value)[: 1 if kind in ("see", "seealso") else None]
        }
        env._search_index_index_entries[page] = sorted(found)


class _Once:
    """An environment that reads each page's tree once; for those who do not change it."""

    def __init__(self, env):
        self._env, self.get_doctree = env, cache(env.get_doctree)

    def __getattr__(self, name):
        return getattr(self._env, name)


class Numbered(StandardDomain):
    """References to numbered figures, equations and tables, from trees that are read once."""

    _once = None

    def _resolve_numref_xref(self, env, *given):
        self._once = self._once or _Once(env)
        return super()._resolve_numref_xref(self._once, *given)


def shown(app, module: str) -> bool:
    """Whether a module's page of source code is as new as its file."""
    file, page = Path(app.srcdir, *module.split(".")), Path(app.outdir, "_modules", *module.split("."))
    try:
        source = next(each for each in (file.with_suffix(".py"), file / "__init__.py") if each.is_file())
        return source.stat().st_mtime <= page.with_suffix(".html").stat().st_mtime
    except (StopIteration, OSError):
        return False


def leave_sources(app, env) -> None:
    """Write no pages of source code where all are there."""
    if all(shown(app, module) for module in getattr(env, "_viewcode_modules", [])):
        listeners = app.events.listeners["html-collect-pages"]
        listeners[:] = [each for each in listeners if each.handler is not viewcode.collect_pages]


def also(app, env):
    remember(env)
    leave_sources(app, env)
    before, env.layer_book_told = getattr(env, "layer_book_told", None), told(env)
    return [env.config.root_doc] if before == env.layer_book_told else sorted(env.found_docs)


def setup(app):
    app.add_domain(Numbered, override=True)
    app.connect("env-get-updated", also, priority=900)  # once Sphinx has numbered everything
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A build that goes on from the one before, where only words of some pages are others: which pages are written again.

Sphinx writes what it has read again. But titles, labels, numbers and meanings of terms stand on other pages, too. So
where one of these is another, every page is written. The front page always is: it shows what a chapter has glued.
"""

from hashlib import sha256

from docutils import nodes
from hover_cards import meanings
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


def also(app, env):
    remember(env)
    before, env.layer_book_told = getattr(env, "layer_book_told", None), told(env)
    return [env.config.root_doc] if before == env.layer_book_told else sorted(env.found_docs)


def setup(app):
    app.connect("env-get-updated", also, priority=900)  # once Sphinx has numbered everything
    return {"parallel_read_safe": True, "parallel_write_safe": True}

"""A word of the glossary brings its meaning along, for the card that ``hover_cards.js`` shows.

A page read from disk can fetch nothing, so what a word means stands in the page: as the title of each link to it, which
a browser without scripts shows, too.
"""

from docutils import nodes


def meanings(env) -> dict[str, str]:
    """Link to a term -> what the glossary says of it."""
    found = {}
    terms = {(place[0], place[1]) for place in env.get_domain("std")._terms.values()}
    for page in {page for page, _ in terms}:
        for item in env.get_doctree(page).findall(nodes.definition_list_item):
            term, meaning = item.next_node(nodes.term), item.next_node(nodes.definition)
            said = " ".join(meaning.astext().split())
            found |= {f"{page}#{place}": said for place in term["ids"] if (page, place) in terms}
    return found


def explain(app, doctree, page):
    """Give the links of a page, other than the glossary's own, the meanings of their words."""
    links = [
        link
        for link in doctree.findall(nodes.reference)
        if any("std-term" in inner.get("classes", ()) for inner in link.findall(nodes.inline))
    ]
    if not links or app.builder.format != "html":
        return
    known = {
        place.partition("#")[2]: said for place, said in meanings(app.env).items() if not place.startswith(f"{page}#")
    }
    for link in links:
        place = link.get("refid") or link.get("refuri", "").partition("#")[2]
        if place in known:
            link["reftitle"] = known[place]


def setup(app):
    app.connect("doctree-resolved", explain)
    app.add_js_file("hover_cards.js", loading_method="defer")
    return {"parallel_read_safe": True, "parallel_write_safe": True}

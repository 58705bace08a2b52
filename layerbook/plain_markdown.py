"""MyST as it stands in the chapters turned into Markdown that every notebook program shows."""

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_ROLE = re.compile(r"\{([\w:-]+)\}`([^`]+)`")
_NAMED = re.compile(r"(?s)(.+?)\s*<([^<>]+)>$")
_DIRECTIVE = re.compile(r"(?ms)^(`{3,}|:{3,})\{([\w:-]+)\} *([^\n]*)\n(.*?)^\1[ \t]*$\n?")
_EQUATION = re.compile(r"(?s)\$\$(.+?)\$\$ *\(([\w-]+)\)")
_LABELLED = re.compile(
    r"^`{3,}\{(?:prf:)?(exercise|definition|theorem|lemma|proposition|corollary)\} ?([^\n]*)\n:label: (\S+)", re.M
)
_TARGET = re.compile(r"(?m)^\(([\w-]+)\)=\n+(?:#+ +(.+))?")
_ENTRY = re.compile(r"(?ms)^@\w+\{([\w-]+),(.*?)^\}")
_FIELD = re.compile(r"(?m)^\s*(\w+)\s*=\s*[{\"](.*?)[}\"],?$")


@dataclass(frozen=True)
class Words:
    """What stands in place of the book's references.

    Attributes
    ----------
    glued : values of a run, by the names that the prose gives them
    places : words for figures, equations, sections and pages, by label
    works : authors, year and title of the works cited, by key
    """

    glued: Mapping[str, object] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    works: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)

    def works_in(self, source: str) -> list[str]:
        """The keys of the works that a text cites, in order, each once."""
        roles = (keys for role, keys in _ROLE.findall(source) if role in ("cite", "cite:t"))
        return list(dict.fromkeys(key.strip() for keys in roles for key in keys.split(",")))


def plain(source: str, words: Words) -> str:
    """A cell of MyST as Markdown.

    Parameters
    ----------
    source : text with the roles and directives that the chapters use
    words : what stands in place of references

    Returns
    -------
    str

    Raises
    ------
    ValueError
        for a role or directive of another kind, or a name that nothing is known of
    """
    text = source
    while found := _DIRECTIVE.search(text):
        text = text[: found.start()] + _block(found[2], found[3], found[4]) + text[found.end() :]
    text = re.sub(r"(?m)^\([\w-]+\)=\n+", "", text)
    text = _EQUATION.sub(lambda found: f"$${found[1]} \\tag{{{_number(found[2], words)}}}$$", text)
    text = _ROLE.sub(lambda found: _role(found[1], found[2], words), text)
    return text.strip()


def _block(kind: str, title: str, body: str) -> str:
    body = re.sub(r"(?m)\A(?::[\w-]+:.*\n)+\n*", "", body).strip()
    if kind == "exercise":
        return f"### Exercise: {title}\n\n{body}\n"
    if kind in ("admonition", "dropdown"):
        return f"**{title}.**\n\n{body}\n"
    if kind == "opening":
        return f"**In one minute.**\n\n{body}\n"
    if kind == "prediction":
        return f"**What do you expect?**\n\n{body}\n"
    if kind == "glue":
        return "*(See the figure below.)*\n"
    if kind.startswith("prf:"):
        word = kind.removeprefix("prf:").capitalize()
        return f"**{word}{': ' * bool(title)}{title}.**\n\n{body}\n"
    raise ValueError(f"expected an exercise or an admonition, got a {kind}: no words for it are known")


def _number(label: str, words: Words) -> str:
    return _known(label, words.places, "place").partition(")")[0].strip("(")


def _role(role: str, content: str, words: Words) -> str:
    named = _NAMED.match(content)
    says, target = (named[1], named[2]) if named else ("", content)
    if role == "glue:text":
        return _glued(content, words.glued)
    if role == "term":
        return says or target
    if role.startswith("py:"):
        return f"`{says or target}`"
    if role in ("cite", "cite:t"):
        return _cited(role, content.split(","), words.works)
    if role in ("ref", "numref", "eq", "doc"):
        return says or _known(target, words.places, "place")
    raise ValueError(f"expected a role of the chapters, got {role}: no words for it are known")


def _known(name: str, among: Mapping, what: str) -> object:
    if name not in among:
        raise ValueError(f"no {what} {name!r} is known")
    return among[name]


def _glued(content: str, glued: Mapping[str, object]) -> str:
    name, _, form = content.partition(":")
    return format(_known(name, glued, "number"), form)


def _cited(role: str, keys: list[str], works: Mapping[str, tuple[str, str, str]]) -> str:
    found = [_known(key.strip(), works, "work") for key in keys]
    if role == "cite:t":
        return ", ".join(f"{authors} ({year})" for authors, year, _ in found)
    return f"({'; '.join(f'{authors} {year}' for authors, year, _ in found)})"


def glued_in(notebook: Mapping) -> dict[str, object]:
    """The values that an executed notebook has for its prose, by name."""
    found: dict[str, object] = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            told = output.get("metadata", {}).get("scrapbook")
            if told:
                found[told["name"]] = _value(output["data"].get(f"{told['mime_prefix']}text/plain", ""))
    return found


def _value(text: str) -> object:
    text = "".join(text)
    try:
        return ast.literal_eval(re.sub(r"^np\.\w+\((.*)\)$", r"\1", text))
    except (ValueError, SyntaxError):
        return text


def places_in(notebook: Mapping, of: str = "") -> dict[str, str]:
    """Words for what a chapter's labels stand at, with its title where that is given.

    Parameters
    ----------
    notebook : with cells of markdown, and cells of code whose metadata have figures
    of : the chapter's title, for references from elsewhere

    Returns
    -------
    dict: "Figure 2", "(3)" for an equation, a heading, an exercise or a theorem by its title; each by its label
    """
    found, figures, equations = {}, 0, 0
    elsewhere = f" of *{of}*" if of else ""
    for cell in notebook["cells"]:
        figure = cell["metadata"].get("mystnb", {}).get("figure", {})
        if figure:
            figures += 1
            if "name" in figure:
                found[figure["name"]] = f"Figure {figures}{elsewhere}"
        if cell["cell_type"] == "markdown":
            source = "".join(cell["source"])
            for _, label in _EQUATION.findall(source):
                equations += 1
                found[label] = f"({equations}){elsewhere}"
            for kind, title, label in _LABELLED.findall(source):
                found[label] = f"{kind} “{title}”{elsewhere}" if title else f"the {kind}{elsewhere}"
            for label, heading in _TARGET.findall(source):
                found[label] = f"“{heading}”{elsewhere}" if heading else f"the table{elsewhere}"
    return found


def works_of(bibliography: Path) -> dict[str, tuple[str, str, str]]:
    """Authors, year and title of each entry of a BibTeX file, by key."""
    works = {}
    for key, entry in _ENTRY.findall(bibliography.read_text(encoding="utf-8")):
        fields = {name.lower(): re.sub(r"[{}]", "", value) for name, value in _FIELD.findall(entry)}
        names = [each.partition(",")[0].strip() for each in re.split(r"\s+and\s+", fields.get("author", key))]
        short = names[0] if len(names) == 1 else " & ".join(names) if len(names) == 2 else f"{names[0]} et al."
        works[key] = short, fields.get("year", ""), fields.get("title", "")
    return works

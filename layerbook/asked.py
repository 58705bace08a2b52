"""What a reader asks for, checked before anything runs: a chapter by its name, values for its parameters."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from layerbook.chapters import Chapter, chapters
from layerbook.needs import check_needs
from layerbook.parameters import as_kind
from layerbook.places import from_here
from layerbook.plain_yaml import from_yaml


class UsageError(ValueError):
    """What was asked for cannot be done; the message says why, in one line."""


def unknown(what: str, name: str, names: Iterable[str]) -> UsageError:
    """The error for a name that is none of ``names``, with the one that was probably meant."""
    from layerlib._checks import did_you_mean  # brings torch, which no other word of the command line needs

    names = list(names)
    hint = did_you_mean(name, names)
    return UsageError(f"no {what} {name!r}: {hint and f'{hint} '}there are: {', '.join(names) or 'none'}")


def chapter_of(book: Path, name: str) -> Chapter:
    """A chapter by its name.

    Raises
    ------
    ValueError
        if there is none, or its notebook is broken
    """
    found, broken = chapters(book)
    if name in broken:
        raise UsageError(broken[name])
    if name not in found:
        raise unknown("chapter", name, found)
    return found[name]


def full_size(book: Path, chapter: Chapter) -> dict[str, object]:
    """The full-size values of a chapter's parameters, checked.

    Raises
    ------
    ValueError
        if there are none, or a name or a value is wrong
    """
    path = book / "parameters" / f"{chapter.path.stem}.yaml"
    if not path.is_file():
        raise UsageError(f"expected the full-size parameters in {path}, there is no such file")
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: expected text in UTF-8: {error}") from None
    values = from_yaml(text, str(path))
    if not isinstance(values, dict):
        raise UsageError(f"{path}: expected names with values, got {type(values).__name__}")
    return fitting(values, chapter, f"{path}: ")


def fitting(values: Mapping[str, object], chapter: Chapter, where: str = "") -> dict[str, object]:
    """Values as a chapter's parameters want them.

    Raises
    ------
    ValueError
        if the chapter has no parameter of a name, or a value is of another type; the message begins with ``where``
    """
    kept = {}
    for name, value in values.items():
        if name not in chapter.parameters:
            error = unknown(f"parameter of {chapter.path.stem}", str(name), chapter.parameters)
            raise UsageError(f"{where}{error}")
        try:
            kept[name] = as_kind(value, chapter.parameters[name].kind, name)
        except ValueError as error:
            raise UsageError(f"{where}{error}") from None
    return kept


def wanted(chapter: Chapter, values: Mapping[str, object], size: str, book: Path) -> dict[str, object]:
    """The values that a run takes: given ones, at full size beside those of ``parameters/CHAPTER.yaml``; all checked.

    Raises
    ------
    ValueError
        if a name or a value is wrong, or values do not go together
    """
    asked = (full_size(book, chapter) if size == "full" else {}) | fitting(values, chapter)
    check_needs(chapter, asked)
    return asked


def given(pairs: Sequence[str], book: Path | None, option: str = "-p", several: bool = False) -> dict[str, object]:
    """The values of options ``NAME=VALUE``, written in YAML.

    Parameters
    ----------
    pairs : the options
    book : folder of the chapters: a file of the reader's is named as it is reached from there; None: as it was given
    option : what the errors call it
    several : whether several values are written, with commas between them: then each name has a list of them

    Raises
    ------
    ValueError
        if a pair has no ``=`` or its value is no YAML
    """
    values = {}
    for pair in pairs:
        name, equals, text = pair.partition("=")
        if not equals:
            raise UsageError(f"{option}: expected NAME={'VALUE,VALUE' if several else 'VALUE'}, got {pair!r}")
        if several and name.strip() in values:
            raise UsageError(f"{option}: {name.strip()} is named twice")
        value = from_yaml(f"[{text}]" if several else text, name)
        values[name.strip()] = value if book is None else from_here(value, book)
    return values

"""The registration page, read: which tests were fixed when, and which of them a later one supersedes."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

ADDED = "added beside"


@dataclass(frozen=True)
class Registered:
    """A test that was fixed before the run that it judges.

    Parameters
    ----------
    item : number of the claim: ``"37c"``
    round : "first" or "second"
    test : the test and its threshold, in words
    superseded_by : item of the second round that takes its place; empty where none does
    """

    item: str
    round: str
    test: str
    superseded_by: str = ""

    @property
    def mark(self) -> str:
        """What a table says beside the item."""
        return f"superseded by {self.superseded_by}" if self.superseded_by else f"{self.round} round"


def marks(registered: Mapping[str, Registered], items: Iterable[str]) -> dict[str, str]:
    """What tables say beside each item: its round, what supersedes it, or that it was added beside those.

    Nothing where nothing is registered.
    """
    return {item: registered[item].mark if item in registered else ADDED for item in items} if registered else {}


def registered_in(*books: Path) -> dict[str, Registered]:
    """What the registration page registers, of the first of some folders that has one; nothing where none has."""
    pages = (book / "registration.md" for book in books)
    page = next((page for page in pages if page.is_file()), None)
    return {} if page is None else read_registration(page)


def read_registration(path: str | os.PathLike) -> dict[str, Registered]:
    """Read the tables of the registration page, by item.

    A row names one item or several (``37c, 43b``), its test, and in the first round what supersedes it.

    Raises
    ------
    ValueError
        if the page registers nothing, an item twice, or one as superseded by what it does not register
    """
    found: dict[str, Registered] = {}
    round_ = ""
    for line in Path(path).read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"## (\w+) round", line):
            round_ = heading[1].lower()
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if not round_ or not cells or not re.match(r"[A-Z]?\d", cells[0]):
            continue
        test, superseded_by = [*cells[1:], "", ""][:2]
        for item in cells[0].split(", "):
            if item in found:
                raise ValueError(f"{path}: {item} is registered twice")
            found[item] = Registered(item, round_, test, superseded_by)
    if not found:
        raise ValueError(f"{path}: expected tables of registered tests, found none")
    for each in found.values():
        if each.superseded_by and each.superseded_by not in found:
            raise ValueError(f"{path}: {each.item} is superseded by {each.superseded_by}, which is not registered")
    return found

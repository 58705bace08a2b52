"""What this project asks for, and what that asks for in turn, from the installed packages' own metadata."""

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]


def asked(*extras: str) -> list[Requirement]:
    """The requirements of pyproject.toml, with those of the extras, and of the extras that these name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    found = [Requirement(text) for text in project["dependencies"]] if not extras else []
    for extra in extras:
        for requirement in map(Requirement, project["optional-dependencies"][extra]):
            if requirement.name == project["name"]:
                found += asked(*requirement.extras)
            else:
                found.append(requirement)
    return found


def needed(requirements: list[Requirement], **environment: str) -> set[str]:
    """The canonical names of the distributions that an installation of these requirements brings.

    Here, or where the markers' variables have other values, such as ``python_version="3.12"``. What only other
    places need is not installed here, so what it needs in turn is not known.
    """
    found: set[tuple[str, str]] = set()
    waiting = [(requirement, "") for requirement in requirements]
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate(environment | {"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted in {"", *requirement.extras}:
            if (name, wanted) not in found:
                found.add((name, wanted))
                waiting += [(Requirement(text), wanted) for text in _requires(name)]
    return {name for name, _ in found}


def _requires(name: str) -> list[str]:
    try:
        return distribution(name).requires or []
    except PackageNotFoundError:
        return []

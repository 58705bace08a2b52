"""YAML as it looks: plain values of version 1.2, without tags, aliases, or a name that is set twice."""

import re
from typing import ClassVar

import yaml


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values: ``yes`` and ``2026-01-01`` are text, ``010`` is not eight; no tags, no aliases."""

    yaml_implicit_resolvers: ClassVar[dict] = {}

    def compose_node(self, parent: object, index: object) -> yaml.Node:
        event = self.peek_event()
        if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None) is not None:
            what = "aliases" if isinstance(event, yaml.AliasEvent) else f"tags such as {event.tag}"
            raise yaml.composer.ComposerError(None, None, f"{what} are not taken here", event.start_mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.Node, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if twice is not None:
            raise yaml.constructor.ConstructorError(None, None, f"{twice!r} is set twice", node.start_mark)
        return super().construct_mapping(node, deep)


for _tag, _pattern, _first in (
    ("bool", "true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", "[-+]?(0|[1-9][0-9_]*)", "-+0123456789"),
    ("float", r"[-+]?([0-9][0-9_]*\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("null", "~|null|Null|NULL|", ["~", "n", "N", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), list(_first))


def from_yaml(text: str, where: str) -> object:
    """A value written in YAML, or names with values.

    Raises
    ------
    ValueError
        ``where: not YAML: ...``, in one line
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{where}: not YAML: {' '.join(str(error).split())}") from None

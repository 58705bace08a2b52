"""YAML from outside: what it looks like is what it is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerbook.plain_yaml import from_yaml


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1_000", 1000),
        ("-5", -5),
        (".5", 0.5),
        ("1.", 1.0),
        ("010", "010"),
        ("yes", "yes"),
        ("off", "off"),
        ("2026-01-01", "2026-01-01"),
        ("1:30", "1:30"),
        ("true", True),
        ("null", None),
        ("", None),
        ("[1, a, 2.5]", [1, "a", 2.5]),
        ("a: {b: 1}", {"a": {"b": 1}}),
    ],
)
def test_yaml_means_what_it_looks_like(text, value):
    got = from_yaml(text, "p")
    assert got == value and type(got) is type(value)


@given(value=st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_as_python_writes_them_come_back(value):
    assert from_yaml(repr(value), "p") == value


@pytest.mark.parametrize(
    "text",
    [
        "[1",
        "&a [*a]",
        "[&a [1], *a]",
        "a: 1\na: 2",
        "[" * 5000,
        "9" * 5000,
        "!!python/object:os.system {}",
        "\0",
        "? [1]\n: 2",
        "!!int x",
        "!!bool x",
        "!!timestamp x",
        "[!!set {a}]",
        "a\n  b: c",
        "@",
    ],
)
def test_what_is_no_plain_yaml_is_refused_in_one_line(text):
    with pytest.raises(ValueError, match="^p: not YAML: ") as raised:
        from_yaml(text, "p")
    assert "\n" not in str(raised.value)

"""Parameters: read as Python reads them, and values from outside taken as strictly as their types."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from layerbook.parameters import Parameter, as_kind, plain, read_parameters, recordable


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("X = 'a#b'  # tag", Parameter("X", "str", "a#b", "tag")),
        ("X = 'a=b'", Parameter("X", "str", "a=b", "")),
        ("X: int = 3  # so that x = 3", Parameter("X", "int", 3, "so that x = 3")),
        ("X = '''a\nb'''  # two lines", Parameter("X", "str", "a\nb", "two lines")),
        ("X = 2 * 5", Parameter("X", "int", 10, "")),
        ("X: list[float] = [2 ** -1, -1e-3, 1 / 4]", Parameter("X", "list[float]", [0.5, -0.001, 0.25], "")),
        ("X: int | None = None  # or not", Parameter("X", "int | None", None, "or not")),
        ("X = None  # type: List[str] what to say", Parameter("X", "List[str]", None, "what to say")),
        ("X = None  # type: Optional[List[int]]", Parameter("X", "Optional[List[int]]", None, "")),
        ("X = None", Parameter("X", "", None, "")),
        ("X: list = [1, 2]", Parameter("X", "list[int]", [1, 2], "")),
        ("X: list = []", Parameter("X", "list", [], "")),
        ("X = [1, 'a']", Parameter("X", "list", [1, "a"], "")),
        ("X = os.cpu_count()  # cores", Parameter("X", "", "os.cpu_count()", "cores")),
        ("X: float = 1 / 0", Parameter("X", "float", "1 / 0", "")),
        ("X = 9 ** 9 ** 9", Parameter("X", "", "9 ** 9 ** 9", "")),
        ("X: int = 1\nX: int = 2", Parameter("X", "int", 2, "")),
        ("X = (  # here\n    1,\n    2)  # there", Parameter("X", "", (1, 2), "there")),
    ],
)
def test_a_parameter_is_what_python_makes_of_its_line(code, expected):
    assert read_parameters(code) == {"X": expected}


def test_what_is_no_assignment_to_one_name_is_no_parameter():
    code = "import os\na = b = 1\nc, d = 1, 2\ne: int\nf.g = 1\nh += 1\n# i = 1\nj = 1"
    assert list(read_parameters(code)) == ["j"]


def test_a_cell_that_is_no_python_is_refused():
    with pytest.raises(ValueError, match="its parameters are no Python: "):
        read_parameters("%matplotlib inline\nx = 1")


@given(
    value=st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**62), 2**62)
        | st.text()
        | st.floats(allow_nan=False, allow_infinity=False),
        st.lists,
        max_leaves=5,
    )
)
def test_every_literal_is_read_as_it_is(value):
    assert read_parameters(f"X = {value!r}  # {value!r}".replace("\n", " "))["X"].default == value


@pytest.mark.parametrize(
    ("kind", "value", "expected"),
    [
        ("int", 8, 8),
        ("float", 8, 8.0),
        ("bool", False, False),
        ("str", "x", "x"),
        ("list", [1, "a"], [1, "a"]),
        ("list[int]", [], []),
        ("list[float]", [1, 0.5], [1.0, 0.5]),
        ("list[list[int]]", [[1], [2, 3]], [[1], [2, 3]]),
        ("List[str]", ["a"], ["a"]),
        ("int | None", None, None),
        ("int | None", 3, 3),
        ("float | str", "a", "a"),
        ("typing.Optional[List[float]]", [1], [1.0]),
        ("Union[int, str]", "a", "a"),
        ("dict[str, float]", {"a": 1}, {"a": 1.0}),
        ("Literal['relu', 2]", 2, 2),
        ("'int | None'", 3, 3),
        ("Any", {"a": [1, None]}, {"a": [1, None]}),
        ("", "x", "x"),
        ("", None, None),
    ],
)
def test_values_of_the_right_type_pass(kind, value, expected):
    got = as_kind(value, kind, "p")
    assert got == expected and type(got) is type(expected)


@pytest.mark.parametrize(
    ("kind", "value", "message"),
    [
        ("int", 3.5, "p: expected int, got float 3.5"),
        ("int", True, "p: expected int, got bool True"),
        ("int | None", "x", "p: expected int | None, got str 'x'"),
        ("list[int]", [5, 0.5], "p[1]: expected int, got float 0.5"),
        ("list[int]", 5, "p: expected list[int], got int 5"),
        ("dict[str, int]", {"a": "b"}, "p[a]: expected int, got str 'b'"),
        ("str", 8, "p: expected str, got int 8 (quote it twice: p='\"8\"')"),
        ("Literal['relu', 1]", True, "p: expected Literal['relu', 1], got bool True"),
        ("float", math.inf, "p: expected a finite number, got inf"),
        ("", [1, [math.nan]], "p[1][0]: expected a finite number, got nan"),
        ("int", 10**400, "p: expected a whole number of at most 63 bits, got one of 1329"),
        ("float", 10**400, "p: expected a whole number of at most 63 bits, got one of 1329"),
        ("str", "\udcff", "p: expected text in UTF-8, got '\\udcff'"),
        ("list", [{"a"}], "p[0]: expected numbers, text, true or false, lists, or names with values, got set {'a'}"),
        ("", b"a", "p: expected numbers, text, true or false, lists, or names with values, got bytes b'a'"),
        ("", {1: 2}, "p: expected names that are text, got [1]"),
        ("tuple[int, int]", [1, 2], "p: cannot be set from here: its type tuple[int, int] is none of int, float, "),
        ("int | tuple[int]", "a", "p: cannot be set from here: its type tuple[int] is none of "),
        ("list of int", [1], "p: cannot be set from here: its type list of int is none of "),
    ],
)
def test_other_values_are_refused_by_name_and_place(kind, value, message):
    with pytest.raises(ValueError) as raised:
        as_kind(value, kind, "p")
    assert str(raised.value).startswith(message)


def test_defaults_are_recorded_as_json_can():
    assert recordable((1, {2}, None, "a")) == [1, [2], None, "a"]
    assert recordable(math.inf) == "inf" and recordable(b"a") == "b'a'"
    plain(recordable([math.nan, 3j]), "p")

"""The types of ``layerlib``, which mypy checks: the settings are in pyproject.toml."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MYPY = Path(sys.executable).with_name("mypy")
pytestmark = pytest.mark.xdist_group("mypy")  # two at once would spoil the cache that they share


def mypy(*options):
    return subprocess.run([MYPY, *options], cwd=ROOT, capture_output=True, text=True)


def test_types_fit_together():
    result = mypy()
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("layer_perplexity(torch.ones(2, 3) > 0, torch.arange(2), classez=2)", "call-arg"),
        ("layer_perplexity(torch.ones(2, 3) > 0, [0, 1])", "arg-type"),
        ("layer_perplexity(torch.ones(2, 3) > 0, torch.arange(2)).tolst()", "attr-defined"),
        ("count: int = PatternCounts(3).perplexity()", "assignment"),
    ],
)
def test_a_type_that_does_not_fit_is_found(tmp_path, line, code):
    planted = tmp_path / "patterns.py"
    planted.write_text((ROOT / "layerlib" / "patterns.py").read_text(encoding="utf-8") + f"\n\n{line}\n")
    result = mypy("--shadow-file", "layerlib/patterns.py", planted)
    assert result.returncode == 1
    assert f"[{code}]" in result.stdout

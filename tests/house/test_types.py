"""The types of ``layerlib``, which mypy checks: the settings are in pyproject.toml."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.lengthy
ROOT = Path(__file__).parents[2]
MYPY = Path(sys.executable).with_name("mypy")


def mypy(*options):
    return subprocess.run([MYPY, *options], cwd=ROOT, capture_output=True, text=True)


def test_types_fit_together():
    result = mypy()
    assert result.returncode == 0, result.stdout


def test_a_type_that_does_not_fit_is_found(tmp_path):
    lines = {
        "layer_perplexity(torch.ones(2, 3) > 0, torch.arange(2), classez=2)": "call-arg",
        "layer_perplexity(torch.ones(2, 3) > 0, [0, 1])": "arg-type",
        "layer_perplexity(torch.ones(2, 3) > 0, torch.arange(2)).tolst()": "attr-defined",
        "count: int = PatternCounts(3).perplexity()": "assignment",
    }
    planted = tmp_path / "patterns.py"
    sound = (ROOT / "layerlib" / "patterns.py").read_text(encoding="utf-8").rstrip("\n").split("\n")
    planted.write_text("\n".join([*sound, *lines, ""]))
    # not with the cache of the whole: mypy broke off once over one made without the planted lines
    result = mypy("--cache-dir", os.devnull, "--shadow-file", "layerlib/patterns.py", planted)
    assert result.returncode == 1, result.stdout + result.stderr
    for number, code in enumerate(lines.values(), len(sound) + 1):
        assert re.search(rf"patterns\.py:{number}: error: .*\[{code}\]", result.stdout)

"""One call in a process of its own: ``python -m benchmarks.one MODULE NAME`` prints seconds and megabytes."""

import json
import subprocess
import sys
from functools import partial
from importlib import import_module

from benchmarks.measure import alone


def apart(module: str, name: str) -> dict[str, float]:
    """Seconds of one processor core, and megabytes at the peak, of a task or a point of a module, in a new process."""
    command = [sys.executable, "-m", "benchmarks.one", module, name]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])


def main(module: str, name: str) -> dict[str, float]:
    found = import_module(f"benchmarks.{module}")
    if hasattr(found, "points"):
        return alone(found.points()[name](), warm=module != "networks")  # which do so themselves, on few pictures
    task = next(each for each in found.tasks() if each.name == name)
    return alone(partial(task.run, *task.given))


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))

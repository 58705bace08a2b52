"""Run every benchmark and keep what it measured in ``benchmarks/results.json``.

    python -m benchmarks              all of them
    python -m benchmarks perplexity   this one, without touching the file
"""

import argparse
import importlib
import json
import os
import pkgutil
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

import benchmarks
import layerlib

RESULTS = Path(__file__).with_name("results.json")


def surroundings() -> dict:
    """When and on what kind of machine; no names, no paths."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"system": platform.system(), "architecture": platform.machine(), "cores": os.cpu_count(),
                    "threads": torch.get_num_threads(), "load": round(os.getloadavg()[0], 1)},
        "versions": {"python": platform.python_version(), "layerlib": layerlib.__version__}
        | {name: version(name) for name in ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "KDEpy")},
    }


def main() -> None:
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name != "__main__")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="*", choices=[*names, []], default=[], metavar="NAME", help=", ".join(names))
    chosen = parser.parse_args().name or names
    record = surroundings() | {"results": {}}
    for name in chosen:
        print(f"\n{name}", flush=True)
        record["results"][name] = importlib.import_module(f"benchmarks.{name}").main()
    if chosen == names:
        beside = RESULTS.with_suffix(".part")
        beside.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        beside.replace(RESULTS)
        print(f"\nwritten: {RESULTS.relative_to(Path.cwd()) if RESULTS.is_relative_to(Path.cwd()) else RESULTS}")


if __name__ == "__main__":
    main()

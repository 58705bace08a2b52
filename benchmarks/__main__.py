"""Run every benchmark; keep the numbers in ``benchmarks/results.json``, and what was printed in ``results.txt``.

python -m benchmarks              all of them
python -m benchmarks perplexity   this one, without touching the files
"""

import argparse
import contextlib
import importlib
import io
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
from layerlib._files import replacing

RESULTS = Path(__file__).with_name("results.json")


def surroundings() -> dict:
    """When and on what kind of machine; no names, no paths."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "load": round(os.getloadavg()[0], 1),
        },
        "versions": {"python": platform.python_version(), "layerlib": layerlib.__version__}
        | {name: version(name) for name in ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "KDEpy", "POT")},
    }


def main() -> None:
    names = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name != "__main__")
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n")[0])
    parser.add_argument("name", nargs="*", choices=[*names, []], default=[], metavar="NAME", help=", ".join(names))
    chosen = parser.parse_args().name or names
    record, printed = surroundings() | {"results": {}}, []
    for name in chosen:
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            record["results"][name] = importlib.import_module(f"benchmarks.{name}").main()
        printed.append(text.getvalue().strip())
        print(f"{printed[-1]}\n", flush=True)
    if chosen == names:
        machine, versions = record["machine"], record["versions"]
        heading = (
            f"{record['date'][:10]}, {machine['system']} {machine['architecture']}, {machine['cores']} cores, "
            f"load {machine['load']} at the start, Python {versions['python']}, torch {versions['torch']}"
        )
        for path, content in (
            (RESULTS, json.dumps(record, indent=1)),
            (RESULTS.with_suffix(".txt"), "\n\n".join([heading, *printed])),
        ):
            with replacing(path) as beside:
                beside.write_text(content + "\n", encoding="utf-8")
            print(f"written: {path.name}")


if __name__ == "__main__":
    main()

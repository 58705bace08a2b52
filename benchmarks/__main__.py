"""Run the benchmarks, and say what moved since the run that is kept: ``python -m benchmarks``, or ``make bench``.

python -m benchmarks                    every instrument against its peer and its limit; some minutes
python -m benchmarks nodes distances    these alone
python -m benchmarks growth             over a decade of samples, of classes and of nodes
python -m benchmarks networks           networks at their own size; an hour
python -m benchmarks watch sweeps       what a watch costs, and a sweep
python -m benchmarks gpu                every instrument and its peer on a GPU; a minute or two
python -m benchmarks gpu nodes          this alone on a GPU

``--keep`` takes what was measured over into ``benchmarks/results.json``, all instruments or none: of ``watch`` and
``sweeps`` into a text, of ``gpu`` into ``benchmarks/gpu.json``, which is what ``--out`` writes on a visited machine.
"""

import argparse
import contextlib
import io
import json
import os
import platform
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from statistics import median

import torch
from matplotlib.ticker import EngFormatter

import layerlib
from benchmarks import one
from benchmarks.measure import beside_others, measured, on_gpu
from benchmarks.moved import moved
from layerbook.provenance import code_state
from layerlib._files import replacing

RESULTS = Path(__file__).with_name("results.json")
VISIT = RESULTS.with_name("gpu.json")  # of the last visit to a GPU, where there was one
INSTRUMENTS = (
    "perplexity",
    "nodes",
    "distances",
    "probes",
    "backward",
    "filters",
    "early_exit",
    "training",
    "compiled",
    "inspection",
)
LONG = ("growth", "networks")
PRINTED = ("watch", "sweeps")
GPU = "gpu"


def surroundings() -> dict:
    """When, with which code and on what kind of machine; no names, no paths."""
    packages = ("torch", "torchvision", "numpy", "scipy", "scikit-learn", "KDEpy", "POT", "captum")
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "code": code_state(),
        "machine": {
            "system": platform.system(),
            "architecture": platform.machine(),
            "cores": os.cpu_count(),
            "load": round(os.getloadavg()[0], 1),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        },
        "versions": {"python": platform.python_version(), "layerlib": layerlib.__version__}
        | {name: version(name) for name in packages},
    }


def against_peers(modules: Iterable[str]) -> list[dict]:
    """A row for each task: time against the peer's and the limit, the same on a busy machine, memory; printed, too."""
    heads = " ".join(f"{head:>7}" for head in ("x peer", "busy", "bytes", "ops", "x limit"))
    print(f"{'one thread, median of the turns':70} {'ms':>9} {heads} {'MB':>6}  apart")
    rows = []
    for module in modules:
        for task in import_module(f"benchmarks.{module}").tasks():
            row = measured(task) | {"module": module, "mb": one.apart(module, task.name)["mb"]}
            if task.other:
                row["times_peer_busy"] = beside_others(task)
            if torch.cuda.is_available():
                row["gpu_ms"] = on_gpu(task)["gpu_ms"]
            rows.append(row)
            print(line(row), flush=True)
    able = (readable(median(row[f"{what}_a_second"] for row in rows)) for what in ("bytes", "operations"))
    print("bytes and ops: what has to be moved and computed; this machine can do {} and {} a second".format(*able))
    return rows


def on_a_gpu(modules: Iterable[str], keep: Callable[[list[dict]], None]) -> None:
    """A row for each task: milliseconds of it and of its peer on a GPU; printed, and all so far kept after each."""
    print(f"{'on a GPU':70} {'ms':>9} {'peer ms':>9} on")
    rows: list[dict] = []
    for module in modules:
        for task in import_module(f"benchmarks.{module}").tasks():
            rows.append(on_gpu(task) | {"module": module})
            ours, peers = (rows[-1].get(key, {}).get("median", float("nan")) for key in ("gpu_ms", "peer_ms"))
            said = rows[-1].get("peer_on") or rows[-1].get("left_out", "")
            print(f"  {task.name:68} {ours:9.2f} {peers:9.2f} {said}".rstrip(), flush=True)
            keep(rows)


def line(row: dict) -> str:
    """A row, printed."""
    cells = [f"  {row['name']:68}", f"{row['ms']['median']:9.1f}"]
    for key in ("times_peer", "times_peer_busy", "bytes", "operations", "times_limit"):
        value = row.get(key)
        cells.append(f"{ratio(value['median']) if isinstance(value, dict) else readable(value):>7}")
    return " ".join([*cells, f"{row['mb']:6.0f}", f" {row['apart']:.0e}" if "apart" in row else ""]).rstrip()


def ratio(value: float) -> str:
    return f"{value:.{2 if value < 2 else 1}f}"


def readable(number: float | None) -> str:
    """A number with k, M, G or T, nothing for none."""
    return EngFormatter(places=1, sep="").format_eng(number) if number else ""


def alone(module: str) -> dict[str, dict[str, float]]:
    """Seconds and megabytes of each point of a module, a process each; printed, too."""
    found = {}
    print(f"{module:50} {'seconds':>9} {'MB':>7}")
    for name in import_module(f"benchmarks.{module}").points():
        found[name] = one.apart(module, name)
        print(f"  {name:48} {found[name]['seconds']:9.2f} {found[name]['mb']:7.0f}", flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", nargs="*", choices=[*INSTRUMENTS, *LONG, *PRINTED, GPU, []], default=[], metavar="NAME")
    parser.add_argument("--keep", action="store_true", help="take over what was measured")
    parser.add_argument("--out", type=Path, help="write what was measured to this file, too")
    asked = parser.parse_args()
    modules = [name for name in asked.name or INSTRUMENTS if name in INSTRUMENTS]
    if asked.keep and modules and {*modules} != {*INSTRUMENTS}:  # their rows are of one run, and say so once
        parser.error(f"--keep takes over all instruments or none, got {' '.join(modules)}: leave the names out")
    on_the_gpu = (modules or INSTRUMENTS) if GPU in asked.name else ()
    modules = [] if on_the_gpu else modules
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    new = {}
    if modules:
        new["instruments"] = surroundings() | {"rows": against_peers(modules)}
        print(moved(kept["instruments"]["rows"], new["instruments"]["rows"]))
    for name in [name for name in LONG if name in asked.name]:
        new[name] = surroundings() | {"points": alone(name)}
    for name in [name for name in PRINTED if name in asked.name]:
        text = io.StringIO()
        with contextlib.redirect_stdout(text):
            import_module(f"benchmarks.{name}").main()
        print(text.getvalue().strip())
        if asked.keep:
            write(RESULTS.with_name(f"{name}.txt"), text.getvalue().strip())
    if on_the_gpu:
        if not torch.cuda.is_available():
            parser.error("gpu: there is no CUDA device")
        around = surroundings()

        def keep(rows: list[dict]) -> None:
            new[GPU] = around | {"rows": rows}
            if asked.out:  # a visit may end before all are measured
                put(asked.out, json.dumps(new, indent=1, ensure_ascii=False))

        on_a_gpu(on_the_gpu, keep)
    if asked.out:
        write(asked.out, json.dumps(new, indent=1, ensure_ascii=False))
    if asked.keep and GPU in new:
        write(VISIT, json.dumps({GPU: new.pop(GPU)}, indent=1, ensure_ascii=False))
    if asked.keep and new:
        write(RESULTS, json.dumps(kept | new, indent=1, ensure_ascii=False))


def write(path: Path, text: str) -> None:
    put(path, text)
    print(f"written: {path.name}")


def put(path: Path, text: str) -> None:
    with replacing(path) as beside:
        beside.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

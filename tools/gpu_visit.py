"""A visit to a GPU that is borrowed for some minutes: nothing is started there that cannot be finished.

One after the other: a look at the device (ten seconds), the tests that need CUDA and the benchmarks with their peers on
the same machine, each with its share of the time, and then records, for which the rest is. A chapter is run at the
smallest rung of its ladder first. What its trainings took there says what each larger rung would take; the largest that
fits is run. Where a ladder has shares, they are run side by side first: each trains a part of the rung's networks, and
the record then reads them all. One small network does not fill a GPU, and so five trials took as long as two.

What is worth taking home lies in the output folder, a few small files: visit.json (what was done, and how long it took,
and what was left out, and why), log.txt, bench.json, and of each chapter its record and the executed notebook, if they
say more than the record in the book and the one of an earlier visit there.

The next command on the same machine goes on: trainings lie in the work folder, finished ones are read back, and one
that was stopped starts from its last saving. The next visit, to a bare machine, has none of these: weights are too
large to be taken home. It goes on from the book's records, once those of this visit are committed: rungs as large as
these are left out, and the networks of a larger one are trained anew. Tests and benchmarks are run each time.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch

from layerbook.record import read_record
from layerlib._files import replacing
from tools.gpu_visit_plan import largest, not_now, read_plan

PLAN = Path(__file__).with_name("gpu_visit.json")
STEPS = ("tests", "bench", "records")
SPARE = 5.0  # seconds to stop a step and to write what was done
A_FILE, ALL_FILES = 16 * 2**20, 64 * 2**20  # bytes that can be taken home


class Visit:
    """The time that is left, and what was done with what is gone.

    Parameters
    ----------
    minutes : of the visit
    out : folder for what is taken home
    """

    def __init__(self, minutes: float, out: Path):
        self.start, self.minutes, self.out = time.monotonic(), minutes, out
        self.done: list[dict] = []
        out.mkdir(parents=True, exist_ok=True)

    def left(self) -> float:
        """Seconds that are left."""
        return self.start + 60 * self.minutes - time.monotonic() - SPARE

    def note(self, step: str, **says: object) -> None:
        """Keep what a step came to; the file is whole after each."""
        self.done.append({"step": step} | says)
        print(json.dumps(self.done[-1]), flush=True)
        with replacing(self.out / "visit.json") as beside:
            beside.write_text(json.dumps(self.done, indent=1) + "\n", encoding="utf-8")

    def run(self, step: str, *commands: Sequence[str], limit: float) -> bool:
        """Run commands side by side for ``limit`` seconds at most; whether all came to their end and succeeded."""
        began = time.monotonic()
        with (self.out / "log.txt").open("a", encoding="utf-8") as log:
            for command in commands:
                print(f"\n== {step}: {' '.join(command)}", file=log, flush=True)
            children = [subprocess.Popen(each, stdout=log, stderr=log, start_new_session=True) for each in commands]
            for child in children:
                with suppress(subprocess.TimeoutExpired):
                    child.wait(max(0.0, began + max(1.0, limit) - time.monotonic()))
            late = [child for child in children if child.poll() is None]
            _stop(late)
        code = "out of time" if late else next((child.returncode for child in children if child.returncode), 0)
        self.note(step, seconds=round(time.monotonic() - began, 1), code=code)
        return code == 0

    def take(self, *files: Path) -> None:
        """Copy files to what is taken home, each whole or not at all."""
        for path in files:
            with replacing(self.out / path.name) as beside:
                shutil.copy(path, beside)

    def end(self) -> None:
        """How long it took, and which files are too large to be taken home."""
        sizes = {path.name: path.stat().st_size for path in sorted(self.out.iterdir()) if path.is_file()}
        large = {name: each for name, each in sizes.items() if each > A_FILE}
        says = {"too_large": large} if large else {}
        if sum(sizes.values()) > ALL_FILES:
            says["too_large_together"] = sizes
        self.note("end", seconds=round(time.monotonic() - self.start, 1), bytes=sum(sizes.values()), **says)


def _stop(children: Sequence[subprocess.Popen]) -> None:
    """End commands and all that they started."""
    end = time.monotonic() + SPARE - 2
    for child in children:
        os.killpg(child.pid, signal.SIGINT)
    for child in children:
        try:
            child.wait(max(0.0, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()


def look() -> dict:
    """What the device is, and what it can: TFLOP/s of a product of matrices, GB/s of a copy, by the device's clock.

    Raises
    ------
    RuntimeError
        if there is none, or it multiplies wrongly
    """
    if not torch.cuda.is_available():
        raise RuntimeError("no CUDA device: this is a visit to one")
    a = torch.randn(512, 512, device="cuda")
    expected = a.cpu().double() @ a.cpu().double()
    error = ((a @ a).cpu().double() - expected).norm() / expected.norm()
    if not error < 1e-2:
        raise RuntimeError(f"the device multiplies wrongly: error {error:.1e}")
    side = 4096 if a.device.type == "cuda" else 256  # a pretended one is a CPU
    a = torch.randn(side, side, device="cuda")
    b = torch.empty_like(a)
    product, copy = (_seconds(call) for call in (lambda: torch.mm(a, a, out=b), lambda: b.copy_(a)))
    return {
        "device": torch.cuda.get_device_name(),
        "torch": torch.__version__,
        "error": float(f"{error:.1e}"),
        "tflops": round(2 * side**3 / product / 1e12, 3),
        "gbytes": round(2 * a.nbytes / copy / 1e9, 1),
    }


def _seconds(call, turns: int = 10) -> float:
    call()
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(turns):
        call()
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / turns


def record(visit: Visit, chapter: str, plan: Mapping, work: Path, without: Mapping[int, str]) -> None:
    """The record of a chapter, as large as the time allows; if ``without`` the smallest rung, that is for speed."""
    made = [work / "book" / "records" / f"{chapter}.json", work / f"{chapter}.ipynb"]
    rung = 0
    while True:
        values = plan["values"] | plan["rungs"][rung] | {"store": str(work / "trained")}
        where = ["--book", str(work / "book"), "--out"]
        shares = plan.get("shares", []) if rung else []
        trainings = [
            command("run", chapter, values | share, "--size", "full", *where, str(work / f"{chapter}.{place}.ipynb"))
            for place, share in enumerate(shares)
        ]
        if trainings and not visit.run(f"{chapter}: shares of rung {rung}", *trainings, limit=visit.left()):
            return
        if not visit.run(
            f"{chapter}: rung {rung}", command("record", chapter, values, *where, str(made[1])), limit=visit.left()
        ):
            return
        if rung not in without:
            visit.take(*made)
        if rung:
            return
        rung, needs = largest(plan, read_record(made[0]), visit.done[-1]["seconds"], visit.left(), without)
        visit.note(f"{chapter}: plan", rung=rung, needs=[round(need) for need in needs], left=round(visit.left()))
        if not rung:
            return


def chosen(visit: Visit, plan: Mapping[str, Mapping]) -> dict[str, dict[int, str]]:
    """The rungs of each chapter that are left out, noted with the reasons; without chapters that have no others."""
    found = {}
    for chapter, ladder in plan.items():
        places = [folder / f"{chapter}.json" for folder in (Path("book", "records"), visit.out)]
        without = not_now(ladder, [read_record(each) for each in places if each.is_file()])
        if without:
            visit.note(f"{chapter}: rungs", left_out=without)
        if len(without) < len(ladder["rungs"]):  # else not even the smallest is run
            found[chapter] = without
    return found


def command(what: str, chapter: str, values: Mapping[str, object], *more: str) -> list[str]:
    """A command of the book's own, with parameters."""
    pairs = [f"-p{name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in values.items()]
    return [sys.executable, "-m", "layerlib", what, chapter, *pairs, *more]


def main() -> int:
    """The visit; 1 where a step failed that was started."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--plan", type=Path, default=PLAN, help="of steps and chapters (default: gpu_visit.json)")
    parser.add_argument("--work", type=Path, default=Path("_build/visit"), help="for trainings and a copy of the book")
    parser.add_argument("--only", nargs="+", choices=STEPS, default=STEPS)
    asked = parser.parse_args()
    try:
        plan = read_plan(asked.plan)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    visit = Visit(asked.minutes, asked.out.resolve())
    visit.note("look", **look(), seconds=round(time.monotonic() - visit.start, 1))
    chapters = chosen(visit, plan["chapters"]) if "records" in asked.only else {}
    commands = {
        "tests": ["pytest", "-q", "--needing-cuda"],
        "bench": ["benchmarks", "--out", str(visit.out / "bench.json"), "gpu"],
    }
    for step, words in commands.items():
        part = plan["steps"][step]
        limit = min(part["share"] * 60 * asked.minutes, visit.left())
        if step in asked.only and limit >= part["at_least"]:
            visit.run(step, [sys.executable, "-m", *words, *part["names"]], limit=limit)
        else:
            visit.note(step, left_out="not asked for" if step not in asked.only else f"{limit:.0f} s are too few")
    work = asked.work.resolve()
    shutil.copytree("book", work / "book", dirs_exist_ok=True)  # the book's own records stay as they are
    for chapter, without in chapters.items():
        ladder = plan["chapters"][chapter]
        if visit.left() >= ladder["first_takes"]:
            record(visit, chapter, ladder, work, without)
        else:
            visit.note(chapter, left_out=f"{visit.left():.0f} s are left, and it may take {ladder['first_takes']}")
    visit.end()
    return int(any(each.get("code", 0) not in (0, "out of time") for each in visit.done))


if __name__ == "__main__":
    sys.exit(main())

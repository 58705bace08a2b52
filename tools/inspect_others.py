"""What ``inspect`` reads of other people's networks, in what time and memory, before and now.

``python tools/inspect_others.py FOLDER`` with the packages of an earlier commit in FOLDER (``git archive``), and those
of the tests marked foreign in ``_build/foreign`` (``make _build/foreign/.ready``). Each network has its own process.
Pictures were taken as bytes then, and nothing else was taken. Writes ``benchmarks/others.txt``.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAD = ("network", "layers read", "seconds", "MB", "layers read", "seconds", "MB")
RUN = """
import ctypes, json, sys, time, warnings
from pathlib import Path
import torch
from torch import nn
from others import CASES, LARGE
import layerlib as ll

warnings.simplefilter("ignore")
torch.set_num_threads(1)

def megabytes(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024

case = (CASES | LARGE)[sys.argv[1]]()
data, small = case.data, nn.Sequential(nn.Flatten(), nn.Linear(12, 3))
few = torch.zeros(8, 3, 2, 2, dtype=torch.uint8), torch.arange(8) % 2
if not hasattr(ll, "Watch"):
    few = ll.Split(*few)
    if isinstance(data, tuple) and data[0].ndim == 4 and data[0].shape[1] in (1, 3):
        x = data[0] - data[0].amin()
        data = ll.Split((255 * x / x.amax()).byte(), data[1])
ll.inspect(small, few)  # what is loaded with the first call
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")
before, start = megabytes("VmRSS"), time.process_time()
try:
    found = ll.inspect(case.model, data)
except Exception as error:
    print(json.dumps(["refused", "", ""]))
    raise SystemExit from error
read = torch.stack([values.isfinite() for values in found.values.values()]).any(0).sum()
spent = time.process_time() - start
print(json.dumps([f"{int(read)} of {len(found.layers)}", f"{spent:.1f}", f"{megabytes('VmHWM') - before:.0f}"]))
"""


def measured(name: str, packages: Path) -> list[str]:
    """Layers read, seconds of a processor and megabytes at the peak of one network, with these packages."""
    paths = [str(packages), str(ROOT / "tests" / "foreign")]
    # last, so that nothing of the environment is replaced
    code = f"import sys; sys.path.append({str(ROOT / '_build' / 'foreign')!r})\n{RUN}"
    result = subprocess.run(
        [sys.executable, "-c", code, name],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        cwd=packages,
    )
    return json.loads(result.stdout.splitlines()[-1]) if result.stdout else ["failed", "", ""]


def main(folder: str) -> None:
    sys.path[:] = [str(ROOT / "tests" / "foreign"), *sys.path, str(ROOT / "_build" / "foreign")]
    from others import CASES, LARGE

    rows = []
    for name in CASES | LARGE:
        rows.append((name, *measured(name, Path(folder).resolve()), *measured(name, ROOT)))
        print(*rows[-1], sep=" | ", flush=True)
    widths = [max(map(len, column)) for column in zip(HEAD, *rows, strict=True)]
    lines = [f"{'':{widths[0]}}  {'before':>{sum(widths[1:4]) + 4}}  {'now':>{sum(widths[4:]) + 4}}"]
    lines += [
        "  ".join(f"{cell:{'<' if not i else '>'}{widths[i]}}" for i, cell in enumerate(row)) for row in (HEAD, *rows)
    ]
    (ROOT / "benchmarks" / "others.txt").write_text("\n".join(line.rstrip() for line in lines) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])

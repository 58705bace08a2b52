"""Many classes, many samples: within bounds of memory and time."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not Path("/proc/self/clear_refs").exists(), reason="needs Linux, which tells the peak of memory"
    ),
]
RUN = """
import ctypes, sys, time
from pathlib import Path
import torch
from torch import nn
import layerlib as ll

def megabytes(kind):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024

samples, classes, memory = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
torch.manual_seed(0)
torch.set_num_threads(1)
model = nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, classes))
ll.inspect(model, (torch.randn(8, 16), torch.arange(8) % 2))  # what is loaded with the first call
y = torch.arange(samples) % classes
x = torch.randn(samples, 16) + nn.functional.embedding(y, 2 * torch.randn(classes, 16))
ctypes.CDLL(None).malloc_trim(0)
Path("/proc/self/clear_refs").write_text("5")
before, start = megabytes("VmRSS"), time.process_time()
found = ll.inspect(model, (x, y), memory=memory)
without = ("cka", "change", "relative_change")  # which need an earlier moment
assert all(values.isfinite().all() for name, values in found.values.items() if name not in without)
print(megabytes("VmHWM") - before, time.process_time() - start)
"""


def cost(samples: int, classes: int, memory: float) -> tuple[float, float]:
    """Megabytes more at the peak, and seconds of a processor."""
    command = [sys.executable, "-c", RUN, str(samples), str(classes), str(memory)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    megabytes, seconds = map(float, result.stdout.split())
    return megabytes, seconds


@pytest.mark.parametrize(("samples", "classes"), [(100_000, 10), (4000, 1000)])
def test_an_inspection_of_this_size_takes_a_gigabyte_and_minutes(samples, classes):
    megabytes, seconds = cost(samples, classes, 5e8)
    assert megabytes < 1500 and seconds < 300

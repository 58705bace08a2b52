"""Networks and data of others: layers read, and numbers against scikit-learn, SciPy, POT and counting."""

import ctypes
import gc
import time
import warnings
from pathlib import Path

import again
import numpy as np
import pytest
import torch
from others import CASES, FAMILIES, LARGE, family
from torch.nn import functional as F

import layerlib as ll
from layerlib._tensors import first_parameter
from layerlib.data._source import gather
from layerlib.inspection._arguments import halves
from layerlib.inspection._outputs import logits_of, two_columns
from layerlib.layers._survey import NOT_RUN, OUTER

# the peak of memory is Linux's to tell
pytestmark = pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="needs Linux")
OF_OUTPUTS = ("distribution", "patterns", "nodes", "targets", "rank")


def hooked(case, samples, rows):
    """Outputs of the layers and ∂ℓ/∂z for them, as a plain hook sees them, with every sample in one batch."""
    given = next(samples.batches(rows, len(samples), first_parameter(case.model)))
    seen, handles = {}, []
    for name, (place, _) in case.layers.items():

        def keep(module, args, output, name=name):
            seen[name] = output[0] if isinstance(output, tuple) else output
            seen[name].retain_grad()
            # a step in place behind it works on a copy
            return (seen[name].clone(), *output[1:]) if isinstance(output, tuple) else output.clone()

        handles.append(case.model.get_submodule(place).register_forward_hook(keep))
    with torch.enable_grad():
        final = two_columns(logits_of(given.run(case.model), len(given)))
        F.cross_entropy(final, samples.labels[rows].to(final.device), reduction="sum").backward()
    for handle in handles:
        handle.remove()
    case.model.zero_grad()
    return seen, final.detach()


def megabytes(kind):
    """Of memory: VmRSS now, VmHWM at the most since the peak was forgotten."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(kind)) / 1024


def measured(name, case):
    """What came of inspecting a case, and megabytes at the peak. ``-s`` prints a line: layers, seconds, memory."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what Python has freed counts no more
    Path("/proc/self/clear_refs").write_text("5")
    before, start = megabytes("VmRSS"), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = ll.inspect(case.model, case.data)
    seconds, peak = time.process_time() - start, megabytes("VmHWM")
    read = int(found.values["effective_rank"].isfinite().sum())
    print(f"\n| {name} | {read} of {len(found.layers)} | {seconds:.1f} s | {peak - before:.0f} MB |")
    return found, peak - before


@pytest.fixture(scope="module", params=CASES)
def inspected(request):
    """A case, and what came of inspecting it."""
    case = CASES[request.param]()
    return case, measured(request.param, case)[0]


def test_every_layer_is_read_or_says_why(inspected):
    case, found = inspected
    assert found.accuracy >= 0
    for quantity, values in found.values.items():
        if quantity in ("change", "relative_change", "cka"):
            continue
        for layer in (layer for layer, value in zip(found.layers, values.tolist(), strict=True) if value != value):
            assert case.unread and case.unread in layer, (layer, quantity, found.reasons)
    unread = {layer for layer, instrument in found.reasons if instrument in OF_OUTPUTS}
    assert bool(unread) == bool(case.unread) and len(unread) < 0.3 * len(found.layers)
    found.figure()


def test_numbers_are_those_of_plain_hooks_and_other_packages(inspected):
    case, found = inspected
    samples = gather(case.data, case.model)
    fitted, judged = halves(samples, 0)
    labels = [samples.labels[half].numpy() for half in (fitted, judged)]
    seen, _ = hooked(case, samples, fitted)
    first = {name: rows(seen[name].detach()) for name, (_, rows) in case.layers.items()}
    seen, final = hooked(case, samples, judged)
    right = (final.argmax(1).numpy() == labels[1]).mean()
    assert found.accuracy == pytest.approx(right)
    for name, (place, rows) in case.layers.items():
        row = found.layers.index(name)
        assert found.read_at[row] == place
        z, peaks = rows(seen[name].detach()).mean(2).numpy(), rows(seen[name].detach()).amax(2).numpy()
        told = rows(seen[name].grad).mean(2).numpy()
        expected = again.patterns(peaks, labels[1]) | again.discrete(
            first[name].amax(2).numpy(), labels[0], peaks, labels[1]
        )
        expected |= again.separated(z, labels[1], "feature") | again.separated(told, labels[1], "target")
        trained = first[name].mean(2).numpy()
        expected |= again.rank(z) | again.probe(trained, labels[0], z, labels[1])
        # the last bit of a reading, in units of its spread over the samples: nothing, but where it hardly changes
        spread = trained.std(0)
        last_bit = float((np.spacing(abs(trained).max(0)) / spread)[spread > 0].max())
        for quantity, value in expected.items():
            # silhouettes, ranks and descents of single precision; all else is counted
            loose = 2e-3 + (last_bit if quantity == "distance" else 0)
            assert found.values[quantity][row].item() == pytest.approx(value, rel=2e-3, abs=loose), (name, quantity)


@pytest.mark.slow
@pytest.mark.parametrize("name", LARGE)
def test_large_pictures_take_the_memory_that_is_said_and_no_layer_with_outputs_is_left_out(name):
    case = LARGE[name]()
    found, peak = measured(name, case)
    assert {layer for layer, instrument in found.reasons if instrument == "rank"} == {
        layer for layer in found.layers if layer.endswith(case.unread)
    }
    assert found.about["batch_size"] < 4 and peak < 2200  # of 2 GB; what is loaded with the first call counts, too


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_of_every_family_of_torchvision_all_layers_that_run_are_read(name):
    case = family(name)
    x, y = (each[:8] for each in case.data)
    found = ll.inspect(case.model, (x, y), instruments=("patterns", "targets", "rank"))
    for (layer, instrument), reason in found.reasons.items():
        # tables of positions are the same for all samples
        assert instrument != "rank" or reason in (NOT_RUN, OUTER) or "of shape (1, " in reason, (layer, reason)
    values = dict(zip(found.layers, found.values["effective_rank"].tolist(), strict=True))
    read = {layer for layer, value in values.items() if value == value}
    assert read == set(values) - {layer for layer, instrument in found.reasons if instrument == "rank"}
    assert read and min(values[layer] for layer in read) >= 1 - 1e-9

"""Instruments that show what each layer of a deep network does, and when it learns it."""

from importlib import import_module

__version__ = "0.1.0"

# public name -> the module that defines it, loaded on demand: who asks for a label cost need not wait for the rest
_HOME = {
    "ConfidentRatio": "layerlib.distributions._rules",
    "EarlyExit": "layerlib.distributions._exiting",
    "FilterTracker": "layerlib.filters.tracking",
    "Inspection": "layerlib.inspection.result",
    "LayerProbes": "layerlib.distributions.probes",
    "LinearProbes": "layerlib.distributions.linear",
    "NodeClassifiers": "layerlib.nodes.classifiers",
    "PatternCounts": "layerlib.patterns",
    "Split": "layerlib.data.splits",
    "Watch": "layerlib.inspection.watch",
    "bp_image": "layerlib.backward.guided",
    "capture": "layerlib.layers.capture",
    "cka": "layerlib.similarity",
    "compare": "layerlib.inspection.compare",
    "effective_rank": "layerlib.similarity",
    "filter_change": "layerlib.filters.change",
    "guided_bp_image": "layerlib.backward.guided",
    "inspect": "layerlib.inspection.inspect",
    "label_cost": "layerlib.distributions.distances",
    "label_distribution": "layerlib.distributions.distances",
    "layer_perplexity": "layerlib.patterns",
    "load": "layerlib.data.load",
    "outputs": "layerlib.layers.capture",
    "separation": "layerlib.backward.separation",
    "sinkhorn": "layerlib.distributions.distances",
    "targets": "layerlib.backward.targets",
    "wasserstein": "layerlib.distributions.distances",
    "zeroed": "layerlib.filters.zeroing",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_HOME[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted([*_HOME, "__version__"])

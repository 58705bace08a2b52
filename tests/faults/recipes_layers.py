"""Valid calls of filters, captured layers, networks, nodes, patterns, likeness and inspections."""

import torch
from valid import (
    ACTIVE,
    AS_IT_IS,
    AS_THE_MODEL_TAKES,
    FOLDER,
    IMAGES,
    LABELS,
    MORE_AXES,
    NAMES,
    NO_SAMPLES,
    SPLIT,
    Z,
    batches,
    captured,
    inspection,
    kept,
    made,
    net,
    nodes,
    recipe,
    seen,
    state,
    tracked,
    tracker,
    watched,
    without,
)

import layerlib as ll
from layerlib import models, patterns, similarity
from layerlib.filters import gradients, zeroing

MADE = {("path", "not there"): "its folder is made"}
RECIPES = [
    recipe("filters.change.filter_change", ll.filter_change, lambda: dict(before=Z, after=Z + 0.1, threshold=0.05)),
    recipe(
        "filters.tracking.FilterTracker",
        lambda **given: tracked(**given).to_frame(),
        lambda: dict(model=net(), names=NAMES, every=1, threshold=1e-3),
    ),
    recipe(
        "filters.tracking.FilterTracker.mean_distance",
        lambda name: tracker().mean_distance(name),
        lambda: dict(name="conv"),
    ),
    recipe(
        "filters.tracking.FilterTracker.mean_still",
        lambda **given: tracker(threshold={"a": 0.1}).mean_still(**given),
        lambda: dict(name="conv", threshold="a"),
    ),
    recipe(
        "filters.tracking.FilterTracker.load_state_dict",
        lambda state: tracker().load_state_dict(state),
        lambda: dict(state=tracker().state_dict()),
    ),
    recipe(
        "filters.gradients.gradient_sizes",
        gradients.gradient_sizes,
        lambda: dict(model=net(), names=NAMES, batch=SPLIT, seed=0),
    ),
    recipe(
        "filters.zeroing.zeroed",
        without,
        lambda: dict(model=net(), name="conv", filters=(1, 2), also=("hidden",)[:0]),
        {("filters", "empty"): AS_IT_IS},
    ),
    recipe(
        "filters.zeroing.accuracy_without",
        zeroing.accuracy_without,
        lambda: dict(model=net(), name="conv", choices=[[], [1]], split=SPLIT, also=(), best=(1, 2), batch_size=5),
        {("choices", "empty"): AS_IT_IS, ("best", "number"): "one for several"},
    ),
    recipe("layers.capture.capture", captured, lambda: dict(model=net(), names=NAMES)),
    recipe(
        "layers.capture.passes",
        made,
        lambda: dict(model=net(), names=NAMES, images=IMAGES, batch_size=5),
        {("images", "empty"): NO_SAMPLES, **AS_THE_MODEL_TAKES},
    ),
    recipe(
        "layers.capture.outputs",
        ll.outputs,
        lambda: dict(model=net(), names=NAMES, images=IMAGES, batch_size=5),
        {("images", "empty"): NO_SAMPLES, **AS_THE_MODEL_TAKES},
    ),
    recipe(
        "models.MLP",
        lambda **given: state(models.MLP(**given)),
        lambda: dict(widths=(36, 5, 3), activation="relu", bias="first", batch_norm=False),
    ),
    recipe(
        "models.CNN",
        lambda **given: state(models.CNN(**given)),
        lambda: dict(width=4, depth=2, classes=3, channels=1, residual=False),
    ),
    recipe("models.dnn6", lambda activation: state(models.dnn6(activation)), lambda: dict(activation="relu")),
    recipe(
        "models.build",
        lambda **given: state(models.build(**given)),
        lambda: dict(name="resnet18", classes=3, width=0.0625, weights=None, channels=1, dropout=0.5, stem=3),
    ),
    recipe("models.taps", models.taps, lambda: dict(model=models.MLP((36, 5, 3)))),
    recipe(
        "nodes.classifiers.NodeClassifiers.fit",
        lambda **given: ll.NodeClassifiers.fit(**given).log_posteriors(Z),
        lambda: dict(z=Z, labels=LABELS, bandwidth=0.5, classes=3, resolution=2),
    ),
    recipe(
        "nodes.classifiers.NodeClassifiers.fit_batches",
        lambda **given: ll.NodeClassifiers.fit_batches(**given).log_posteriors(Z),
        lambda: dict(batches=batches(), classes=3, bandwidth="scott", resolution=2),
        {("bandwidth", "number"): "a bandwidth of 3"},
    ),
    recipe(
        "nodes.classifiers.NodeClassifiers.predict",
        lambda **given: nodes().predict(**given),
        lambda: dict(z=Z, system="combined"),
        {("z", "empty"): NO_SAMPLES},
    ),
    recipe(
        "nodes.classifiers.NodeClassifiers.log_posterior",
        lambda **given: nodes().log_posterior(**given),
        lambda: dict(z=Z, system="combined"),
        {("z", "empty"): NO_SAMPLES},
    ),
    recipe(
        "nodes.classifiers.NodeClassifiers.log_posteriors",
        lambda z: nodes().log_posteriors(z),
        lambda: dict(z=Z),
        {("z", "empty"): NO_SAMPLES},
    ),
    recipe(
        "nodes.classifiers.NodeClassifiers.log_density",
        lambda z: nodes().log_density(z),
        lambda: dict(z=Z),
        {("z", "empty"): NO_SAMPLES},
    ),
    recipe(
        "nodes.classifiers.NodeClassifiers.log_likelihood",
        lambda **given: nodes().log_likelihood(**given),
        lambda: dict(z=Z, labels=LABELS),
    ),
    recipe(
        "patterns.active",
        patterns.active,
        lambda: dict(preactivations=Z),
        {
            ("preactivations", fault): "any shape, sign alone counts"
            for fault in ("axis more", "a row", "one number", "empty", "infinite")
        },
    ),
    recipe(
        "patterns.layer_perplexity",
        ll.layer_perplexity,
        lambda: dict(active=ACTIVE, labels=LABELS, classes=3),
        {("active", "axis more"): MORE_AXES},
    ),
    recipe(
        "patterns.PatternCounts",
        lambda classes: ll.PatternCounts(classes).add(ACTIVE, LABELS).perplexity(),
        lambda: dict(classes=3),
    ),
    recipe(
        "patterns.PatternCounts.add",
        lambda **given: ll.PatternCounts(3).add(**given).perplexity(),
        lambda: dict(active=ACTIVE, labels=LABELS),
        {("active", "axis more"): MORE_AXES},
    ),
    recipe(
        "patterns.activation_share",
        patterns.activation_share,
        lambda: dict(active=ACTIVE, labels=LABELS, classes=3),
        {("active", "axis more"): MORE_AXES},
    ),
    recipe(
        "patterns.hamming",
        patterns.hamming,
        lambda: dict(active=ACTIVE, labels=LABELS, classes=3),
        {("active", "axis more"): MORE_AXES},
    ),
    recipe(
        "patterns.crossing",
        patterns.crossing,
        lambda: dict(perplexity=torch.linspace(9, 1, 12).view(4, 3), samples=torch.tensor([10, 10, 10]), level=0.5),
        {
            ("perplexity", "axis more"): MORE_AXES,
            ("perplexity", "NaN"): "of a class without samples",
            ("perplexity", "all alike"): "infinite where it never falls",
            ("perplexity", "huge doubles"): "infinite where it never falls",
            ("samples", "far out"): "so many are possible",
        },
    ),
    recipe(
        "similarity.effective_rank",
        ll.effective_rank,
        lambda: dict(features=Z),
        {("features", "axis more"): "of batches, gone through once"},
    ),
    recipe("similarity.spectrum_rank", similarity.spectrum_rank, lambda: dict(eigenvalues=torch.arange(1.0, 6))),
    recipe(
        "similarity.cka",
        ll.cka,
        lambda: dict(a=Z, b=Z.square()),
        {(name, "axis more"): "of batches, gone through once" for name in "ab"},
    ),
    recipe(
        "inspection.inspect.inspect",
        seen,
        lambda: dict(
            model=net(),
            data=SPLIT,
            layers=NAMES,
            before=net(),
            read="mean",
            instruments=("patterns",),
            input=lambda batch: batch[0],
            output=lambda put_out: put_out,
            mask=None,
            position="mean",
            memory=1e8,
            batch_size=4,
            seed=0,
        ),
        {("memory", "infinite"): "no bound", ("before", "weights"): "as good as the network"},
    ),
    recipe(
        "inspection.compare.compare",
        lambda **given: ll.compare(**given).layers,
        lambda: dict(a=inspection(), b=inspection()),
    ),
    recipe(
        "inspection.watch.Watch",
        lambda **given: watched(**given).to_frame(),
        lambda: dict(model=net(), data=SPLIT, every=1),
        without={"options": "the keywords of inspect"},
    ),
    recipe(
        "inspection.watch.Watch.log_to",
        lambda function: watched().log_to(function).every,
        lambda: dict(function=lambda numbers, step: None),
    ),
    recipe(
        "inspection.watch.Watch.load_state_dict",
        lambda state: watched().load_state_dict(state),
        lambda: dict(state=watched().state_dict()),
    ),
    recipe("inspection.result.Inspection.to_html", inspection().to_html, lambda: dict(path=FOLDER / "page.html"), MADE),
    recipe("inspection.result.Inspection.save", inspection().save, lambda: dict(path=FOLDER / "kept.npz"), MADE),
    recipe(
        "inspection.result.Inspection.load", lambda path: ll.Inspection.load(path).values, lambda: dict(path=kept())
    ),
]

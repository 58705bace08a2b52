"""Valid calls of the statistics of the book's claims, in ``layerbook.analysis``."""

from functools import partial

import torch
from calling import Recipe
from valid import IMAGES, LABELS, MORE_AXES, NO_SAMPLES, SPLIT, Z, net, tracker

from layerbook.analysis import (
    agreement,
    contrast,
    depth,
    filter_seeds,
    intervals,
    intervention,
    label_distances,
    lens_tests,
    likeness,
    node_patterns,
    node_readings,
    node_systems,
    redundancy,
    strokes,
    tsne,
    zeroing_costs,
)
from layerlib.models import MLP

random = torch.Generator().manual_seed(0)
drawn = partial(torch.rand, generator=random, dtype=torch.float64)
SEEDS, LAYERS, CLASSES = 2, 4, 3
SHARES = drawn(SEEDS, 2, CLASSES, 5)
PERPLEXITIES = 1 + 9 * drawn(SEEDS, LAYERS, CLASSES)
COUNTS = torch.full((CLASSES,), 20.0, dtype=torch.float64)
SYSTEMS = drawn(3, SEEDS, LAYERS)
RIGHT = drawn(3, SEEDS, LAYERS, 12) > 0.3
DISTANCES = drawn(SEEDS, 6, 12)
KINDS = (3 * DISTANCES[:, 0]).long()
READINGS = drawn(SEEDS, len(agreement.LENSES), 3, LAYERS).numpy()
DRAWN = drawn(5, SEEDS, len(agreement.LENSES), 3, LAYERS).numpy()
FEWER = "what has fewer axes has nothing to stack"
MORE = {"axis more": MORE_AXES, "a row": FEWER}
A_GAP = "what was not measured: a gap"
STILL = "nothing measured, nothing decided"


def values_of(answer):
    """Parts as what a record keeps of them, intervals and the like as plain tuples."""
    if hasattr(answer, "to_json"):
        return answer.to_json()
    if isinstance(answer, tuple | list):
        return [values_of(each) for each in answer]
    return answer


def statistic(module, name, fine=None, /, given=None, **arguments):
    """A recipe; ``fine``: argument -> fault -> why an answer is right there; ``given`` is not spoilt."""
    function = partial(getattr(module, name), **given or {})
    told = {}
    for each, value in arguments.items():
        if isinstance(value, torch.Tensor) and value.ndim > 2:
            told[each, "narrow"] = "one is enough"
        if each in ("of", "empty", "unsettled"):
            told |= {(each, "another"): "words, shown as they are", (each, "nothing in it"): "no words"}
        if isinstance(value, str) and not value:
            told[each, "nothing in it"] = "the default"
    told |= {(argument, fault): why for argument, faults in (fine or {}).items() for fault, why in faults.items()}
    return Recipe(
        f"{module.__name__}.{name}",
        lambda **changed: values_of(function(**changed)),
        lambda: dict(arguments),
        told,
        {"axes": "as many as there are planes"} if given else {},
    )


def mlp(seed):
    torch.manual_seed(seed)
    return MLP((36, 5, 5, 3))


AS_GIVEN = dict.fromkeys(("floats", "halves"), "numbers go in as they are")
OPEN = {"NaN": A_GAP, "infinite": A_GAP}
CLASS = {"labels": {"far out": "a class by any number"}}
NOWHERE = dict.fromkeys(("tiny", "all alike", "zeros"), "NaN where no pixel is marked, or all are as bright")
NEVER = {argument: {"all alike": "a drop that never ends is infinite"} for argument in ("p", "samples")}
READ = {"readings": {"infinite": A_GAP}, "drawn": {"infinite": A_GAP}}
RECIPES = [
    *(
        statistic(node_readings, name, models=[mlp(0), mlp(1)], split=SPLIT)
        for name in ("active_shares", "perplexities", "lit", "errors", "answered", "own_accuracy")
    ),
    statistic(node_readings, "drawn_perplexities", models=[mlp(0)], split=SPLIT),
    statistic(
        node_readings,
        "patterns",
        {"images": {**AS_GIVEN, "empty": NO_SAMPLES, "a row": "samples of any shape: a layer of nodes flattens them"}},
        model=mlp(0),
        images=IMAGES,
    ),
    statistic(
        node_readings,
        "histograms",
        {"labels": {"bool": "two classes"}},
        values=Z[:, 0],
        labels=LABELS,
        edges=torch.linspace(-2, 2, 5),
        classes=3,
    ),
    statistic(intervention, "followed", model=mlp(0), names=["linear1"], learn=SPLIT, test=SPLIT, seed=0),
    statistic(
        zeroing_costs,
        "costs",
        model=net(6),
        tracker=tracker(),
        shares=[0.5, 0.5],
        split=SPLIT,
        draws=2,
        seed=0,
        picked=True,
        norms=(),
    ),
    statistic(redundancy, "shares_gained", before=net(), after=net(), images=IMAGES),
    statistic(
        intervals, "bootstrap", {"groups": MORE}, groups=RIGHT[0], statistic=intervals.overall, rounds=20, seed=0
    ),
    statistic(likeness, "direction_cka", a=Z, b=Z + 0.1),
    statistic(likeness, "within_classes", CLASS, vectors=Z, labels=LABELS),
    statistic(likeness, "silhouettes", CLASS, vectors=Z, labels=LABELS),
    statistic(likeness, "class_mates", labels=LABELS, seed=0),
    statistic(
        agreement,
        "made_up",
        {"readings": {**MORE, "infinite": A_GAP}},
        readings=READINGS,
        steps=[0, 10, 30],
        share=0.5,
        own=False,
    ),
    statistic(agreement, "agreement", {"readings": {**MORE, "infinite": A_GAP}}, readings=READINGS),
    statistic(agreement, "order", {"times": {**MORE, "infinite": "never"}}, times=READINGS[0, 0]),
    statistic(depth, "stretches", {"values": {**MORE, "infinite": A_GAP}}, values=READINGS[0, 0], at_most=2),
    statistic(depth, "stratification", change=DISTANCES[0].numpy(), blocks=3),
    statistic(
        strokes,
        "find_strokes",
        {"images": {"a row": FEWER, "bool": "a mask is ink as it is"}},
        images=IMAGES,
        threshold=0.5,
    ),
    statistic(
        contrast, "contrasts", {"pictures": NOWHERE}, pictures=IMAGES / 255, strokes=strokes.find_strokes(IMAGES)
    ),
    statistic(
        contrast,
        "near_marks",
        {"pictures": {"axis more": MORE_AXES}},
        pictures=IMAGES / 255,
        strokes=strokes.find_strokes(IMAGES),
        part=0.1,
    ),
    statistic(contrast, "bootstrap_mean", {"values": {"NaN": A_GAP}}, values=DISTANCES[0, 0], samples=20, seed=0),
    statistic(filter_seeds, "order", change=DISTANCES[0].numpy()),
    statistic(filter_seeds, "difference", values=DISTANCES[:, 0], others=DISTANCES[:, 1]),
    statistic(filter_seeds, "cheap_layers", lost=DISTANCES.numpy(), picks=2),
    statistic(filter_seeds, "rises", gained=DISTANCES[0]),
    statistic(tsne, "planes_curve", given={"time": [0, 1]}, planes=[drawn(6, 2), drawn(6, 2)]),
    statistic(node_patterns, "agnostic", shares=SHARES),
    statistic(node_patterns, "selective", after=SHARES, before=SHARES / 2),
    statistic(node_patterns, "early_and_late", p=PERPLEXITIES, samples=COUNTS, of="a"),
    statistic(node_patterns, "drop", NEVER, p=PERPLEXITIES, samples=COUNTS, to=0.5),
    statistic(node_patterns, "sharper", p={10: PERPLEXITIES, 20: PERPLEXITIES}, samples=COUNTS, to=0.5, of="a"),
    statistic(node_patterns, "more_gradual", {"easy": OPEN, "hard": OPEN}, easy=drawn(3), hard=drawn(3)),
    statistic(
        node_patterns,
        "stays",
        middles={4: drawn(2), 8: drawn(2)},
        of="a",
        draws={4: drawn(5, 2), 8: drawn(5, 2)},
        empty="",
    ),
    statistic(node_patterns, "no_harm", deep=drawn(3), shallow=drawn(3), of="a", empty=""),
    statistic(node_patterns, "specialists", {"lit": {"far out": "a count"}}, lit=(9 * drawn(2, 5)).long(), of="a"),
    statistic(node_patterns, "height", {"p": MORE}, p=PERPLEXITIES, samples=COUNTS),
    statistic(node_patterns, "raised", p=PERPLEXITIES, before=PERPLEXITIES / 1.5 + 1, samples=COUNTS, of="a"),
    statistic(
        node_patterns,
        "rises",
        heights={("x", 0.1): drawn(2), ("x", 0.2): drawn(2)},
        draws={("x", 0.1): drawn(5, 2), ("x", 0.2): drawn(5, 2)},
        label="x",
        of="a",
    ),
    statistic(node_systems, "gap_and_lead", {"late": MORE}, late=SYSTEMS[:, 0], network=drawn(1)[0]),
    statistic(node_systems, "together", accuracy=SYSTEMS, network=0.5, of="a"),
    statistic(node_systems, "together_surely", right=RIGHT, network=RIGHT[0, :, 0], of="a", empty=""),
    statistic(node_systems, "combined_leads", right=RIGHT[:, 0, 0]),
    statistic(node_systems, "late_gain", before=SYSTEMS, after=SYSTEMS / 2),
    statistic(
        node_systems,
        "continuous_lags",
        {"bandwidths": {"unknown": "a name"}},
        accuracy=drawn(3, 2, 3, 2, 4),
        bandwidths=("scott", "silverman"),
    ),
    statistic(
        node_systems,
        "with_width",
        {"widths": {"negative": "a number"}},
        accuracy=drawn(3, 3, 2, 4),
        widths=[10, 20, 30],
        of="a",
    ),
    statistic(node_systems, "falls_with_width", right={10: RIGHT[0, :, 0], 20: RIGHT[1, :, 0]}, of="a"),
    statistic(node_systems, "narrow_loses", narrow=SYSTEMS, wide=SYSTEMS / 2, of="a"),
    statistic(node_systems, "meeting_layer", accuracy=SYSTEMS),
    statistic(node_systems, "meet_earlier", easy=SYSTEMS, hard=SYSTEMS / 2, names={"easy": "a", "hard": "b"}),
    statistic(node_systems, "slightly_ahead", right=RIGHT),
    statistic(node_systems, "deepest_dip", {"seeds": {"negative": "a seed"}}, accuracy=SYSTEMS[0], seeds=[0, 1]),
    statistic(label_distances, "falls", distances=DISTANCES, of="a"),
    statistic(label_distances, "orders", distances={"W": DISTANCES, "KL": DISTANCES / 2}, by="W"),
    statistic(label_distances, "of_kinds", kinds=KINDS, right=DISTANCES[:, 0] > 0.5),
    statistic(label_distances, "learned", untrained=DISTANCES, trained=DISTANCES / 2, of="a"),
    statistic(label_distances, "some_rise", risen=DISTANCES[:, 0] > 0.5, of="a", empty=""),
    statistic(label_distances, "changes", {"course": MORE}, course=DISTANCES[0]),
    statistic(label_distances, "roughness", {"course": MORE}, course=DISTANCES[0]),
    statistic(label_distances, "rougher", {"first": OPEN, "last": OPEN}, first=drawn(2), last=drawn(2), of="a"),
    statistic(
        label_distances,
        "steadied",
        courses={"plain": [drawn(6)], "batch norm": [drawn(6)], "auxiliary loss": [drawn(6)]},
        of="a",
        unsettled="",
    ),
    statistic(label_distances, "lost_again", right=DISTANCES > 0.5, shares=drawn(2, 5), of="a"),
    statistic(label_distances, "some_confused", kinds=KINDS, of="a"),
    statistic(lens_tests, "ready_before", READ, readings=READINGS, drawn=DRAWN, steps=[0, 10, 30], share=0.5, of="a"),
    statistic(
        lens_tests, "upper_first", READ, readings=READINGS, drawn=DRAWN, steps=[0, 10, 30], share=0.5, lens="flat"
    ),
    statistic(lens_tests, "least_rise", READ, readings=READINGS, drawn=DRAWN, of="a"),
    statistic(lens_tests, "with_depth", values=DISTANCES[:, :, 0], drawn=drawn(5, 2, 6)),
    statistic(lens_tests, "agree_beyond", READ, readings=READINGS, drawn=DRAWN, lens="flat", of="a"),
    statistic(lens_tests, "obeyed", followed=drawn(2, 3, 4, 2, 5) > 0.5, decided=drawn(2, 3, 4) > 0.5, of="a"),
]

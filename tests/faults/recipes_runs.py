"""Valid calls of what reads the networks and the runs that chapters train, in ``layerbook.analysis``."""

from functools import cache

import numpy as np
import torch
from calling import Recipe
from torch import nn
from valid import FOLDER, HOT, IMAGES, LABELS, NO_SAMPLES, PROBABILITIES, SPLIT, Z, net, npz

import layerlib as ll
from layerbook import timing
from layerbook.analysis import (
    agreement,
    encoder_decoder,
    exits,
    filter_pair,
    filter_runs,
    filter_seeds,
    label_distances,
    lens_tests,
    node_patterns,
    node_readings,
    redundancy,
    strokes,
    tsne,
    turning,
    your_network,
)
from layerbook.analysis.filter_runs import FilterRun
from layerbook.training.fit import cross_entropy, fit, fit_ensemble
from layerbook.training.until import TrainAccuracy
from layerlib.data.splits import Split
from layerlib.distributions.bootstrap import Difference
from layerlib.distributions.held_out import exit_against_best_layer
from layerlib.models import MLP

random = torch.Generator().manual_seed(0)
CHOOSE, JUDGE = torch.arange(6), torch.arange(6, 12)
ANSWERS = HOT[JUDGE]
CLOUDS = {moment: torch.randn(16, 5, generator=random) for moment in (0, 10)}
DRAWN = [{"own": torch.randn(12, 1, 6, 6, generator=random)}]
LIT = (torch.arange(10).view(2, 5), 12)
PIXELS = IMAGES.double() / 255
ANY_CLASS = "a class by any number"
KEPT = {"weights": {}, "tracker": {}}
A_NUMBER = "a bandwidth"
BLACK = {"zeros": "nothing is like a black picture"}


def convolutions():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(48, 3))


def mlp():
    torch.manual_seed(0)
    return MLP((36, 5, 5, 3))


def turner(model):
    return turning.TurningTracker(model, ["conv", "hidden"], 1, {"fixed": 1e-3, "falling": 1e-3})


@cache
def run():
    """A network whose filters were followed in its training."""
    model, start = net(), net()
    tracker = turner(model)
    history = fit(model, SPLIT, epochs=3, batch_size=6, loss=cross_entropy, callbacks=[tracker], device="cpu")
    return FilterRun(start, model, tracker, history)


@cache
def trained():
    return fit_ensemble(mlp, [0, 1], SPLIT, epochs=2, device="cpu", until=TrainAccuracy(0.9))


@cache
def left():
    return exits.ways_to_leave(PROBABILITIES, HOT, CHOOSE, JUDGE)


@cache
def against():
    return exit_against_best_layer(PROBABILITIES, HOT, CHOOSE, JUDGE, resamples=20)


@cache
def looks():
    """A network at two moments, inspected by means, by the grid and flat."""
    torch.manual_seed(0)
    split = Split(torch.randint(0, 256, (60, 1, 4, 4), dtype=torch.uint8), torch.arange(60) % 3)
    model, first = MLP((16, 4, 4, 3)), MLP((16, 4, 4, 3))
    flat = ll.inspect(model, split, read="flat", instruments="distribution")
    return [[ll.inspect(model, split, before=first), flat, flat]] * 2


def code():
    (FOLDER / "own_net.py").write_text("from torch import nn\n\ndef make(size=4):\n    return nn.Linear(size, 3)\n")
    return str(FOLDER / "own_net.py")


def weights():
    torch.save({"weight": torch.ones(3, 4), "bias": torch.zeros(3)}, FOLDER / "own.pt")
    return str(FOLDER / "own.pt")


def parts(answer):
    """Parts of claims as what a record keeps of them."""
    if hasattr(answer, "to_json"):
        return answer.to_json()
    return [parts(each) for each in answer] if isinstance(answer, tuple | list) else answer


def of(module, name, arguments, fine=None, call=None):
    """A recipe; ``fine``: argument -> fault -> why an answer is right there."""
    function = call or getattr(module, name)
    told = {(argument, fault): why for argument, faults in (fine or {}).items() for fault, why in faults.items()}
    return Recipe(f"{module.__name__}.{name}", lambda **changed: parts(function(**changed)), arguments, told)


def of_run(name, arguments, fine=None):
    return of(filter_runs, f"FilterRun.{name}", arguments, fine, lambda **given: getattr(run(), name)(**given))


AS_GIVEN = dict.fromkeys(("floats", "halves"), "numbers go in as they are")
WORDS = dict.fromkeys(("another", "nothing in it"), "words, shown as they are")
HOW_MANY = {"labels": {"far out": ANY_CLASS}}
RECIPES = [
    of(
        node_readings,
        "right",
        lambda: dict(models=[mlp()], learned=SPLIT, judged=SPLIT, layers=slice(1), bandwidth="scott"),
        {"bandwidth": {"number": A_NUMBER}},
        lambda models, learned, judged, **more: node_readings.right(models, learned, judged, **more),
    ),
    of(
        node_readings,
        "accuracy",
        lambda: dict(models=[mlp()], learned=SPLIT, judged=SPLIT, bandwidth="scott"),
        {"bandwidth": {"number": A_NUMBER}},
        lambda models, learned, judged, **more: node_readings.accuracy(models, learned, judged, **more),
    ),
    of(
        node_readings,
        "unknown",
        lambda: dict(trainings=trained()),
        call=lambda trainings: node_readings.unknown(trainings),
    ),
    of(
        filter_runs,
        "FilterRun",
        lambda: dict(start=net(), model=net(), tracker=run().tracker, history=run().history, kept=KEPT),
        call=lambda **given: FilterRun(**given).names,
    ),
    of_run("first_features", lambda: dict(images=IMAGES), {"images": {**AS_GIVEN, "empty": NO_SAMPLES}}),
    of_run("gradient_sizes", lambda: dict(batch=SPLIT)),
    of_run("series", lambda: dict(column="angle")),
    of_run("filters", lambda: dict(name="conv")),
    of_run("null", lambda: dict(threshold="fixed")),
    of(
        filter_pair,
        "answers",
        lambda: dict(vgg=run(), resnet=run(), lost=np.arange(8.0).reshape(2, 4), picks=1, test=SPLIT, judged=5),
    ),
    of(filter_seeds, "over_seeds", lambda: dict(runs=[run()], measure=filter_seeds.mirroring)),
    of(filter_seeds, "phase_orders", lambda: dict(runs=[run()], reading="relative")),
    of(filter_seeds, "mirroring", lambda: dict(run=run())),
    of(filter_seeds, "resting", lambda: dict(run=run(), snapshots=2)),
    of(filter_seeds, "spread", lambda: dict(run=run(), reading="relative")),
    of(filter_seeds, "ratio", lambda: dict(runs=[run()], others=[run()], reading="relative")),
    of(filter_seeds, "paces", lambda: dict(runs=[run()], rate=lambda step: 0.1 + step)),
    of(
        redundancy,
        "features_kept",
        lambda: dict(
            before=convolutions(), after=convolutions(), convolution="0", norm="1", images=IMAGES, batch_size=5
        ),
        {"images": {"empty": NO_SAMPLES}},
    ),
    of(
        turning,
        "TurningTracker",
        lambda: dict(model=net(), names=["conv"], every=1, threshold=1e-3),
        {"threshold": {"negative": "anything moves more"}},
        call=lambda **given: turning.TurningTracker(**given).names,
    ),
    of(
        turning,
        "TurningTracker.load_state_dict",
        lambda: dict(state=run().tracker.state_dict()),
        call=lambda state: turner(net()).load_state_dict(state),
    ),
    of(
        encoder_decoder,
        "over_training",
        lambda: dict(moments=[[mlp().double()]], images=PIXELS, labels=LABELS, random=LABELS.flip(0)),
    ),
    of(
        encoder_decoder,
        "beyond_permuted",
        lambda: dict(model=mlp().double(), images=PIXELS, labels=LABELS, names=["linear1"]),
    ),
    of(
        encoder_decoder,
        "likeness",
        lambda: dict(drawn=DRAWN, images=PIXELS.float(), means=PIXELS[:3].float(), labels=LABELS),
        {"images": BLACK, "means": BLACK},
    ),
    of(
        encoder_decoder,
        "stroke_contrasts",
        lambda: dict(drawn=DRAWN, strokes=strokes.find_strokes(IMAGES), kinds=["own"], near=["own"]),
    ),
    of(
        exits,
        "accuracies",
        lambda: dict(
            probabilities=PROBABILITIES, labels=HOT, s2=torch.tensor([0.5, 0.7]), rho=torch.tensor([0.5, 0.9])
        ),
    ),
    of(
        exits,
        "ways_to_leave",
        lambda: dict(probabilities=PROBABILITIES, labels=HOT, choose=CHOOSE, judge=JUDGE),
        {"probabilities": {"integers": "of whole numbers, in double precision"}},
    ),
    of(exits, "gains", lambda: dict(left=[left()], whole=[PROBABILITIES[-1, JUDGE]], labels=ANSWERS)),
    of(
        exits,
        "gains_over_whole",
        lambda: dict(gained={"net": [{"map": Difference(0.02, 0.01, 0.03)}]}, metrics={"mAP": "map"}),
    ),
    of(exits, "leaving_shares", lambda: dict(left=[left()], layers=5)),
    of(
        your_network,
        "network",
        lambda: dict(code=code(), make="make", arguments={"size": 4}, weights=weights(), seed=0),
        {"weights": {"nothing in it": "the first weights"}, "arguments": {"empty": "the callable's own defaults"}},
        call=lambda **given: your_network.network(**given).state_dict(),
    ),
    of(your_network, "samples", lambda: dict(data=str(npz()), judged=5, seed=0)),
    of(
        lens_tests,
        "by_heart",
        lambda: dict(looks=[[looks()[0][1], looks()[0][0]]], of="a", empty="b"),
        {"of": WORDS, "empty": WORDS},
    ),
    of(agreement, "readings", lambda: dict(moments=looks(), drawn=True)),
    of(
        label_distances,
        "gains_over_best",
        lambda: dict(trials=[against()], answers=ANSWERS, metrics={"mAP": "map"}, of="a"),
        {"of": WORDS},
    ),
    of(
        node_patterns,
        "apart",
        lambda: dict(middles=Z[:, :2]),
        {"middles": dict.fromkeys(("NaN", "infinite", "huge"), "no middle lies infinitely far")},
        lambda middles: node_patterns.apart(middles, Z[:, 2:4]),
    ),
    of(
        node_patterns,
        "specific_and_general",
        lambda: dict(counts=LIT),
        call=lambda counts: node_patterns.specific_and_general(counts),
    ),
    of(strokes, "one_of_each", lambda: dict(strokes=strokes.find_strokes(IMAGES), labels=LABELS), HOW_MANY),
    of(tsne, "tsne_series", lambda: dict(moments=CLOUDS, perplexity=4.0)),
    of(tsne, "tsne_panels", lambda: dict(panels=CLOUDS, perplexity=4.0)),
    of(
        timing,
        "forward_milliseconds",
        lambda: dict(model=nn.Linear(5, 3), batch=Z),
        {
            "batch": dict.fromkeys(
                ("empty", "a row", "axis more", "NaN", "infinite"), "what the network takes, takes time"
            )
        },
        lambda **given: timing.forward_milliseconds(**given) > 0,
    ),
]

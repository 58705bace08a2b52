"""Valid calls of distributions over labels, of probes and of what is made of them."""

import torch
from valid import (
    AS_THE_MODEL_TAKES,
    COST,
    DISTANCES,
    GOALS,
    HOT,
    IMAGES,
    LABEL,
    LABELS,
    MASSES,
    MORE_AXES,
    MULTI,
    NAMES,
    NO_SAMPLES,
    PROBABILITIES,
    X,
    Z,
    early,
    fitted,
    linear_probes,
    net,
    probes,
    recipe,
    trained,
    weights_of,
)

import layerlib as ll
from layerlib.distributions import bootstrap, distances, early_exit, linear, samples, scores
from layerlib.distributions._rules import Confident

ONE_LABEL = "of one label"
P_Q = dict(p=MASSES, q=GOALS)
MORE = {
    (name, fault): why
    for name in ("p", "q")
    for fault, why in (("axis more", MORE_AXES), ("a row", MORE_AXES), ("empty", NO_SAMPLES))
}
RECIPES = [
    recipe(
        "distributions.bootstrap.paired_bootstrap",
        bootstrap.paired_bootstrap,
        lambda: dict(first=PROBABILITIES[0], second=PROBABILITIES[1], labels=HOT, resamples=20, seed=0),
    ),
    recipe(
        "distributions.distances.label_distribution",
        ll.label_distribution,
        lambda: dict(scores=HOT),
        {("scores", "axis more"): MORE_AXES, ("scores", "a row"): MORE_AXES, ("scores", "empty"): NO_SAMPLES},
    ),
    recipe(
        "distributions.distances.sigmoid_distribution",
        distances.sigmoid_distribution,
        lambda: dict(logits=Z),
        {("logits", "axis more"): MORE_AXES, ("logits", "a row"): MORE_AXES, ("logits", "empty"): NO_SAMPLES},
    ),
    recipe("distributions.distances.label_cost", ll.label_cost, lambda: dict(labels=Z)),
    recipe("distributions.distances.wasserstein", ll.wasserstein, lambda: P_Q | dict(cost=COST), MORE),
    recipe(
        "distributions.distances.sinkhorn",
        ll.sinkhorn,
        lambda: P_Q | dict(cost=COST, epsilon=0.1, max_iterations=50, tolerance=1e-4),
        MORE,
    ),
    *[
        recipe(f"distributions.distances.{name}", getattr(distances, name), lambda: P_Q, MORE)
        for name in ("total_variation", "chebyshev", "js")
    ],
    recipe("distributions.distances.kl", distances.kl, lambda: P_Q | dict(floor=1e-3), MORE),
    recipe(
        "distributions.early_exit.exit_layers",
        early_exit.exit_layers,
        lambda: dict(probabilities=PROBABILITIES, s2=0.7, rho=0.5, s1=0.5, strict=True),
        {("probabilities", "narrow"): ONE_LABEL},
    ),
    recipe(
        "distributions.early_exit.first_exit",
        early_exit.first_exit,
        lambda: dict(leaves=PROBABILITIES[..., 0] > 0.5),
        {("leaves", "axis more"): MORE_AXES},
    ),
    recipe(
        "distributions.early_exit.at_exit",
        early_exit.at_exit,
        lambda: dict(values=PROBABILITIES[..., 0], layers=LABELS),
        {("values", fault): "they are picked, not reckoned with" for fault in ("NaN", "infinite")},
    ),
    recipe(
        "distributions.early_exit.mean_at_exit",
        early_exit.mean_at_exit,
        lambda: dict(scores=PROBABILITIES[..., 0], thresholds=torch.tensor([0.2, 0.8]), values=PROBABILITIES[..., 1]),
        {
            ("scores", "axis more"): MORE_AXES,
            ("scores", "NaN"): "never reaches a threshold",
            ("scores", "infinite"): "reaches every threshold",
            ("thresholds", "empty"): "no thresholds, no means",
            ("thresholds", "infinite"): "is never reached",
        },
    ),
    recipe(
        "distributions.early_exit.temperatures",
        early_exit.temperatures,
        lambda: dict(probabilities=PROBABILITIES, labels=HOT),
    ),
    recipe(
        "distributions.early_exit.calibrated",
        early_exit.calibrated,
        lambda: dict(probabilities=PROBABILITIES, temperature=torch.full((5,), 1.5)),
        {("probabilities", "narrow"): ONE_LABEL},
    ),
    recipe(
        "distributions.linear.LinearProbes",
        lambda classes: fitted(classes=classes, penalty=10.0),
        lambda: dict(classes=4),
    ),
    recipe(
        "distributions.linear.LinearProbes.fit",
        fitted,
        lambda: dict(features=PROBABILITIES[:1, :, :2].double(), targets=HOT, penalty=10.0),
        {("features", "a row"): "of one layer, (N, F)", ("features", "narrow"): "of any width"},
        without={"progress": LABEL},
    ),
    recipe(
        "distributions.linear.LinearProbes.train",
        lambda **given: fitted("train", **given),
        lambda: dict(
            features=PROBABILITIES[:2, :, :3],
            targets=HOT,
            epochs=1,
            batch_size=5,
            rate=0.01,
            momentum=0.9,
            weight_decay=1e-4,
            loss=linear.binary_cross_entropy,
            seed=0,
            callbacks=(),
        ),
        {("features", "a row"): "of one layer, (N, F)", ("features", "narrow"): "of any width"},
        without={"progress": LABEL},
    ),
    recipe(
        "distributions.linear.LinearProbes.logits",
        lambda features: linear_probes().logits(features),
        lambda: dict(features=PROBABILITIES[:2, :, :3]),
    ),
    recipe(
        "distributions.linear.LinearProbes.predict",
        lambda features: linear_probes().predict(features),
        lambda: dict(features=PROBABILITIES[:2, :, :3]),
    ),
    recipe(
        "distributions.probes.LayerProbes",
        lambda **given: weights_of(probes(**given)),
        lambda: dict(model=net(4), names=NAMES, classes=4, pool=1, heads=None),
    ),
    recipe(
        "distributions.probes.LayerProbes.features",
        lambda **given: ll.LayerProbes(net(4), NAMES, 4).features(**given).pooled,
        lambda: dict(split=MULTI, batch_size=5, memory=1e6),
        {("memory", "infinite"): "no bound"},
        without={"progress": LABEL},
    ),
    recipe(
        "distributions.probes.LayerProbes.fit",
        trained,
        lambda: dict(split=MULTI, targets=HOT, penalty=100.0),
        without={"progress": LABEL},
    ),
    recipe(
        "distributions.probes.LayerProbes.train",
        lambda **given: trained("train", **given),
        lambda: dict(split=MULTI, targets=HOT, epochs=1, callbacks=()),
        without={"progress": LABEL, "schedule": "the keywords of LinearProbes.train"},
    ),
    recipe(
        "distributions.probes.LayerProbes.logits",
        lambda features: probes(net(4)).logits(features),
        lambda: dict(features=probes(net(4)).features(MULTI)),
    ),
    recipe(
        "distributions.probes.LayerProbes.predict",
        lambda **given: probes(net(4)).predict(**given),
        lambda: dict(images=IMAGES, batch_size=5),
        {("images", "empty"): NO_SAMPLES, **AS_THE_MODEL_TAKES},
    ),
    recipe(
        "distributions.probes.LayerProbes.probability",
        lambda **given: probes(net(4)).probability(**given),
        lambda: dict(name="hidden", output=PROBABILITIES[0, :, :1].repeat(1, 8)),
        {("output", "empty"): NO_SAMPLES, ("output", "axis more"): "tokens are averaged"},
    ),
    recipe(
        "distributions.samples.confused_shares",
        samples.confused_shares,
        lambda: dict(probabilities=PROBABILITIES, labels=HOT, threshold=0.5),
    ),
    recipe(
        "distributions.samples.largest_share", samples.largest_share, lambda: dict(shares=torch.tensor([0.1, 0.3, 0.6]))
    ),
    recipe(
        "distributions.samples.difficulty",
        samples.difficulty,
        lambda: dict(distances=DISTANCES, baseline=torch.ones(12), near=0.2, far=0.5),
        {("baseline", "one number"): "one for all"},
    ),
    recipe(
        "distributions.samples.difficulty_by_thirds",
        samples.difficulty_by_thirds,
        lambda: dict(distances=DISTANCES, baseline=torch.ones(12), rise=0.2),
        {("baseline", "one number"): "one for all"},
    ),
    recipe(
        "distributions.scores.exact_match",
        scores.exact_match,
        lambda: dict(probabilities=PROBABILITIES[0], labels=HOT, threshold=0.5),
        {("probabilities", "axis more"): MORE_AXES},
    ),
    recipe(
        "distributions.scores.top_labels",
        scores.top_labels,
        lambda: dict(probabilities=PROBABILITIES[0], count=2),
        {("probabilities", fault): MORE_AXES for fault in ("axis more", "a row", "empty")},
    ),
    recipe(
        "distributions.scores.f1_scores", scores.f1_scores, lambda: dict(predicted=PROBABILITIES[0] > 0.5, labels=HOT)
    ),
    recipe(
        "distributions.scores.average_precision",
        scores.average_precision,
        lambda: dict(probabilities=PROBABILITIES[0], labels=HOT),
        {("labels", "zeros"): "NaN for a class without positives"},
    ),
    recipe("distributions.scores.scores", scores.scores, lambda: dict(probabilities=PROBABILITIES[0], labels=HOT)),
    recipe(
        "distributions._rules.ConfidentRatio",
        lambda **given: ll.ConfidentRatio(**given)(PROBABILITIES),
        lambda: dict(s2=0.7, rho=0.5, s1=0.5, strict=True),
    ),
    recipe(
        "distributions._rules.Confident", lambda **given: Confident(**given)(PROBABILITIES), lambda: dict(threshold=0.5)
    ),
    recipe(
        "distributions._exiting.EarlyExit",
        lambda model, probes, rule: ll.EarlyExit(model, probes, rule)(X),
        lambda: dict(model=net(4), probes=probes(net(4)), rule=Confident(0.3)),
    ),
    recipe(
        "distributions._exiting.EarlyExit.forward",
        lambda x: early()(x),
        lambda: dict(x=X),
        {("x", "empty"): NO_SAMPLES},
    ),
    recipe(
        "distributions._exiting.EarlyExit.exit",
        lambda x: early().exit(x),
        lambda: dict(x=X),
        {("x", "empty"): NO_SAMPLES},
    ),
]

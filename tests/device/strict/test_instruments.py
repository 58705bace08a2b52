"""Every instrument works on the device of its first tensor, or of its network, and moves what else it is given there.

Each call is made twice: all on the CPU, and with ``put`` bringing its first tensor, or its network, to the device while
labels, costs, thresholds and whatever else stays behind. The results must be the same, and lie where the work was done.
"""

import copy
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import torch
from torch import nn

import layerlib as ll
from layerbook.training.auxiliary import OutputWatch, WithClassifier
from layerbook.training.fit import error_rate
from layerlib.backward import direct_losses, separation, targets
from layerlib.distributions import bootstrap, distances, early_exit, held_out, ridge, samples, scores
from layerlib.filters.gradients import gradient_sizes
from layerlib.filters.zeroing import accuracy_without
from layerlib.models import CNN, MLP, taps
from layerlib.patterns import activation_share, active, crossing, hamming

LAYERS, SAMPLES, CLASSES, NODES = 3, 24, 4, 6
PIXELS = 64


def drawn(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


z = drawn(SAMPLES, NODES) - 0.5
labels = torch.arange(SAMPLES) % CLASSES
multi_hot = (drawn(SAMPLES, CLASSES) > 0.6).float()
multi_hot[:, 0] = 1
probabilities = drawn(LAYERS, SAMPLES, CLASSES)
rows, cost = ll.label_distribution(probabilities), ll.label_cost(drawn(CLASSES, 3))
truth = ll.label_distribution(multi_hot)
leaves, exits = probabilities.amax(-1) > 0.9, torch.arange(SAMPLES) % LAYERS
images = (255 * drawn(SAMPLES, 1, 8, 8)).to(torch.uint8)
x, split = images / 255, ll.Split(images, labels)
hot_split = ll.Split(images, multi_hot)


def mlp(put):
    torch.manual_seed(0)
    return put(MLP((PIXELS, NODES, NODES, CLASSES)).eval())


def cnn(put):
    torch.manual_seed(0)
    return put(CNN(4, 2, CLASSES, 1).eval())


def later(model):
    """The network a little later."""
    model = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.01 * drawn(*parameter.shape).to(parameter.device)
    return model


def counted_twice(put):
    counts = ll.PatternCounts(CLASSES)
    return counts.add(put(active(z)), labels).add(put(active(-z)), labels).perplexity()


def classified(put):
    fitted = ll.NodeClassifiers.fit(put(z), labels, torch.full((CLASSES,), 0.3))
    return [fitted.predict(z), fitted.log_posteriors(z), fitted.log_density(z), fitted.log_likelihood(z, labels)]


def probed(put):
    probes = ll.LinearProbes(CLASSES)
    losses = probes.fit(put(probabilities), labels)
    return {"on the CPU": losses, "logits": probes.logits(probabilities)}


def probed_step_by_step(put):
    probes = ll.LinearProbes(CLASSES)
    return {"on the CPU": probes.train(put(probabilities), multi_hot, epochs=3), "found": probes.predict(probabilities)}


def layer_probes(memory):
    def call(put):
        model = cnn(put)
        probes = ll.LayerProbes(model, taps(model), CLASSES)
        features = probes.features(split, memory=memory)
        losses = probes.fit(features)
        chosen = features[put(labels == 1)]
        return {
            "on the CPU": losses,
            "images": probes.predict(images),
            "features": probes.predict(features),
            "chosen": probes.predict(chosen),
            "one": probes.probability(probes.names[0], drawn(5, 4, 3, 3)),
        }

    return call


def left_early(put):
    model = cnn(put)
    probes = ll.LayerProbes(model, taps(model), CLASSES)
    probes.fit(split)
    return ll.EarlyExit(model, probes, ll.ConfidentRatio(0.6, 0.8)).exit(x)


def tracked(put):
    model = mlp(lambda model: model)
    tracker = ll.FilterTracker(model, ["linear1", "linear2"], every=1, threshold={"one": 0.001, "other": 0.01})
    put(model)
    for _ in range(3):
        model.load_state_dict(later(model).state_dict())
        tracker.step()
    again = ll.FilterTracker(model, ["linear1", "linear2"], every=1, threshold={"one": 0.001, "other": 0.01})
    again.load_state_dict(tracker.state_dict())
    frame = again.to_frame()
    return {
        "on the CPU": torch.from_numpy(frame.drop(columns="layer").to_numpy(dtype=float)),
        "mean": again.mean_distance("linear1"),
        "still": again.mean_still("linear2", "other"),
    }


def without(put):
    model = mlp(put)
    with ll.zeroed(model, "linear1", torch.tensor([1, 3])):
        return ll.outputs(model, ["linear2"], images)


def captured(put):
    model = mlp(put)
    with ll.capture(model, ["linear1"]) as seen:
        model(next(model.parameters()).new_tensor(x.tolist()))
    return seen["linear1"]


def inspected(data):
    def call(put):
        model = cnn(put)
        found = ll.inspect(later(model), data, before=model.cpu() if put(z).is_cuda else model)
        assert not found.images.is_cuda and (found.pictures is None or not found.pictures.is_cuda)
        found.figure()
        with TemporaryDirectory() as folder:
            found.save(Path(folder, "found"))
            assert ll.Inspection.load(Path(folder, "found")) == found
        return {
            "on the CPU": [found.values, found.nulls, found.draws, found.null_draws, found.pictures],
            "numbers": [found.baseline, found.accuracy],
        }

    return call


def compared(put):
    model = cnn(put)
    found = ll.compare(ll.inspect(model, split), ll.inspect(later(model), split))
    found.figure()
    table = found.to_frame().select_dtypes("number")
    return {"on the CPU": torch.tensor(table.to_numpy(dtype=float))}


def inspected_while_it_learns(put):
    model = cnn(put)
    watch = ll.Watch(model, split, every=1, instruments=("patterns", "rank", "filters"))
    model.load_state_dict(later(model).state_dict())
    watch.step()
    watch.load_state_dict(watch.state_dict())
    watch.figure()
    return {"on the CPU": [watch.inspections[1].values], "numbers": dict(watch.inspections[1].baseline)}


def watched(put):
    watch = OutputWatch(images, every=1)
    watch(0, mlp(put))
    return {"on the CPU": watch.logits}


def with_classifier(put):
    both = WithClassifier(mlp(put), "linear1", CLASSES, images[:1], auxiliary=True).eval()
    nn.init.constant_(both.classifier.weight, 0.5)
    nn.init.zeros_(both.classifier.bias)
    return both(both.classifier.weight.new_tensor(x.tolist()))


def exit_judged(put):
    few = torch.tensor([0.5, 0.7, 0.9])
    trial = held_out.exit_against_best_layer(
        put(probabilities),
        multi_hot,
        torch.arange(0, SAMPLES, 2),
        torch.arange(1, SAMPLES, 2),
        s2=few,
        rho=few,
        resamples=20,
    )
    return trial.layers, trial.leaving, trial.staying, trial.layer, list(trial.gains.values())


def ridge_read(put):
    gram, products = ridge.grams(ridge.flat_blocks(put(z), z + 0.1, 4))
    found = ridge.RidgeReadout.fit(gram, labels, CLASSES)
    return gram, found.predict(products), found.probabilities(products.cpu()), found.left_out


CALLS = {
    "active": lambda put: active(put(z)),
    "layer_perplexity": lambda put: ll.layer_perplexity(put(active(z)), labels),
    "PatternCounts": counted_twice,
    "activation_share": lambda put: activation_share(put(active(z)), labels),
    "hamming": lambda put: hamming(put(active(z)), labels),
    "crossing": lambda put: crossing(put(3 + probabilities.double()), torch.full((CLASSES,), 6), 0.5),
    "NodeClassifiers": classified,
    "label_distribution": lambda put: ll.label_distribution(put(probabilities)),
    "sigmoid_distribution": lambda put: distances.sigmoid_distribution(put(z)),
    "label_cost": lambda put: ll.label_cost(put(z)),
    "wasserstein": lambda put: ll.wasserstein(put(rows), truth, cost),
    "wasserstein, one cost": lambda put: ll.wasserstein(put(rows), truth, ll.label_cost(CLASSES)),
    "sinkhorn": lambda put: ll.sinkhorn(put(rows), truth, cost, 0.1),
    "sinkhorn, logarithms": lambda put: ll.sinkhorn(put(rows), truth, cost, 0.001, max_iterations=30),
    "total_variation": lambda put: distances.total_variation(put(rows), truth),
    "chebyshev": lambda put: distances.chebyshev(put(rows), truth),
    "kl": lambda put: distances.kl(put(truth), rows),
    "js": lambda put: distances.js(put(rows), truth),
    "exact_match": lambda put: scores.exact_match(put(probabilities), multi_hot),
    "top_labels": lambda put: scores.top_labels(put(probabilities)),
    "f1_scores": lambda put: scores.f1_scores(put(probabilities[0] > 0.5), multi_hot),
    "average_precision": lambda put: scores.average_precision(put(probabilities[0]), multi_hot),
    "scores": lambda put: scores.scores(put(probabilities[0]), multi_hot),
    "paired_bootstrap": lambda put: bootstrap.paired_bootstrap(put(probabilities[0]), probabilities[1], multi_hot, 20),
    "confident_ratio": lambda put: early_exit.confident_ratio(put(probabilities), torch.tensor([0.6, 0.9])),
    "confidence": lambda put: early_exit.confidence(put(probabilities)),
    "ConfidentRatio": lambda put: ll.ConfidentRatio(0.6, 0.5)(put(probabilities)),
    "Confident": lambda put: early_exit.Confident(0.3)(put(probabilities)),
    "exit_layers": lambda put: early_exit.exit_layers(put(probabilities), 0.6, 0.5),
    "first_exit": lambda put: early_exit.first_exit(put(leaves)),
    "at_exit": lambda put: early_exit.at_exit(put(probabilities), exits),
    "mean_at_exit": lambda put: early_exit.mean_at_exit(
        put(probabilities[..., 0]), torch.linspace(0, 1, 5), 1.0 * leaves
    ),
    "confused_shares": lambda put: samples.confused_shares(put(probabilities), multi_hot),
    "difficulty": lambda put: samples.difficulty(put(probabilities[..., 0]), torch.ones(SAMPLES)),
    "difficulty_by_thirds": lambda put: samples.difficulty_by_thirds(put(probabilities[..., 0]), torch.ones(SAMPLES)),
    "largest_share": lambda put: samples.largest_share(put(torch.tensor([0.1, 0.3, 0.2]))),
    "best_layer": lambda put: [held_out.best_layer(put(probabilities), multi_hot)],
    "exit_against_best_layer": exit_judged,
    "ridge": ridge_read,
    "temperatures": lambda put: early_exit.temperatures(put(probabilities), multi_hot),
    "calibrated": lambda put: early_exit.calibrated(put(probabilities), torch.tensor([0.5, 1.0, 2.0])),
    "LinearProbes": probed,
    "LinearProbes, step by step": probed_step_by_step,
    "LayerProbes": layer_probes(2e9),
    "LayerProbes, features in a file": layer_probes(0),
    "EarlyExit": left_early,
    "targets": lambda put: ll.targets(mlp(put), x, labels),
    "targets of a convolution": lambda put: ll.targets(cnn(put), x, labels),
    "propagate": lambda put: [
        [each.input, each.preactivation, each.target] for each in targets.propagate(mlp(put), x, labels).values()
    ],
    "bp_image": lambda put: [ll.bp_image(mlp(put), x, labels, seed) for seed in ("error", "label")],
    "guided_bp_image": lambda put: [ll.guided_bp_image(make(put), x, labels) for make in (mlp, cnn)],
    "direct_loss_fp": lambda put: direct_losses.direct_loss_fp(mlp(put).linear2, z, z),
    "direct_loss_bp": lambda put: direct_losses.direct_loss_bp(mlp(put).linear2, z, z),
    "decoded": lambda put: direct_losses.decoded(mlp(put).linear2, z, z),
    "alignment": lambda put: direct_losses.alignment(put(z), z.roll(1)),
    "gradient_gaps": lambda put: direct_losses.gradient_gaps(mlp(put).double(), x.double(), labels),
    "separation": lambda put: ll.separation(put(z), labels),
    "directions": lambda put: separation.directions(put(z)),
    "filter_change": lambda put: ll.filter_change(put(z), z + 0.1, 0.01),
    "FilterTracker": tracked,
    "zeroed": without,
    "accuracy_without": lambda put: {
        "on the CPU": accuracy_without(mlp(put), "linear1", [[], torch.tensor([1]), [0, 2]], split, best=(1, 2))
    },
    "gradient_sizes": lambda put: gradient_sizes(mlp(put), ["linear1", "linear2"], split),
    "capture": captured,
    "outputs": lambda put: ll.outputs(cnn(put), taps(cnn(put)), images),
    "effective_rank": lambda put: ll.effective_rank(put(z)),
    "cka": lambda put: ll.cka(put(z), z.roll(1, 1)),
    "inspect": inspected(split),
    "inspect, many labels": inspected(hot_split),
    "compare": compared,
    "Watch": inspected_while_it_learns,
    "error_rate": lambda put: error_rate(mlp(put), split),
    "OutputWatch": watched,
    "WithClassifier": with_classifier,
}
# what is no instrument, or is called within others
OTHERS = {"Inspection", "Split", "load"}


def test_every_public_name_is_called():
    assert set(ll.__all__) - OTHERS <= set(CALLS), "add the new name, with a call of it, to CALLS"


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_the_work_is_done_where_the_first_tensor_is(call):
    expected, found = (dict(leaves_of(call(put))) for put in (lambda it: it, lambda it: it.cuda()))
    assert found.keys() == expected.keys() and found
    for name, value in found.items():
        if isinstance(value, torch.Tensor):
            assert value.is_cuda == ("on the CPU" not in name), name
            value = value.detach().cpu()
        torch.testing.assert_close(value, expected[name], rtol=1e-3, atol=1e-5, equal_nan=True, msg=name)


def leaves_of(result, name=""):
    """Every tensor and number in a result, by its place."""
    if dataclasses.is_dataclass(result):
        result = {each.name: getattr(result, each.name) for each in dataclasses.fields(result)}
    if isinstance(result, Mapping):
        for key, value in result.items():
            yield from leaves_of(value, f"{name}.{key}")
    elif isinstance(result, (list, tuple)):
        for i, value in enumerate(result):
            yield from leaves_of(value, f"{name}[{i}]")
    elif result is not None:
        yield name, float(result) if isinstance(result, float) else result


def test_pictures_are_guided_through_attention_by_its_definition():
    class Attending(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Linear(16, 16), nn.Linear(16, CLASSES)
            self.attention = nn.MultiheadAttention(16, 2, batch_first=True)

        def forward(self, x):
            tokens = self.embed(x.flatten(1).unflatten(1, (4, 16)))
            return self.head(self.attention(tokens, tokens, tokens, need_weights=False)[0].mean(1))

    with pytest.raises(ValueError, match="cannot be guided"):
        ll.guided_bp_image(Attending().cuda(), x, labels)

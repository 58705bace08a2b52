"""inspect on data in every form, on networks that take other things than pictures, within bounds of memory."""

import inspect as python
from types import SimpleNamespace

import pytest
import torch
from networks import Plain, picture_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import layerlib as ll
from layerlib._forward import as_input
from layerlib.backward.separation import separation
from layerlib.inspection._arguments import halves
from layerlib.layers.capture import capture

SAMPLES, CLASSES = 60, 3
JUDGED = halves(range(SAMPLES), 0)[1]


def table(samples=SAMPLES, classes=CLASSES, seed=0):
    random = torch.Generator().manual_seed(seed)
    y = torch.arange(samples) % classes
    return torch.randn(samples, 8, generator=random) + 2 * torch.eye(classes, 8)[y], y


def perceptron(outputs=CLASSES, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, outputs))


def same(one, other):
    for part in ("values", "nulls", "draws", "null_draws"):
        for quantity, values in getattr(one, part).items():
            torch.testing.assert_close(getattr(other, part)[quantity], values, rtol=1e-5, atol=1e-6, equal_nan=True)


def test_the_signature_is_the_one_that_was_agreed():
    assert str(python.signature(ll.inspect)).startswith(
        "(model: 'nn.Module', data: 'object', layers: 'Iterable[str] | None' = None, *, before:"
    )
    assert {name: each.default for name, each in python.signature(ll.inspect).parameters.items()} == {
        "model": python.Parameter.empty,
        "data": python.Parameter.empty,
        "layers": None,
        "before": None,
        "read": "mean",
        "instruments": None,
        "input": None,
        "output": None,
        "mask": None,
        "position": "mean",
        "memory": 2e9,
        "batch_size": None,
        "seed": 0,
    }


def test_the_same_samples_in_any_form_give_the_same_numbers():
    model, (x, y) = perceptron(), table()
    expected = ll.inspect(model, (x, y))
    for data in (
        (x.double().numpy(), y.numpy()),
        TensorDataset(x, y),
        DataLoader(TensorDataset(x, y), 7),
        [{"input": a, "label": b} for a, b in zip(x.split(20), y.split(20), strict=True)],
        zip(x.split(9), y.split(9), strict=True),
    ):
        same(expected, ll.inspect(model, data))
    same(expected, ll.inspect(model, {"things": x, "y": y}, input=lambda batch: batch["things"]))


def test_a_split_is_its_pictures_as_numbers():
    torch.manual_seed(0)
    model, split = Plain(), picture_split(40)
    one, other = ll.inspect(model, split), ll.inspect(model, (as_input(split.images), split.labels))
    same(one, other)
    assert torch.equal(one.pictures, other.pictures) and torch.equal(as_input(one.images), other.images)


class Binary(nn.Module):
    """One logit, or the two of which it is the difference."""

    def __init__(self, model, columns, shape=None):
        super().__init__()
        self.model, self.columns, self.shape = model, columns, shape

    def forward(self, x):
        z = self.model(x)
        if self.columns == 2:
            return torch.cat([0 * z, z], 1)
        return z.view(-1) if self.shape == "row" else z.squeeze() if self.shape == "squeezed" else z


@pytest.mark.parametrize("batch_size", [None, 29])  # of 30 judged
@pytest.mark.parametrize("shape", ["row", "column", "squeezed"])
def test_one_binary_logit_is_two_classes(shape, batch_size):
    model, (x, y) = perceptron(1), table(classes=2)
    one = ll.inspect(Binary(model, 1, shape), (x, y.float()), batch_size=batch_size)
    two = ll.inspect(Binary(model, 2), (x, y))
    same(one, two)
    right = (model(x[JUDGED])[:, 0] > 0) == y[JUDGED].bool()
    assert one.accuracy == two.accuracy == pytest.approx(right.double().mean().item())


def test_a_sigmoid_head_keeps_its_accuracy_and_is_refused_as_logits():
    model, (x, y) = perceptron(1), table(classes=2)
    bent = ll.inspect(nn.Sequential(*model, nn.Sigmoid()), (x, y))
    assert bent.accuracy == ll.inspect(model, (x, y)).accuracy
    assert {reason for (_, which), reason in bent.reasons.items() if which == "targets"} == {
        "model: expected logits, got numbers that are all in [0, 1]; leave out the last sigmoid"
    }
    assert bent.values["feature_silhouette"].isfinite().all() and bent.values["target_silhouette"].isnan().all()


def test_logits_of_single_samples_may_lie_in_0_to_1():
    class Scaled(nn.Sequential):
        def forward(self, x):
            return super().forward(x).mul(0.3)

    model, (x, y) = Scaled(*perceptron()), table()
    nn.init.constant_(model[2].bias, 0.3)
    within = (lambda z: (z >= 0) & (z <= 1))(model(x)).all(1)
    assert within[JUDGED].any() and not within[~JUDGED].all()
    one, many = (ll.inspect(model, (x, y), batch_size=size) for size in (1, 60))
    assert one.values["target_silhouette"].isfinite().all() and not one.reasons.keys() & {("0", "targets")}
    same(one, many)


def test_output_says_where_the_logits_are():
    model, data = perceptron(), table()

    class Wrapped(nn.Module):
        def __init__(self, put):
            super().__init__()
            self.model, self.put = model, put

        def forward(self, x):
            return self.put(self.model(x))

    expected = ll.inspect(model, data)
    for put, output in (
        (lambda z: SimpleNamespace(scores=z), lambda out: out.scores),
        (lambda z: (None, z), lambda out: out[1]),
        (lambda z: {"logits": z}, None),
        (lambda z: (z, None), None),
    ):
        found = ll.inspect(Wrapped(put), data, output=output)
        assert torch.equal(found.values["target_silhouette"], expected.values["target_silhouette"])
        assert found.accuracy == expected.accuracy
    hidden = ll.inspect(Wrapped(lambda z: SimpleNamespace(scores=z)), data)
    assert "model: expected logits of shape (30, K), got a SimpleNamespace; say with output where they are" in set(
        hidden.reasons.values()
    )
    with pytest.raises(ValueError, match="^output: expected a function .*, a Tensor, to its logits, got from it A"):
        ll.inspect(model, data, output=lambda out: out.scores)


class Words(nn.Module):
    """Tokens, a mask, and a choice of them at the end."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embed, self.mix, self.head = nn.Embedding(20, 8), nn.Linear(8, 8), nn.Linear(8, CLASSES)

    def forward(self, input_ids, attention_mask):
        z = self.mix(self.embed(input_ids)) * attention_mask[..., None]
        return SimpleNamespace(logits=self.head(z.sum(1) / attention_mask.sum(1, keepdim=True)))


def sentences(lengths=(5, 7), samples=SAMPLES):
    """Batches of sentences, each padded to its own length; of which padding has numbers, too."""
    random = torch.Generator().manual_seed(0)
    for i, length in enumerate(lengths):
        kept = torch.arange(length) < torch.randint(1, length + 1, (samples // 2, 1), generator=random)
        yield {
            "input_ids": torch.randint(20, (samples // 2, length), generator=random),
            "attention_mask": kept.long(),
            "labels": (torch.arange(samples // 2) + i) % CLASSES,
            "sentence": ["…"] * (samples // 2),
        }


def by_hand(model, batches, layer, choose):
    rows = []
    for batch in batches:
        with torch.no_grad(), capture(model, [layer]) as seen:
            model(batch["input_ids"], batch["attention_mask"])
        rows += [choose(z[kept]) for z, kept in zip(seen[layer], batch["attention_mask"].bool(), strict=True)]
    return torch.stack(rows)


@pytest.mark.parametrize(
    ("position", "choose"),
    [("mean", lambda tokens: tokens.mean(0)), ("first", lambda tokens: tokens[0]), ("last", lambda tokens: tokens[-1])],
)
def test_padding_is_left_out_and_tokens_are_chosen_by_position(position, choose):
    model, batches = Words(), list(sentences())
    found = ll.inspect(model, batches, position=position, instruments=("targets", "rank"))
    judged = JUDGED
    rows = by_hand(model, batches, "mix", choose)[judged]
    labels = torch.cat([batch["labels"] for batch in batches])[judged]
    at = found.layers.index("mix")
    assert found.values["feature_silhouette"][at].item() == pytest.approx(separation(rows, labels)[1], rel=1e-4)
    assert found.values["effective_rank"][at].item() == pytest.approx(ll.effective_rank(rows), rel=1e-4)


def test_padding_changes_no_number():
    model = Words()
    short, long = list(sentences()), list(sentences())
    for batch in long:
        for key, filling in (("input_ids", 3), ("attention_mask", 0)):
            batch[key] = nn.functional.pad(batch[key], (0, 4), value=filling)
    same(ll.inspect(model, short), ll.inspect(model, long))
    assert ll.inspect(model, short).images is None


class Encoded(nn.Module):
    """Tokens, of which 0 is padding, through an encoder that is told so."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)
        self.embed, self.encoder, self.head = nn.Embedding(20, 16), nn.TransformerEncoder(layer, 2), nn.Linear(16, 3)

    def forward(self, ids):
        return self.head(self.encoder(self.embed(ids), src_key_padding_mask=ids == 0)[:, 0])


@pytest.mark.parametrize("instruments", [None, "rank"])
def test_an_encoder_that_leaves_padding_out_is_read_within_and_left_as_it_was(instruments):
    model, ids = Encoded().eval(), torch.randint(1, 20, (60, 12), generator=torch.Generator().manual_seed(0))
    ids[::2, 8:] = 0
    found = ll.inspect(model, (ids, torch.arange(60) % 3), mask=ids > 0, instruments=instruments)
    layer = "encoder.layers.1.linear2"
    assert model.encoder.use_nested_tensor
    seen = ll.outputs(model, [layer, "head"], ids)
    with capture(model, [layer]) as expected:  # with gradients padding stays
        logits = model(ids)
    torch.testing.assert_close(seen[layer], expected[layer].detach())
    torch.testing.assert_close(seen["head"], logits.detach())
    assert model.encoder.use_nested_tensor
    rows = torch.stack([z[kept].mean(0) for z, kept in zip(seen[layer], ids > 0, strict=True)])[JUDGED]
    at = found.layers.index(layer)
    assert found.values["effective_rank"][at].item() == pytest.approx(ll.effective_rank(rows), rel=1e-4)


def test_samples_of_several_lengths_are_read_by_means_alone():
    with pytest.raises(ValueError, match="^data: expected as many places in every batch .* read their mean"):
        ll.inspect(Words(), list(sentences()), read="flat")
    found = ll.inspect(Words(), list(sentences((6, 6))), read="flat")
    assert found.values["probe_accuracy"].isfinite().all()


@pytest.mark.parametrize("instruments", ["nodes", ("patterns", "rank"), ["targets"], ("filters",), ("pictures",)])
def test_only_what_is_asked_for_is_read(instruments):
    model, data = perceptron(), table()
    whole, found = ll.inspect(model, data), ll.inspect(model, data, instruments=instruments)
    asked = (instruments,) if isinstance(instruments, str) else tuple(instruments)
    assert set(found.to_frame()["instrument"]) == {*asked} - {"pictures"}
    for quantity, values in found.values.items():
        torch.testing.assert_close(values, whole.values[quantity], equal_nan=True)
    assert {which for _, which in found.reasons} <= {*asked}
    assert found.accuracy == whole.accuracy


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"read": "max"}, "read: expected one of 'mean', 'grid', 'flat', got 'max'"),
        ({"position": 3}, "position: expected one of 'mean', 'first', 'last', got 3"),
        ({"instruments": ["node"]}, r"instruments: expected some of .*, got 'node' \(did you mean nodes\?\)"),
        ({"instruments": []}, "instruments: expected some of .*, got none"),
        ({"memory": 0}, "memory: expected bytes above 0, got 0"),
        ({"batch_size": 2.5}, "batch_size: expected a whole"),
        ({"seed": "a"}, "seed: expected a whole number"),
        ({"seed": 2**70}, f"seed: expected a whole number of 64 bits, got {2**70}"),
        ({"memory": 1e4, "read": "flat"}, "memory: expected at least"),
        ({"mask": torch.ones(3, 2)}, r"mask: expected shape \(60, tokens\)"),
    ],
)
def test_other_words_are_refused_before_any_work(options, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        ll.inspect(perceptron(), table(), **options)


def test_labels_of_pixels_are_refused_in_one_sentence():
    with pytest.raises(ValueError, match="^data: expected one label a sample, got shape .*, one for each of its pix"):
        ll.inspect(nn.Conv2d(3, 4, 1), (torch.rand(9, 3, 8, 8), torch.zeros(9, 8, 8, dtype=torch.int64)))


@pytest.mark.parametrize("broken", ["patterns", "nodes", "separated", "rank", "distribution", "drawn"])
def test_one_instrument_that_fails_costs_no_other(monkeypatch, broken):
    from layerlib.inspection import _drawn, _jobs, _lenses, _probing

    def fails(*_, **__):
        raise AttributeError("no such thing. At all.")

    place = {"drawn": _drawn, "rank": _jobs, "distribution": _probing}.get(broken, _lenses)
    monkeypatch.setattr(place, "guided_as_far" if broken == "drawn" else broken, fails)
    split = picture_split(40)
    found = ll.inspect(Plain(), split)
    lost = {"separated": "targets", "drawn": "pictures"}.get(broken, broken)
    told = {which: reason for (_, which), reason in found.reasons.items() if which not in ("filters", "cka")}
    assert told == {lost: "AttributeError: no such thing"}
    assert sum(values.isfinite().all().item() for values in found.values.values()) >= 8


def test_a_large_network_is_read_in_small_batches_within_the_memory():
    model, (x, y) = perceptron(), table(1000)
    sizes = []
    model.register_forward_pre_hook(lambda module, args: sizes.append(len(args[0])))
    wide = ll.inspect(model, (x, y))
    assert max(sizes) == 200
    sizes.clear()
    narrow = ll.inspect(model, (x, y), memory=1e4)
    assert max(sizes) < 50
    same(wide, narrow)


def test_layers_in_step_give_what_they_give_one_by_one(monkeypatch):
    from layerlib.inspection import _jobs, _study

    model, split = Plain(), picture_split(40)
    alone = ll.inspect(model, split)
    for memory in (1e6, 1e12):
        monkeypatch.setattr(_study, "run", lambda jobs, classes, _, memory=memory: _jobs.run(jobs, classes, memory))
        together = ll.inspect(model, split)
        same(alone, together)
        assert together.reasons == alone.reasons


def test_nodes_in_blocks_give_the_same_classes():
    model, data = perceptron(), table(200)
    whole, parts = (ll.inspect(model, data, instruments="nodes", memory=memory) for memory in (2e9, 1e5))
    same(whole, parts)


@pytest.mark.parametrize("read", ["grid", "flat"])
def test_places_are_kept_where_they_are_asked_for(read):
    """A class is where the light is: means over places cannot tell, a grid and single entries can."""
    torch.manual_seed(0)
    x = 0.1 * torch.rand(120, 1, 16, 16)
    y = torch.arange(120) % 4
    for i, label in enumerate(y.tolist()):
        x[i, 0, 8 * (label // 2) :, 8 * (label % 2) :][:8, :8] += 0.5
    around = nn.Conv2d(1, 4, 3, padding=1, padding_mode="circular")  # no border, by which means could tell
    model = nn.Sequential(around, nn.ReLU(), nn.Flatten(), nn.Linear(1024, 4))
    mean, placed = (ll.inspect(model, (x, y), read=each).values for each in ("mean", read))
    assert mean["probe_accuracy"][0] < 0.6 < 0.95 < placed["probe_accuracy"][0]
    assert placed["feature_accuracy"][0] > 0.9


def test_the_labels_and_their_null_share_one_decomposition_of_a_layer(monkeypatch):
    decomposed, eigh = [], torch.linalg.eigh
    monkeypatch.setattr(torch.linalg, "eigh", lambda gram: decomposed.append(len(gram)) or eigh(gram))
    found = ll.inspect(perceptron(), table(), ["0", "2"], read="flat", instruments="distribution")
    assert not found.nulls["probe_accuracy"].isnan().any()
    assert decomposed == [SAMPLES // 2] * 2


def test_flat_and_grid_are_what_one_would_flatten_and_pool():
    torch.manual_seed(0)
    model, split = Plain(), picture_split(40)
    judged = halves(range(40), 0)[1]
    with torch.no_grad(), capture(model.eval(), ["conv1"]) as seen:
        model(as_input(split.images[judged]))
    z, labels = seen["conv1"], split.labels[judged]
    for read, rows in (("flat", z.flatten(1)), ("grid", nn.functional.adaptive_avg_pool2d(z, 4).flatten(1))):
        found = ll.inspect(model, split, ["conv1"], read=read, instruments=("targets", "rank"))
        accuracy, silhouette = separation(rows, labels)
        assert found.values["feature_silhouette"].item() == pytest.approx(silhouette, abs=1e-5)
        assert found.values["feature_accuracy"].item() == pytest.approx(accuracy)
        assert found.values["effective_rank"].item() == pytest.approx(ll.effective_rank(rows), rel=1e-5)


@pytest.mark.parametrize(
    ("most", "read", "asked"),
    [(2000, "mean", ("targets", "rank")), (2000, "flat", "distribution"), (500, "mean", "cka")],
)
def test_samples_that_come_class_by_class_are_read_as_in_any_order(most, read, asked):
    """The first class alone has as many as an instrument takes."""
    random = torch.Generator().manual_seed(0)
    y = torch.arange(5).repeat_interleave(torch.tensor([2 * most, *[most // 5] * 4]))
    x = torch.randn(len(y), 8, generator=random) + 10 * torch.eye(5, 8)[y]
    mixed = torch.randperm(len(y), generator=random)
    options = {"read": read, "instruments": asked, "layers": ["0", "2"] if asked == "cka" else ["0"]}
    classed, any_ = (ll.inspect(perceptron(5), each, **options) for each in ((x, y), (x[mixed], y[mixed])))
    if asked == "cka":
        torch.testing.assert_close(classed.between, any_.between, rtol=0.05, atol=0.02)
        return
    assert all(values.isfinite().all() for values in any_.values.values())
    for quantity, values in any_.values.items():
        torch.testing.assert_close(classed.values[quantity], values, rtol=0.1, atol=0.03)

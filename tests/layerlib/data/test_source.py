"""The same samples in every form that people have them in become the same call of the network."""

from collections import UserDict

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from layerlib.data._source import gather
from layerlib.data.splits import Split

SAMPLES = 10
X = torch.randn(SAMPLES, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(SAMPLES) % 3


class Takes(nn.Module):
    """Notes what it is called with."""

    def __init__(self):
        super().__init__()
        self.linear, self.seen = nn.Linear(3, 3), []

    def forward(self, x, scale=None, attention_mask=None):
        self.seen.append((x, scale, attention_mask))
        return self.linear(x)


class Own(Dataset):
    def __len__(self):
        return SAMPLES

    def __getitem__(self, i):
        return {"x": X[i], "label": int(Y[i])}


class Ragged(Own):
    def __getitem__(self, i):
        return torch.zeros(3 + i % 2), 0


class Stream(IterableDataset):
    def __iter__(self):
        return zip(X, Y, strict=True)


class Bare:
    """A data set that is none of PyTorch's classes."""

    def __len__(self):
        return SAMPLES

    def __getitem__(self, i):
        if i >= SAMPLES:
            raise IndexError
        return X[i].numpy(), Y[i].item()


class Once:
    """An iterable of batches, and how often it was gone through."""

    def __init__(self, size=4):
        self.size, self.times = size, 0

    def __iter__(self):
        self.times += 1
        return zip(X.split(self.size), Y.split(self.size), strict=True)


SOURCES = {
    "tensors": lambda: (X, Y),
    "arrays": lambda: (X.numpy(), Y.numpy().astype(np.uint8)),
    **{f"labels of {kind}": lambda kind=kind: (X, Y.numpy().astype(kind)) for kind in ("u2", "u4", "u8", ">i4", ">u2")},
    "tensors of uint16": lambda: (X, Y.to(torch.uint16)),
    "lists": lambda: [X.double().numpy(), Y.tolist()],
    "words": lambda: (X, [("a", "b", "c")[y] for y in Y]),
    "floats as labels": lambda: (X, Y.float()[:, None]),
    "one dict": lambda: {"x": X, "y": Y},
    "keywords and labels": lambda: ({"x": X}, Y),
    "tensor dataset": lambda: TensorDataset(X, Y),
    "dataset": Own,
    "stream": Stream,
    "no class of PyTorch's": Bare,
    "loader": lambda: DataLoader(TensorDataset(X, Y), batch_size=4),
    "batches": Once,
    "generator": lambda: iter(Once()),
    "list of batches": lambda: list(Once()),
    "dicts": lambda: [{"x": x, "labels": y, "y": None, "id": ["?"] * len(y)} for x, y in Once()],
    "dicts of a kind": lambda: [UserDict(x=x, label=y) for x, y in Once()],
    "dicts of another name": lambda: [{"picture": x, "label": y} for x, y in Once()],
}


@pytest.mark.parametrize("name", SOURCES)
def test_every_form_of_the_same_samples_is_the_same_call(name):
    model = Takes()
    samples = gather(SOURCES[name](), model)
    assert len(samples) == SAMPLES and torch.equal(samples.labels, Y) and samples.labels.dtype == torch.int64
    seen = [call.run(model) for call in samples.batches(torch.ones(SAMPLES, dtype=torch.bool), 3, model.linear.weight)]
    assert [len(each) for each in seen] == [3, 3, 2, 2]
    torch.testing.assert_close(torch.cat([x for x, *_ in model.seen]), X)
    assert all(rest == [None, None] for _, *rest in model.seen)


def test_a_source_is_gone_through_once_and_wanted_samples_keep_their_order():
    source, model = Once(), Takes()
    samples = gather(source, model)
    wanted = torch.arange(SAMPLES) % 2 == 1
    for _ in range(2):
        got = [call.given[0] for call in samples.batches(wanted, 2, X)]
        assert torch.equal(torch.cat(got), X[wanted])
    assert source.times == 1 and torch.equal(samples.take([7, 2]).given[0], X[[7, 2]])
    assert gather(samples, model) is samples


def test_bytes_of_pictures_become_numbers_from_0_to_1_and_floats_take_the_precision_of_the_network():
    pictures = torch.randint(256, (5, 1, 2, 2), dtype=torch.uint8)
    like = torch.zeros(1, dtype=torch.float64)
    split = gather(Split(pictures, torch.arange(5)), Takes())
    assert split.blocks[0].given[0] is pictures
    (call,) = split.batches(torch.ones(5, dtype=torch.bool), 9, like)
    torch.testing.assert_close(call.given[0], pictures / 255.0, check_dtype=False, rtol=1e-6, atol=0)
    tokens, mixed = torch.arange(10).view(5, 2), torch.rand(5, 2, dtype=torch.float32)
    (call,) = gather((tokens, mixed, torch.arange(5)), Takes()).batches(torch.ones(5, dtype=torch.bool), 9, like)
    assert torch.equal(call.given[0], tokens) and call.given[1].dtype == torch.float64


@pytest.mark.parametrize(
    ("input", "key"),
    [
        (lambda b: b["a"] + 1, 0),
        (lambda b: (b["a"] + 1,), 0),
        (lambda b: [b["a"].numpy() + 1], 0),
        (lambda b: {"x": b["a"] + 1, "scale": 2.0}, "x"),
    ],
)
def test_input_turns_a_batch_into_the_call(input, key):
    samples = gather([{"a": x, "labels": y} for x, y in Once()], Takes(), input=input)
    (call,) = samples.batches(torch.ones(SAMPLES, dtype=torch.bool), 99, X)
    torch.testing.assert_close(call.given[key], X + 1)
    model = Takes()
    call.run(model)
    assert model.seen[0][1] == (2.0 if key == "x" else None)


def test_what_all_samples_share_is_shared_by_the_batches_that_input_is_called_on():
    x, y = X.repeat(30, 1), Y.repeat(30)
    (call,) = gather({"x": x, "scale": 2.0, "y": y}, Takes(), input=lambda batch: batch["scale"] * batch["x"]).blocks
    torch.testing.assert_close(call.given[0], 2 * x)


@pytest.mark.parametrize("source", ["tensors", "one dict", "keywords and labels"])
def test_input_is_called_on_what_lies_in_memory_too(source):
    def doubled(batch):
        x = batch["x"] if isinstance(batch, dict) else batch[0]
        return 2 * (x["x"] if isinstance(x, dict) else x)

    (call,) = gather(SOURCES[source](), Takes(), input=doubled).blocks
    torch.testing.assert_close(call.given[0], 2 * X)


def test_masks_are_keys_functions_or_tensors_and_attention_masks_by_default():
    ids, kept = torch.arange(20).view(SAMPLES, 2), torch.tensor([[1, 0]] * SAMPLES)
    batches = [
        {"x": ids[i : i + 4], "attention_mask": kept[i : i + 4], "labels": Y[i : i + 4]} for i in range(0, SAMPLES, 4)
    ]
    for options in ({}, {"mask": "attention_mask"}, {"mask": lambda b: b["attention_mask"]}, {"mask": kept}):
        samples = gather(batches, Takes(), **options)
        (block,) = samples.blocks
        assert block.mask.dtype == torch.bool and torch.equal(block.mask, kept.bool())
        assert torch.equal(block.given["attention_mask"], kept) and torch.equal(block[2:5].mask, kept[2:5].bool())
    assert gather((ids, Y), Takes()).blocks[0].mask is None
    with pytest.raises(ValueError, match=r"mask: expected shape \(4, tokens\), got \(4, 2, 1\)"):
        gather(batches, Takes(), mask=lambda b: b["attention_mask"][..., None])
    kept[6:9] = 0
    for options in ({}, {"mask": kept.float().numpy()}):
        with pytest.raises(ValueError, match="mask: expected a token that counts in every sample, got none in 2 of 4"):
            gather(batches, Takes(), **options)
    with pytest.raises(ValueError, match="mask: expected a key of the batches, got 'masque'"):
        gather(batches, Takes(), mask="masque")


def test_batches_of_several_lengths_stay_apart():
    batches = [(torch.ones(n, length), torch.zeros(n)) for n, length in ((3, 5), (2, 5), (4, 7))]
    samples = gather(batches, Takes())
    assert [tuple(block.given[0].shape) for block in samples.blocks] == [(5, 5), (4, 7)]
    calls = list(samples.batches(torch.arange(9) != 4, 3, X))
    assert [tuple(call.given[0].shape) for call in calls] == [(2, 5), (2, 5), (2, 7), (2, 7)]
    assert [len(call) for call in samples.batches(torch.arange(9) > 5, 3, X)] == [3]  # none of the first length


def test_what_exceeds_the_memory_lies_in_files_and_is_the_same():
    samples = gather(Once(3), Takes(), memory=3 * 3 * 4 * 2 - 1)
    assert len(samples.blocks) > 1 and torch.equal(samples.labels, Y)
    got = torch.cat([call.given[0] for call in samples.batches(torch.ones(SAMPLES, dtype=torch.bool), 2, X)])
    assert torch.equal(got, X)


@pytest.mark.parametrize("kind", ["tensors", "arrays"])
def test_batches_that_come_in_the_same_memory_are_kept_as_they_were(kind):
    smaller = X.amax(1, keepdim=True) > X

    def batches():
        x, y, kept = torch.empty(5, 3), torch.empty(5, dtype=torch.int64), torch.empty(5, 3, dtype=torch.bool)
        for i in (0, 5):
            for buffer, values in ((x, X), (y, Y), (kept, smaller)):
                buffer.copy_(values[i : i + 5])
            batch = {"x": x, "label": y, "kept": kept}
            yield batch if kind == "tensors" else {key: value.numpy() for key, value in batch.items()}

    samples = gather(batches(), Takes(), mask=lambda batch: batch["kept"])
    (block,) = samples.blocks
    assert torch.equal(block.given["x"], X) and torch.equal(block.mask, smaller) and torch.equal(samples.labels, Y)


def test_what_lies_in_memory_is_not_copied_and_no_network_can_change_it():
    class InPlace(nn.Module):
        def forward(self, x):
            return x.sub_(1)

    (block,) = gather((X, Y), InPlace()).blocks
    before = X.clone()
    assert block.given[0].data_ptr() == X.data_ptr()
    for _ in range(2):
        assert torch.equal(block[:2].ready(X).run(InPlace()), before[:2] - 1)
    assert torch.equal(X, before)


def test_a_forward_that_takes_any_name_gets_them_all():
    class Any(nn.Module):
        def forward(self, **given):
            return given

    call = gather({"a": X, "b": X, "labels": Y}, Any()).blocks[0]
    assert set(call.run(Any())) == {"a", "b"}


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (5, "data: expected a Split, .*got int"),
        ("mnist", "data: expected .*got str"),
        (X, r"got Tensor \(10, 3\)"),
        ((X, Y[:3]), "data: expected as many labels as samples, 10, got 3"),
        ([], "data: expected labelled samples, got none"),
        ((X[:0], Y[:0]), "data: expected labelled samples, got none"),
        ((X, None), "data: expected batches"),
        ([X, [X, X]], "data: expected batches"),
        ({"x": X}, "data: expected labels under labels, label, y of each batch, got"),
        ({"a": X, "b": X, "y": Y}, r"keys that forward names, \['attention_mask', 'scale', 'x'\], got \['a', 'b'\]"),
        ([(X[0], Y[0])], "got one sample at a time; wrap it in a DataLoader"),
        (
            (X, torch.zeros(SAMPLES, 8, 8).long()),
            r"one label a sample, got shape \(10, 8, 8\), one for each of its pixels",
        ),
        ((X, 7 * torch.ones(SAMPLES, 8).long()), r"got shape \(10, 8\) with 7, one for each of its tokens"),
        ((X, Y + 0.25), "expected class numbers, or zeros and ones, as labels, got 0.25"),
        ((X, 1 / Y), "expected class numbers, or zeros and ones, as labels, got inf"),
        ((X[:3], [[0], [1, 0], [1]]), "expected as many labels for each sample, got lists of different lengths"),
        (Ragged(), "expected items of a Dataset that stack into a batch, got .*equal size.*; give a DataLoader whose"),
        ((X, Y - 1), "expected class numbers from 0 up as labels, got -1"),
        ((X, np.array([object()] * SAMPLES)), "expected labels as numbers or words, got an array of object"),
        ((np.array([object()] * SAMPLES), Y), "expected numbers, got an array of object"),
        ([([X, X[:2]], Y)], "data: expected tensors of equally many samples"),
        ([({"x": X, "scale": X[:2]}, Y)], r"got \{'x': \(10, 3\), 'scale': \(2, 3\)\}"),
    ],
)
def test_what_is_no_labelled_samples_is_refused_in_one_sentence(data, message):
    with pytest.raises(ValueError, match=message) as caught:
        gather(data, Takes())
    assert "\n" not in str(caught.value) and str(caught.value).startswith("data: ")


def test_rows_of_zeros_and_ones_are_several_labels():
    hot = torch.eye(3)[Y]
    for labels in (hot, hot.bool().numpy(), hot.long()):
        assert torch.equal(gather((X, labels), Takes()).labels, hot)

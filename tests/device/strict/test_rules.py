"""The pretend device refuses what CUDA refuses, allows what CUDA allows, and computes what the CPU computes."""

import contextlib
import copy
import io

import matplotlib.pyplot as plt
import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F

TWO = "Expected all tensors to be on the same device"
INDEX = torch.zeros(1, dtype=torch.int64)


@pytest.fixture
def x():
    return torch.arange(6.0, device="cuda").view(2, 3)


MIXED = {
    "sum": lambda x: x + torch.ones(3),
    "in place": lambda x: torch.ones(2, 3).add_(x),
    "matrix product": lambda x: x @ torch.ones(3, 2),
    "concatenation": lambda x: torch.cat([x, torch.ones(2, 3)]),
    "stack of numbers": lambda x: torch.stack([x[0, 0], torch.ones(())]),
    "labels": lambda x: F.cross_entropy(x, torch.zeros(2, dtype=torch.int64)),
    "network": lambda x: nn.Linear(3, 2)(x),
    "index_select": lambda x: x.index_select(0, INDEX),
    "gather": lambda x: x.gather(0, INDEX[None]),
    "scatter": lambda x: torch.zeros(2, 3).scatter(1, INDEX[None].cuda(), 1.0),
    "index on the device, tensor not": lambda x: torch.ones(2, 3)[INDEX.cuda()],
    "mask on the device, tensor not": lambda x: torch.ones(2, 3)[x > 0],
    "where": lambda x: torch.where(x > 0, torch.ones(2, 3), x),
    "searchsorted": lambda x: torch.searchsorted(torch.ones(3), x),
    "out": lambda x: torch.add(x, 1, out=torch.empty(2, 3)),
}


@pytest.mark.refuses
@pytest.mark.parametrize("mix", MIXED.values(), ids=MIXED)
def test_tensors_of_two_devices_do_not_meet(x, mix):
    with pytest.raises(RuntimeError, match=TWO):
        mix(x)


TO_NUMPY = {
    "numpy": lambda x: x.numpy(),
    "asarray": np.asarray,
    "a list": lambda x: np.mean(list(x)),
    "a number": lambda x: np.array([x[0, 0]]),
    "plot": lambda x: plt.plot(x[0]),
}


@pytest.mark.parametrize("give", TO_NUMPY.values(), ids=TO_NUMPY)
def test_numpy_takes_no_tensor_of_the_device(x, give):
    with pytest.raises(TypeError, match="convert pretend:0 device type tensor to numpy"):
        give(x)


OTHERS = {
    "generator of the CPU": (lambda x: torch.randn(3, device="cuda", generator=torch.Generator()), "a generator on"),
    "generator of the device": (
        lambda x: torch.zeros(3).normal_(generator=torch.Generator(x.device)),
        "a generator on cpu",
    ),
    "histogram": (lambda x: torch.histogram(x, 3), "CUDA has no such operator"),
    "product of integers": (lambda x: x.long() @ x.long().T, "CUDA has no such operator for integers"),
}


@pytest.mark.refuses
@pytest.mark.parametrize(("call", "why"), OTHERS.values(), ids=OTHERS)
def test_what_else_cuda_refuses(x, call, why):
    with pytest.raises(RuntimeError, match=why):
        call(x)


@pytest.mark.refuses
def test_a_refusal_that_was_caught_is_not_forgotten(x):
    from pretend_device import install

    with contextlib.suppress(RuntimeError):
        x + torch.ones(3)
    [found] = install().refused()
    assert found == (
        "Expected all tensors to be on the same device, but found at least two devices, pretend:0 and "
        "cpu: other of shape [3] is on cpu (aten::add.Tensor)"
    )


def test_what_cuda_allows(x):
    assert (x + torch.ones(())).is_cuda and (x * torch.tensor(2.0)).is_cuda
    assert x[torch.tensor([1])].is_cuda and x[torch.tensor([True, False])].is_cuda
    assert torch.where(x > 0, x, torch.tensor(0.0)).is_cuda
    x[torch.tensor([1])] = 5.0
    assert x[1].tolist() == [5, 5, 5]
    assert np.array([value.item() for value in x[1]]).tolist() == [5, 5, 5]


def test_views_share_memory_and_results_may_be_resized(x):
    column = x[:, 1]
    column += 10
    x.t()[0, 0] = -1
    assert x.tolist() == [[-1, 11, 2], [3, 14, 5]]
    out = torch.empty(0, device="cuda")
    torch.add(x, 1, out=out)
    assert out.is_cuda and out.shape == (2, 3) and out[0, 0] == 0
    assert out.resize_(10, 10).zero_().sum() == 0


def test_random_numbers_are_the_device_s_own_and_come_from_its_seed():
    torch.manual_seed(3)
    first, other = torch.rand(4, device="cuda"), torch.rand(4)
    torch.manual_seed(3)
    assert torch.equal(torch.rand(4), other)
    assert torch.equal(torch.rand(4, device="cuda"), first)
    state = torch.cuda.get_rng_state()
    drawn = torch.rand(4, device="cuda")
    torch.cuda.set_rng_state(state)
    with torch.random.fork_rng(devices=[0]):
        assert torch.equal(torch.rand(4, device="cuda"), drawn)
    assert torch.equal(torch.rand(4, device="cuda"), drawn)
    own = torch.Generator(first.device).manual_seed(1)
    assert torch.randn(3, device="cuda", generator=own).is_cuda


def network():
    return nn.Sequential(
        nn.Conv2d(1, 4, 3),
        nn.BatchNorm2d(4),
        nn.ReLU(inplace=True),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.0),
        nn.Linear(36, 5),
    )


OPTIMIZERS = {
    "fused Adam": lambda p: torch.optim.Adam(p, fused=True),
    "Adam": torch.optim.Adam,
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_training_and_saving_as_on_the_cpu(optimizer):
    torch.manual_seed(0)
    ours = network()
    theirs = copy.deepcopy(ours).cuda()
    images, labels = torch.rand(32, 1, 8, 8), torch.randint(5, (32,))
    for model, device in ((ours, "cpu"), (theirs, "cuda")):
        update = optimizer(model.parameters())
        for _ in range(5):
            update.zero_grad()
            F.cross_entropy(model(images.to(device)), labels.to(device)).backward()
            update.step()
    for name, value in theirs.state_dict().items():
        assert value.is_cuda
        torch.testing.assert_close(value.cpu(), ours.state_dict()[name], rtol=1e-4, atol=1e-6)
    file = io.BytesIO()
    torch.save(theirs.state_dict() | {"update": update.state_dict()}, file)
    for place in ("cpu", value.device):
        file.seek(0)
        read = torch.load(file, map_location=place, weights_only=True)
        assert read["6.weight"].is_cuda == (place != "cpu")
        assert torch.equal(read["6.weight"].cpu(), theirs[6].weight.cpu())


def test_a_network_keeps_its_parameters_on_its_way_to_the_device():
    model = network()
    before, weight = list(model.parameters()), model[0].weight.clone()
    model.cuda()
    assert all(a is b and a.is_cuda for a, b in zip(before, model.parameters(), strict=True))
    assert torch.equal(model[0].weight.cpu(), weight)
    model.cpu()
    assert all(a is b and not a.is_cuda for a, b in zip(before, model.parameters(), strict=True))


def test_networks_side_by_side():
    nets = [nn.Linear(3, 2).cuda() for _ in range(3)]
    values, buffers = stack_module_state(nets)
    template = copy.deepcopy(nets[0]).to("meta")
    run = vmap(lambda v, b, x: functional_call(template, (v, b), (x,)), randomness="different")
    out = run(values, buffers, torch.rand(3, 7, 3, device="cuda"))
    out.sum().backward()
    assert out.shape == (3, 7, 2) and values["weight"].grad.is_cuda


def test_attention_is_computed_by_its_definition():
    query = torch.randn(2, 4, 5, 8)
    found = F.scaled_dot_product_attention(*[query.cuda()] * 3)
    expected = (query @ query.mT / 8**0.5).softmax(-1) @ query
    assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected)


def test_operators_of_many_kinds(x):
    bag = F.embedding_bag(
        torch.tensor([[0, 1]], device="cuda"), x, mode="sum", per_sample_weights=torch.ones(1, 2, device="cuda")
    )
    assert bag.tolist() == [[3, 5, 7]]
    for found, expected in (
        (torch.cdist(x, x), torch.cdist(x.cpu(), x.cpu())),
        (torch.linalg.eigh(x @ x.T)[0], torch.linalg.eigh(x.cpu() @ x.cpu().T)[0]),
        (torch.fft.rfft(x).abs(), torch.fft.rfft(x.cpu()).abs()),
        (x.unique(), x.cpu().unique()),
    ):
        assert found.is_cuda
        torch.testing.assert_close(found.cpu(), expected)
    with torch.inference_mode():
        assert (x * 2).mean() == 5 and x.nonzero().shape == (5, 2)

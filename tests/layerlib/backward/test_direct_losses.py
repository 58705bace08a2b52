import pytest
import torch
from torch import nn
from torch.nn import functional as F

from layerlib.backward.direct_losses import alignment, decoded, direct_loss_bp, direct_loss_fp, gradient_gaps
from layerlib.backward.targets import propagate
from layerlib.models import MLP


def dnn6(activation="relu"):
    torch.manual_seed(0)
    return MLP((784, *[100] * 5, 10), activation=activation, bias="all")


def cnn():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(1, 4, 5, stride=3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.Conv2d(4, 6, 3, groups=2, dilation=2, bias=False),
        nn.GELU(),
        nn.ConvTranspose2d(6, 3, 2),
        nn.Flatten(),
        nn.Linear(108, 10),
    )


def batch(dtype, n=16):
    torch.manual_seed(1)
    return torch.rand(n, 1, 28, 28, dtype=dtype), torch.randint(0, 10, (n,))


@pytest.mark.parametrize("model", [dnn6(), dnn6("tanh"), cnn()], ids=["dnn6", "tanh", "cnn"])
@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_direct_losses_have_the_whole_losss_gradient_in_every_layer(model, dtype, most):
    model = model.to(dtype).train(False)
    x, y = batch(dtype)
    model.zero_grad()
    F.cross_entropy(model(x), y, reduction="sum").backward()
    for each in propagate(model, x, y).values():
        whole = [p.grad for p in each.layer.parameters()]
        encoder = torch.autograd.grad(
            direct_loss_fp(each.layer, each.input, each.target).sum(), list(each.layer.parameters())
        )
        decoder = torch.autograd.grad(direct_loss_bp(each.layer, each.input, each.target).sum(), each.layer.weight)
        for got, wanted in zip([*encoder, *decoder], [*whole, each.layer.weight.grad], strict=True):
            assert (got - wanted).norm() <= most * wanted.norm()
    gaps = gradient_gaps(model, x, y)
    assert max(gap for row in gaps.values() for gap in row.values()) <= most


def test_gradient_gaps_name_what_there_is_and_leave_the_model_as_it_was():
    model, (x, y) = cnn().double(), batch(torch.float64)
    model[0].requires_grad_(False)
    gaps = gradient_gaps(model, x, y)
    assert [list(row) for row in gaps.values()] == [
        ["fp weight", "fp bias", "bp weight"],
        ["fp weight", "bp weight"],
        *[["fp weight", "fp bias", "bp weight"]] * 2,
    ]
    assert not model[0].weight.requires_grad and model.training
    assert all(p.grad is None for p in model.parameters())


def test_gradient_gaps_sum_over_the_calls_of_a_shared_layer():
    class Shared(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = nn.Linear(4, 4)

        def forward(self, x):
            return self.inner(torch.tanh(self.inner(x)))

    gaps = gradient_gaps(Shared().double(), torch.rand(5, 4, dtype=torch.float64), torch.arange(5) % 4)
    assert list(gaps) == ["inner"] and max(gaps["inner"].values()) < 1e-10


def test_the_values_are_the_papers_formulas():
    torch.manual_seed(0)
    layer, o, t = nn.Linear(4, 3).double(), torch.rand(5, 4).double(), torch.randn(5, 3).double()
    w, b = layer.weight.detach(), layer.bias.detach()
    for i in range(5):
        torch.testing.assert_close(direct_loss_fp(layer, o, t)[i].detach(), t[i] @ (w @ o[i] + b))
        torch.testing.assert_close(direct_loss_bp(layer, o, -t)[i].detach(), -o[i] @ (w.T @ t[i]))
        torch.testing.assert_close(decoded(layer, o, t)[i].detach(), w.T @ t[i])


def test_inputs_and_targets_are_constants():
    layer, o, t = nn.Linear(4, 3), torch.rand(5, 4, requires_grad=True), torch.randn(5, 3, requires_grad=True)
    (direct_loss_fp(layer, o, t) + direct_loss_bp(layer, o, t)).sum().backward()
    assert o.grad is None and t.grad is None and layer.weight.grad is not None


def test_alignment_is_dot_product_and_cosine_even_of_tiny_vectors():
    a, b = torch.tensor([[3.0, 4.0], [1e-30, 0.0], [0.0, 0.0]]), torch.tensor([[4.0, 3.0], [1.0, 1.0], [1.0, 1.0]])
    dot, cosine = alignment(a, b)
    torch.testing.assert_close(dot, torch.tensor([24.0, 1e-30, 0.0], dtype=torch.float64), rtol=1e-6, atol=0)
    torch.testing.assert_close(cosine[:2], torch.tensor([0.96, 0.5**0.5], dtype=torch.float64))
    assert cosine[2].isnan()


def test_shapes_that_do_not_fit_are_refused():
    layer = nn.Linear(4, 3)
    for loss in (direct_loss_fp, direct_loss_bp):
        with pytest.raises(ValueError, match=r"target: expected shape \(5, 3\), that of the layer's output, got"):
            loss(layer, torch.rand(5, 4), torch.rand(5, 4))
    with pytest.raises(ValueError, match=r"a, b: expected the same shape \(N, …\), got \(5, 4\) and \(5, 3\)"):
        alignment(torch.rand(5, 4), torch.rand(5, 3))

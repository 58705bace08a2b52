"""Networks of the chapters, and where to tap them."""

from collections import OrderedDict
from collections.abc import Sequence
from itertools import pairwise
from numbers import Integral

from torch import nn

ACTIVATIONS = {"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "tanh": nn.Tanh}


class MLP(nn.Sequential):
    """Fully connected network whose layers are named ``linear1, relu1, linear2, …`` (Davel et al. 2020, sec. 3.1).

    Weights start uniform in ±√(3/fan_in), of variance 1/fan_in (LeCun et al. 1998), biases at zero.

    Parameters
    ----------
    widths : numbers of nodes from input to output, as in ``(784, 100, 100, 10)``
    activation : "relu", "sigmoid" or "tanh", after every hidden layer; the output is linear
    bias : "first" (only layer 1 has one, as in the paper), "all" or "none"
    batch_norm : normalise the pre-activations of every hidden layer (``norm1, norm2, …``)

    Raises
    ------
    ValueError
        if ``widths`` has no hidden-to-output step or a width below 1, or an option is unknown

    Examples
    --------
    >>> MLP((784, 100, 10))(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """

    def __init__(self, widths: Sequence[int], activation: str = "relu", bias: str = "first", batch_norm: bool = False):
        widths = tuple(widths)
        if len(widths) < 2 or any(not isinstance(w, Integral) or w is True or w < 1 for w in widths):
            raise ValueError(f"widths: expected at least two whole numbers from 1 up, got {widths}")
        if activation not in ACTIVATIONS:
            raise ValueError(f"activation: expected one of {sorted(ACTIVATIONS)}, got {activation!r}")
        if bias not in ("first", "all", "none"):
            raise ValueError(f"bias: expected 'first', 'all' or 'none', got {bias!r}")
        layers = OrderedDict(flatten=nn.Flatten())
        last = len(widths) - 1
        for i, (fan_in, width) in enumerate(pairwise(map(int, widths)), start=1):
            linear = nn.Linear(fan_in, width, bias=bias == "all" or (bias == "first" and i == 1))
            nn.init.uniform_(linear.weight, -((3 / fan_in) ** 0.5), (3 / fan_in) ** 0.5)
            if linear.bias is not None:
                nn.init.zeros_(linear.bias)
            layers[f"linear{i}"] = linear
            if i < last:
                if batch_norm:
                    layers[f"norm{i}"] = nn.BatchNorm1d(width)
                layers[f"{activation}{i}"] = ACTIVATIONS[activation]()
        super().__init__(layers)

    def __getitem__(self, index: int | slice) -> nn.Module:
        """A layer by number, or several as a plain ``nn.Sequential``."""
        if isinstance(index, slice):
            return nn.Sequential(OrderedDict(list(self.named_children())[index]))
        return super().__getitem__(index)


def dnn6(activation: str = "relu") -> MLP:
    """The network of Xie & Lai 2018: 784-100-100-100-100-100-10, six layers with weights, a bias in each.

    Weights start uniform in ±√(6/(fan_in + fan_out)) (Glorot & Bengio 2010), biases at zero.

    Parameters
    ----------
    activation : as of ``MLP``

    Raises
    ------
    ValueError
        if ``activation`` is unknown

    Examples
    --------
    >>> dnn6()(torch.zeros(5, 1, 28, 28)).shape
    torch.Size([5, 10])
    """
    model = MLP((784, *[100] * 5, 10), activation, bias="all")
    for name in taps(model):
        nn.init.xavier_uniform_(model.get_submodule(name).weight)
    return model


def taps(model: MLP) -> list[str]:
    """Names of the layers that hold the pre-activations of ``model``, first to last, then the output layer.

    Raises
    ------
    ValueError
        for a network whose taps are not fixed here: name its layers yourself, ``capture`` takes any
    """
    if not isinstance(model, MLP):
        raise ValueError(
            f"model: taps are fixed for MLP only, got {type(model).__name__}; "
            "give the names of its layers (model.named_modules()) instead"
        )
    prefix = "norm" if any(name.startswith("norm") for name, _ in model.named_children()) else "linear"
    depth = sum(name.startswith("linear") for name, _ in model.named_children())
    return [f"{prefix}{i}" for i in range(1, depth)] + [f"linear{depth}"]

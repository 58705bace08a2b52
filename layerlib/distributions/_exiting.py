"""A network that stops computing for every sample that has left it early."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor, fx, nn

from layerlib._batches import check_input
from layerlib._checks import checked, kind_of
from layerlib._forward import evaluating, running
from layerlib._tensors import all_finite, floats, network, numbers
from layerlib.distributions._rules import Confident, ConfidentRatio, Rule
from layerlib.distributions.probes import LayerProbes
from layerlib.layers._names import named_layers


class Probes(Protocol):
    """Classifiers of a network's taps, such as ``layerlib.distributions.probes.LayerProbes``."""

    names: Sequence[str]
    """The taps, in the order in which they run."""

    def probability(self, name: str, output: Tensor) -> Tensor:
        """Probabilities (n, K), given the output (n, ...) of tap ``name``."""


class EarlyExit(nn.Module):
    """A network that stops computing for every sample that has left (Cao et al. 2022, algorithm 3).

    At each tap the internal classifier's probabilities are read, samples that satisfy the rule leave with them,
    and the rest of the batch goes on without these. At the last tap all leave. The network runs in evaluation
    mode and is afterwards as it was; gradients flow unless the caller forbids them.

    Parameters
    ----------
    model : network whose forward takes one tensor, batch first, and that torch.fx can follow between the taps;
        what lies inside a tap or beside them may be anything
    probes : classifiers of its taps, with the ``names`` and the ``probability`` of ``Probes``
    rule : ``ConfidentRatio``, ``Confident``, or any callable that takes probabilities (n, K) and gives bool (n,)

    Raises
    ------
    ValueError
        if torch.fx cannot follow the model, a name is not a layer or runs other than once and in order, more than
        its output is needed after a tap (inside a residual block, say), the rule cannot be called, or a module that
        contains a tap has forward hooks, which would not run; that also later, when it is called

    Examples
    --------
    >>> early = EarlyExit(model, probes, ConfidentRatio(s2=0.9, rho=0.8))
    >>> probabilities, layers = early.exit(torch.zeros(5, 1, 64, 64))
    >>> probabilities.shape, layers.shape
    (torch.Size([5, 20]), torch.Size([5]))
    """

    @checked(model=network)
    def __init__(self, model: nn.Module, probes: Probes, rule: Rule):
        super().__init__()
        if not callable(rule):
            raise ValueError(f"rule: expected a callable such as ConfidentRatio(s2, rho), got {rule!r}")
        if not all(hasattr(probes, name) for name in ("names", "probability")):
            raise ValueError(f"probes: expected classifiers of taps, such as LayerProbes, got {kind_of(probes)}")
        self.model, self.probes, self.rule = model, probes, rule
        self._graph, self._segments = _segments(model, tuple(probes.names))

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities at the exit of each sample.

        Parameters
        ----------
        x : shape (N, …), as the network takes it

        Returns
        -------
        float, shape (N, K)
        """
        return self.exit(x)[0]

    @checked(x=numbers)
    def exit(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities, and where each sample left.

        Parameters
        ----------
        x : shape (N, …), as the network takes it

        Returns
        -------
        probabilities : float, shape (N, K)
        taps : int64, shape (N,), the numbers of the taps, from 0

        Raises
        ------
        ValueError
            if the network does not run on ``x``, or numbers become infinite on the way
        """
        _check_hooks(self.model, self.probes.names)
        if not x.ndim:
            raise ValueError("x: expected shape (N, …), got ()")
        like = next(self.model.parameters(), x)
        check_input(x, like, self.model)
        x = x.to(like.device)
        walk = fx.Interpreter(self.model, graph=self._graph)
        # a segment needs the output of the tap before, and parameters that the forward reads by itself
        fixed = {
            node: node.args[0] if node.op == "placeholder" else walk.run_node(node)
            for node in self._graph.nodes
            if _is_fixed(node)
        }
        kept, rows = x, torch.arange(len(x), device=x.device)
        left: list[tuple[Tensor, Tensor, Tensor]] = []
        with evaluating(self):
            for number, (start, nodes, name) in enumerate(self._segments):
                walk.env = fixed | {start: kept}
                for node in nodes:
                    with running("x", x):
                        walk.env[node] = walk.run_node(node)
                kept = walk.env[nodes[-1]]
                probabilities, finite = self._answers(name, kept)
                leaves, leaving = self._leaves(probabilities, finite, name, last=number == len(self._segments) - 1)
                staying = len(leaves) - leaving
                going_on, gone = leaves.int().argsort(stable=True).split([staying, len(leaves) - staying])
                left.append((rows[gone], probabilities[gone], torch.full_like(gone, number)))
                if not staying:
                    break
                if len(gone):
                    rows, kept = rows[going_on], kept[going_on]
        order, probabilities, layers = map(torch.cat, zip(*left, strict=True))
        back = order.argsort()
        return probabilities[back], layers[back]

    def _answers(self, name: str, output: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities at the tap ``name``; and whether all numbers there are finite, bool, shape ()."""
        if type(self.probes) is not LayerProbes:  # type: ignore[comparison-overlap]
            probabilities = self.probes.probability(name, output)
            return probabilities, all_finite(probabilities)
        probabilities = self.probes._probability(name, floats("output", output))
        return probabilities, all_finite(output) & all_finite(probabilities)

    def _leaves(self, probabilities: Tensor, finite: Tensor, name: str, last: bool) -> tuple[Tensor, int]:
        """Which samples leave at the tap ``name``, and how many: a GPU is waited for once a tap."""
        fits = ((probabilities >= 0) & (probabilities <= 1)).all()
        try:
            leaves = self._said(probabilities, last)
        except Exception:
            _check_finite(finite, name)  # which comes first
            raise
        well, fits, leaving = torch.stack([finite, fits, leaves.sum()]).tolist()
        _check_finite(well, name)
        if not (fits or last):
            self.rule(probabilities)  # which says what is wrong, where it wants probabilities
        return leaves, leaving

    def _said(self, probabilities: Tensor, last: bool) -> Tensor:
        if last:
            return torch.ones(len(probabilities), dtype=torch.bool, device=probabilities.device)
        ours = type(self.rule) in (Confident, ConfidentRatio) and probabilities.is_floating_point()
        leaves = self.rule._unasked(probabilities) if ours else self.rule(probabilities)  # type: ignore[attr-defined]
        if leaves.dtype != torch.bool or leaves.shape != probabilities.shape[:1]:
            raise ValueError(
                f"rule: expected it to give bool, shape {tuple(probabilities.shape[:1])}, "
                f"got {leaves.dtype} {tuple(leaves.shape)}"
            )
        return leaves


def _check_finite(finite: Tensor | bool, name: str) -> None:
    if not finite:
        raise ValueError(f"x: expected numbers that come out finite, got larger ones at {name!r}")


class _UpToTaps(fx.Tracer):
    """Follows the forward of modules that contain a tap; every other module is one step."""

    def __init__(self, names: tuple[str, ...]):
        super().__init__()
        self.names = names

    def is_leaf_module(self, module: nn.Module, name: str) -> bool:
        return not any(tap.startswith(f"{name}.") for tap in self.names)


def _segments(model: nn.Module, names: tuple[str, ...]) -> tuple[fx.Graph, list[tuple[fx.Node, list[fx.Node], str]]]:
    """The traced graph, and for each tap the node to start from, the nodes to run, and the tap's name."""
    named_layers(model, names)  # refuses a name that is no layer
    _check_hooks(model, names)
    inside = [(tap, name) for tap in names for name in names if tap.startswith(f"{name}.")]
    if inside:
        raise ValueError("names: expected taps beside one another, got {!r} inside {!r}".format(*inside[0]))
    with evaluating(model):
        try:
            inputs = inspect.signature(model.forward).parameters.values()
            defaults = {given.name: given.default for given in inputs if given.default is not given.empty}
            graph = _UpToTaps(names).trace(model, concrete_args=defaults or None)
        except Exception as error:
            raise ValueError(
                f"model: torch.fx cannot follow the forward of {type(model).__name__} between its taps ({error})"
            ) from error
    nodes = [node for node in graph.nodes if not _is_fixed(node) and node.op != "output"]
    if [node.op for node in nodes].count("placeholder") != 1:
        raise ValueError(
            f"model: expected a forward of one input without a default, "
            f"got {[node.target for node in graph.nodes if node.op == 'placeholder']}"
        )
    at = [[i for i, node in enumerate(nodes) if node.op == "call_module" and node.target == name] for name in names]
    for name, runs in zip(names, at, strict=True):
        if len(runs) != 1:
            raise ValueError(f"names: expected layer {name!r} to run once in a forward pass, got {len(runs)} runs")
    places = [runs[0] for runs in at]
    if sorted(set(places)) != places:
        raise ValueError(f"names: expected the taps in the order in which they run, got {list(names)}")
    for name, place in zip(names[:-1], places[:-1], strict=True):
        _check_cut(nodes[:place], set(nodes[place + 1 : places[-1] + 1]), name)
    starts = [0, *places[:-1]]
    return graph, [
        (nodes[start], nodes[start + 1 : place + 1], name)
        for start, place, name in zip(starts, places, names, strict=True)
    ]


def _check_hooks(model: nn.Module, names: Sequence[str]) -> None:
    """Raise if the root, or a module that contains a tap, has forward hooks, which a traced graph does not run."""
    around = {"", *(tap.rsplit(".", i)[0] for tap in names for i in range(1, tap.count(".") + 1))}
    hooked = [
        name
        for name in around
        for module in [model.get_submodule(name)]
        if module._forward_pre_hooks or module._forward_hooks
    ]
    if hooked:
        raise ValueError(
            "model: expected no forward hooks on modules that contain a tap, where they would not run, "
            f"got some on {hooked[0] or type(model).__name__!r}; make them layers of the network"
        )


def _check_cut(before: list[fx.Node], after: set[fx.Node], name: str) -> None:
    """Raise if the nodes ``after`` tap ``name`` need, besides its output, what ran ``before`` it."""
    needed = [node.name for node in before if after.intersection(node.users)]
    if needed:
        raise ValueError(
            f"names: after tap {name!r} the network needs more than its output ({', '.join(needed)}); "
            "choose a tap whose output is all that goes on, such as the whole block around it"
        )


def _is_fixed(node: fx.Node) -> bool:
    return node.op == "get_attr" or (node.op == "placeholder" and bool(node.args))

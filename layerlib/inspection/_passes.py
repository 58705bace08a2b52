"""A batch on its way through a network and back: of each layer the rows that are kept, as soon as they are there.

What a layer puts out and what it is told are many times as large as their rows, and are let go at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property

import torch
from torch import Tensor, nn

from layerlib._batches import check_logits
from layerlib._checks import in_short
from layerlib._forward import label_error
from layerlib.data._samples import Given
from layerlib.inspection._outputs import logits_of, needed
from layerlib.inspection._pooling import Pooling
from layerlib.layers._calls import Call, numbered, recording
from layerlib.layers._channels import Widths, channels_second, in_a_row, precise, widths_of


@dataclass(frozen=True)
class Reader:
    """How a network is read.

    Attributes
    ----------
    places : layer -> what is read, as of ``survey``
    output : what the network puts out -> its logits; None for the usual places
    batch_size : samples at a time
    ahead : the same of passes that only go forward, and keep less
    channels_last : whether pictures lie so in memory
    numbers : how many an operation of a pass is on, for ``one_thread``
    memory : bytes of readings; more lie in files
    weights : by which those of the network are replaced while it is read
    logits : of other samples, which tell whether it puts out logits at all
    """

    model: nn.Module
    places: Mapping[str, str]
    like: Tensor
    pooling: Pooling = field(default_factory=Pooling)
    output: Callable | None = None
    batch_size: int = 200
    ahead: int = 200
    channels_last: bool = False
    numbers: float = math.inf
    memory: float = 2e9
    weights: Mapping[str, Tensor] | None = None
    logits: Tensor | None = None

    @cached_property
    def watched(self) -> dict[str, nn.Module]:
        modules = dict(self.model.named_modules())
        return {name: modules[name] for name in (place.split("#")[0] for place in self.places.values())}

    @cached_property
    def widths(self) -> Widths:
        return widths_of(self.model)

    def run(self, given: Given) -> object:
        """What the network puts out for these samples, logits in place of what holds them."""
        model = (
            self.model
            if self.weights is None
            else (lambda *args, **named: torch.func.functional_call(self.model, self.weights, args, named))
        )
        laid = given.channels_last() if self.channels_last else given
        return logits_of(laid.run(model), len(given), self.output)

    def rows(self, z: Tensor, module: nn.Module, given: Given) -> tuple[Tensor, Tensor]:
        """What is kept of an output of ``module``, or of its target: see ``Pooling``."""
        placed = channels_second(precise(z), module, self.widths, len(given))
        whole = len(z) == len(given)  # the tokens of windows follow in no one order
        return self.pooling(placed, whole and in_a_row(z, module, self.widths), given.mask)


Keep = Callable[[str, str, Tensor], None]  # what is called with a kind of rows, a place and its rows


def forward(
    reader: Reader, given: Given, windows: dict[str, int], keep: Keep, back: bool = False, copied: bool = False
) -> object:
    """One batch through the network, which hands "outputs" to ``keep`` and, where there are others, "peaks".

    Parameters
    ----------
    windows : the rows a sample of each place, as the first batch has them
    back : whether errors go back afterwards, so that each layer hands on its "targets", of a second error "others"
        Those that the loss does not reach have none.
    copied : whether the network goes on with copies of what its layers put out

    Returns
    -------
    what the network puts out

    Raises
    ------
    ValueError
        if a layer puts out other shapes than in the survey, or does not run
    """
    missing = {*reader.places.values()}

    def put(place: str, call: Call) -> None:
        if place not in missing:
            return
        missing.remove(place)
        _check(place, call, len(given), windows)
        z, module, kinds = call.output, call.module, iter(("targets", "others"))  # of the call nothing more is kept
        means, peaks = reader.rows(z, module, given)
        keep("outputs", place, means)
        if peaks is not means:
            keep("peaks", place, peaks)
        if z.requires_grad:  # what was made within no_grad has no step to go back
            z.register_hook(lambda target: keep(next(kinds), place, reader.rows(target, module, given)[0]))

    with torch.set_grad_enabled(back), recording(reader.watched, numbered(put), reachable=True, copied=copied):
        final = reader.run(given)
    if missing:
        raise ValueError(f"model: layer {min(missing)!r} ran for the first samples and not for others")
    return final


def there_and_back(
    reader: Reader,
    given: Given,
    windows: dict[str, int],
    keep: Keep,
    labels: Tensor,
    others: Tensor | None,
    careful: bool = False,
) -> tuple[object, str | None, bool]:
    """One batch forward, and the errors of the ``labels`` and the ``others`` back.

    Parameters
    ----------
    windows, keep : as of ``forward``
    labels : int64, shape (n,)
    others : more errors, shape (n, K)
    careful : whether the weights take part in the way back, and copies are made of all that layers put out
        Few networks need it: those that overwrite what the way back needs, or differentiate in their own weights.

    Returns
    -------
    what the network puts out; why there are no targets, or None; and whether it needed care
    """
    try:
        with nullcontext() if careful else frozen(reader.model):
            final = forward(reader, given, windows, keep, back=True, copied=careful)
            _back(final, labels, others, reader.logits)
    except Exception as error:  # some networks run only where no gradient is kept
        if not careful:
            return there_and_back(reader, given, windows, keep, labels, others, careful=True)
        return forward(reader, given, windows, keep), in_short(error), careful
    return final, None, careful


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Within the context weights of ``model`` ask for no gradient: what only theirs would need is not kept.

    But for one in each attention, which else would go another way, whose numbers differ in the last digits.
    """
    attentions = [module for module in model.modules() if isinstance(module, nn.MultiheadAttention)]
    spared = {id(list(each.out_proj.parameters())[-1]) for each in attentions}
    asking = [each for each in model.parameters() if each.requires_grad and id(each) not in spared]
    try:
        for each in asking:
            each.requires_grad_(False)
        yield
    finally:
        for each in asking:
            each.requires_grad_(True)


def _back(logits: object, labels: Tensor, others: Tensor | None, known: Tensor | None) -> None:
    """∂ℓ/∂z of every sample goes to each layer that the loss reaches, of its own error and then of another's."""
    logits = needed(logits, len(labels))
    if int(labels.max()) >= logits.shape[1]:
        raise ValueError(
            f"data: expected class numbers below {logits.shape[1]}, the number of the network's outputs, "
            f"got {int(labels.max())}"
        )
    y = check_logits(logits, labels, known)
    if leaves := _leaves(logits):
        errors = [label_error(logits.detach(), y)] + ([] if others is None else [others.to(logits)])
        for error in errors:
            torch.autograd.grad(logits, leaves, error, retain_graph=error is not errors[-1], allow_unused=True)


def _leaves(z: Tensor) -> list[Tensor]:
    """Where all ways back from ``z`` end."""
    seen, ahead, found = {None}, [z.grad_fn], []
    while ahead:
        node = ahead.pop()
        if node in seen:
            continue
        seen.add(node)
        ahead += [each for each, _ in node.next_functions]
        if type(node).__name__ == "AccumulateGrad":
            found.append(node.variable)
    return found


def _check(place: str, call: Call, samples: int, windows: dict[str, int]) -> None:
    if not call.readable(samples, windows.setdefault(place, call.windows(samples))):
        got = getattr(call.output, "shape", type(call.output).__name__)
        raise ValueError(
            f"model: expected layer {place!r} to put out ({samples}, …) for {samples} samples, "
            f"got {got}; name the others in layers"
        )

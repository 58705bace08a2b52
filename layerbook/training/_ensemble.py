"""Several networks of one shape as one, so that a single batched pass runs them all."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

State = dict[str, Tensor]


class Single:
    """One network seen as an ensemble of one: a leading dimension of 1 wherever seeds would be."""

    def __init__(self, model: nn.Module):
        self.model = model
        self.parameters = list(model.parameters())
        self.size = 1

    def __call__(self, x: Tensor) -> Tensor:
        return self.model(x[0])[None]

    def train(self, mode: bool) -> None:
        self.model.train(mode)

    def stacked_state(self) -> State:
        return {name: t.detach()[None].clone() for name, t in tensors(self.model).items()}

    def load(self, state: State) -> None:
        copy_into(self.model, {name: t[0] for name, t in state.items()})


class Stacked:
    """Networks of one shape as one: every parameter has a leading dimension of seeds, ``vmap`` runs them at once."""

    def __init__(self, members: Sequence[nn.Module]):
        self.values, self.buffers = stack_module_state(list(members))
        self.parameters = list(self.values.values())
        self.template = copy.deepcopy(members[0]).to("meta")
        self.size = len(members)
        self.run = vmap(lambda values, buffers, x: functional_call(self.template, (values, buffers), (x,)))

    def __call__(self, x: Tensor) -> Tensor:
        return self.run(self.values, self.buffers, x)

    def train(self, mode: bool) -> None:
        self.template.train(mode)

    def stacked_state(self) -> State:
        return {name: t.detach().clone() for name, t in (self.values | self.buffers).items()}

    def load(self, state: State) -> None:
        with torch.no_grad():
            for name, t in (self.values | self.buffers).items():
                t.copy_(state[name])


def tensors(model: nn.Module) -> State:
    """All that training may change, by name: the state dict, and the buffers that are not part of it."""
    held = {name: t for name, t in model.state_dict().items() if isinstance(t, Tensor)}
    return held | {name: t for name, t in model.named_buffers() if name not in held}


@torch.no_grad()
def copy_into(model: nn.Module, state: State) -> None:
    """Give the tensors of a network the values of ``state``."""
    for name, t in [*model.named_parameters(), *model.named_buffers()]:
        t.copy_(state[name])


def unstack(models: Sequence[nn.Module], state: State) -> list[nn.Module]:
    """Copies of ``models``, in evaluation mode, with the weights of the stacked ``state``."""
    members = [copy.deepcopy(model).eval() for model in models]
    for i, member in enumerate(members):
        copy_into(member, {name: t[i] for name, t in state.items()})
    return members

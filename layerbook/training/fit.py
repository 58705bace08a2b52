"""One training loop: data on the device, seeds side by side, the best epoch kept, finished runs stored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from layerbook.training._ensemble import Single, Stacked, State, unstack
from layerbook.training._key import fingerprint
from layerbook.training._loop import errors
from layerbook.training._store import Store
from layerbook.training._trainer import History, train_network
from layerbook.training.settings import (
    ADAM,
    OneCycle,
    Settings,
    binary_cross_entropy,
    cross_entropy,
    mse,
    steps_per_epoch,
)
from layerbook.training.until import Settled, TrainAccuracy, Until
from layerlib._checks import any_whole_number, checked, function, path, whole_number, whole_numbers
from layerlib._forward import as_input, modes_kept, pick_device
from layerlib._tensors import first_parameter, labelled, network
from layerlib.data.splits import Split

__all__ = [
    "ADAM",
    "History",
    "OneCycle",
    "Settings",
    "Settled",
    "Store",
    "TrainAccuracy",
    "Trained",
    "Until",
    "as_input",
    "binary_cross_entropy",
    "cross_entropy",
    "error_rate",
    "fit",
    "fit_ensemble",
    "modes_kept",
    "mse",
    "pick_device",
    "steps_per_epoch",
]


@dataclass
class Trained:
    """Networks trained side by side, in the order of the seeds, and what the run reported."""

    models: list[nn.Module]
    history: History

    def at(self, step: int) -> list[nn.Module]:
        """The networks as they were after ``step`` steps (KeyError if no snapshot was asked there)."""
        return unstack(self.models, self.history.snapshots[step])


def _trainable(argument: str, value: object) -> nn.Module:
    if any(parameter.is_inference() for parameter in network(argument, value).parameters()):
        raise ValueError(f"{argument}: made under torch.inference_mode, which keeps it from learning: make it outside")
    return value


def _data(argument: str, value: object) -> Split | Callable[[int], Split]:
    return value if callable(value) else labelled(argument, value)


def _folder(argument: str, value: object) -> Store | Path:
    return value if isinstance(value, Store) else path(argument, value)


@checked(model=_trainable, train=_data, validation=labelled, seed=any_whole_number, store=_folder)
def fit(
    model: nn.Module,
    train: Split | Callable[[int], Split],
    validation: Split | None = None,
    *,
    seed: int = 0,
    store: Store | str | Path | None = None,
    device: str | torch.device = "auto",
    **settings,
) -> History:
    """Train ``model`` in place; with a validation split, leave it at the epoch with the smallest validation error.

    Parameters
    ----------
    train : a split; or a function of the epoch, counted from 1, that gives the split of that epoch
    epochs, steps : how long, one of the two; after a number of ``steps`` the last epoch may be a part of one
    loss : (logits (N, K), labels (N,) or (N, K)) -> (N,): ``mse``, ``cross_entropy``, ``binary_cross_entropy``
    optimizer : parameters -> optimizer, as in ``partial(torch.optim.SGD, lr=0.1)``
    schedule : step, from 0 -> factor on the optimizer's learning rate in that step; by default 1 throughout
    seed : of the order of the samples, of the noise and of dropout
    noise : standard deviation of Gaussian noise added to the inputs, in units of the pixel range; drawn on the device
    snapshots : steps after which the weights are copied; 0 is before training
    callbacks : each called as ``callback(step, model)``, once before training with step 0, then after every step
    until : rule that ends the training earlier, ``TrainAccuracy(share)`` or ``Settled(patience, tolerance)``. It is
        looked at after each epoch, and the weights of the first that reaches it are kept; where none does, those of
        the last. ``epochs`` or ``steps`` are the most that it may take. In an ensemble each network keeps its own
        epoch, and all go on until the last has reached it.
    store : folder, or ``Store`` of it, where the run is kept under a name made of all that its outcome depends on:
        settings, the network with its values and code, the samples, and the code that trains. A run that was
        interrupted goes on from its last saving (every half minute), a finished one is read back. Callbacks need
        ``state_dict()`` and ``load_state_dict(state)``, so that what they saw is kept too.
    progress : label of the progress bar; none is shown without it, nor under CI

    Raises
    ------
    TypeError
        for a setting that there is not
    ValueError
        for ``epochs``, ``steps`` or ``batch_size`` that are no whole number from 1 up, both or neither of ``epochs``
        and ``steps``, a snapshot after the last step, labels that the network or the loss has no use for, or a loss
        that is not finite or not one number per sample; with ``store``, for a lambda, a local function or an object,
        whose name does not say what it does, a callback without a state, a folder that cannot be written to, or a
        file there that is damaged
    """
    asked = Settings.named(settings)
    network = Single(model.to(pick_device(device)))
    with modes_kept(model), torch.inference_mode(False), torch.enable_grad():
        state, history = _stored(network, [model], [seed], train, validation, store, asked)
        network.load(state)
    names = model.state_dict().keys()
    kept = {
        step: {name: t[0] for name, t in taken.items() if name in names} for step, taken in history.snapshots.items()
    }
    until = [each if each is None else each[0] for each in (history.measured, history.reached)]
    return History(history.loss[0], history.validation_error[0], history.best_epoch[0], kept, history.seconds, *until)


@checked(make_model=function, seeds=whole_numbers, train=_data, validation=labelled, store=_folder)
def fit_ensemble(
    make_model: Callable[[], nn.Module],
    seeds: Sequence[int],
    train: Split | Callable[[int], Split],
    validation: Split | None = None,
    *,
    store: Store | str | Path | None = None,
    device: str | torch.device = "auto",
    **settings,
) -> Trained:
    """Train one network per seed, side by side in one batched pass: the same networks as ``fit`` gives one by one.

    ``make_model()`` is called once per seed, with torch's generator seeded by it. Settings are those of ``fit``
    (``callbacks`` get the batched networks as their model, see ``stacked_state``).

    Raises
    ------
    TypeError, ValueError
        as ``fit``; also for no seed, for networks with dropout, whose chance would differ from ``fit``'s, and for those
        whose layers share weights
    """
    device, settings = pick_device(device), Settings.named(settings)
    if not len(seeds):
        raise ValueError("seeds: expected at least one, got none")
    with torch.inference_mode(False), torch.enable_grad():
        members = [_seeded(make_model, seed).to(device) for seed in seeds]
        if len(list(members[0].parameters())) < len(list(members[0].named_parameters(remove_duplicate=False))):
            raise ValueError(
                "make_model: expected layers with weights of their own, got shared ones: train each with fit"
            )
        network = Stacked(members)
        state, history = _stored(network, members, seeds, train, validation, store, settings)
        return Trained(unstack(members, state), history)


@checked(model=network, split=labelled, batch_size=whole_number)
@torch.no_grad()
def error_rate(model: nn.Module, split: Split, batch_size: int = 2000) -> float:
    """Share of samples answered wrongly in evaluation mode, see `layerlib._forward.wrong`."""
    with modes_kept(model):
        return errors(Single(model), split.to(first_parameter(model).device), batch_size)[0].item()


def _stored(
    network: Single | Stacked,
    members: Sequence[nn.Module],
    seeds: Sequence[int],
    train,
    validation,
    store: Store | str | Path | None,
    settings: Settings,
) -> tuple[State, History]:
    """Train, or read a finished run back; the weights and what was reported."""
    validation = validation and validation.to(network.parameters[0].device)
    if store is None:
        history = train_network(network, seeds, train, validation, settings)
        return network.stacked_state(), history
    store = store if isinstance(store, Store) else Store(store)
    name = fingerprint(members, seeds, train, validation, settings)
    kept = store.read(name)
    if kept is None:
        # weights, their best, Adam's two moments and every snapshot, in the unfinished file and in the finished one
        copies = 2 * (4 + len(settings.snapshots))
        store.prepare(copies * sum(t.nbytes for t in network.stacked_state().values()))
        history = train_network(network, seeds, train, validation, settings, store.unfinished(name))
        kept = {
            "state": network.stacked_state(),
            "history": vars(history),
            "callbacks": [callback.state_dict() for callback in settings.callbacks],
        }
        store.write(name, kept, network.parameters[0].device, history.seconds)
    else:
        for callback, state in zip(settings.callbacks, kept["callbacks"], strict=True):
            callback.load_state_dict(state)
    return kept["state"], History(**kept["history"])


def _seeded(make_model: Callable[[], nn.Module], seed: int) -> nn.Module:
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        return make_model()

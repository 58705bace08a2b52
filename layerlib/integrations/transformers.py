"""A watch in the ``Trainer`` of Hugging Face."""

import warnings
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from layerlib.inspection.watch import Watch

KEPT = "watch.pt"


class WatchCallback(TrainerCallback):
    """Tells ``watch`` of every optimizer step, and keeps what it saw in the trainer's checkpoints.

    A training that is resumed from a checkpoint of its own ``output_dir`` goes on with what is kept there.

    Parameters
    ----------
    watch : on the network that is trained

    Examples
    --------
    >>> Trainer(model, arguments, train_dataset=data, callbacks=[WatchCallback(Watch(model, few, every=100))]).train()
    """

    def __init__(self, watch: Watch):
        self.watch = watch

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A training that is resumed begins at a later step than 0."""
        if not state.global_step:
            return
        if (kept := _checkpoint(args, state) / KEPT).is_file():
            self.watch.load_state_dict(torch.load(kept, weights_only=True))
        else:
            warnings.warn(f"{kept}: no such file: the watch begins anew", stacklevel=2)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One more step was made."""
        self.watch.step()

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """A checkpoint was written."""
        if state.is_world_process_zero:
            torch.save(self.watch.state_dict(), _checkpoint(args, state) / KEPT)


def _checkpoint(args: Any, state: Any) -> Path:
    return Path(args.output_dir, f"{PREFIX_CHECKPOINT_DIR}-{state.global_step}")

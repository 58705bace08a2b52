"""A watch in the ``Trainer`` of Hugging Face."""

from typing import Any

from transformers import TrainerCallback

from layerlib.inspection.watch import Watch


class WatchCallback(TrainerCallback):
    """Tells ``watch`` of every optimizer step.

    Parameters
    ----------
    watch : on the network that is trained

    Examples
    --------
    >>> Trainer(model, arguments, train_dataset=data, callbacks=[WatchCallback(Watch(model, few, every=100))]).train()
    """

    def __init__(self, watch: Watch):
        self.watch = watch

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """One more step was made."""
        self.watch.step()

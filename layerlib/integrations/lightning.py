"""A watch in Lightning's ``Trainer``."""

from typing import Any

from lightning.pytorch import Callback

from layerlib.inspection.watch import Watch


class WatchCallback(Callback):
    """Tells ``watch`` of every optimizer step, and keeps what it saw in Lightning's checkpoints.

    Parameters
    ----------
    watch : on the network that is trained

    Examples
    --------
    >>> Trainer(callbacks=[WatchCallback(Watch(module, data, every=100))]).fit(module, loader)
    """

    def __init__(self, watch: Watch):
        self.watch, self._steps = watch, 0

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """From here on steps count."""
        self._steps = trainer.global_step

    def on_train_batch_end(self, trainer: Any, *_: Any, **__: Any) -> None:
        """A batch is a step only where gradients are not gathered further."""
        for _ in range(trainer.global_step - self._steps):
            self.watch.step()
        self._steps = trainer.global_step

    def state_dict(self) -> dict[str, Any]:
        """What Lightning writes to a checkpoint."""
        return self.watch.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What Lightning reads from a checkpoint."""
        self.watch.load_state_dict(state_dict)

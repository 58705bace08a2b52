"""A folder of finished trainings, and of those that were interrupted: every file whole, and checked when it is read."""

import contextlib
import hashlib
import io
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

from layerbook.provenance import code_state
from layerbook.training.origins import origin
from layerlib._checks import checked, in_short, path
from layerlib._files import replacing

MARK = b"layerlib training 1\n"  # then the digest of what follows
HEADER = len(MARK) + hashlib.sha256().digest_size


@dataclass(frozen=True)
class Kept:
    """One file of a store.

    Parameters
    ----------
    path : where it is, or will be
    """

    path: Path

    def read(self, device: torch.device | str = "cpu") -> dict | None:
        """What was kept, None where there is nothing.

        Raises
        ------
        ValueError
            if the file is not what was written
        """
        try:
            content = self.path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        digest = hashlib.sha256(memoryview(content)[HEADER:]).digest()
        if content[:HEADER] != MARK + digest:
            raise ValueError(
                f"store: {self.path} is damaged, it is not what was written there: "
                "delete it, and what it held is trained again"
            )
        return torch.load(io.BytesIO(memoryview(content)[HEADER:]), map_location=device, weights_only=True)

    def write(self, kept: dict) -> None:
        """Keep ``kept`` instead of what was there.

        Raises
        ------
        OSError
            if it cannot be written; what was there stays
        """
        try:
            with replacing(self.path) as beside, beside.open("w+b") as file:
                file.write(bytes(HEADER))
                torch.save(kept, file)
                file.seek(HEADER)
                digest = hashlib.file_digest(file, "sha256").digest()
                file.seek(0)
                file.write(MARK + digest)
        except (OSError, RuntimeError) as error:  # PyTorch has an error of its own for a full disk
            raise OSError(f"store: {self.path} cannot be written ({in_short(error)})") from error

    def remove(self) -> None:
        """Delete the file, if it is there and can be deleted."""
        with contextlib.suppress(OSError):  # another process may have been faster, a folder read-only
            self.path.unlink()


class Store:
    """A folder of trainings for ``fit(store=…)`` and ``fit_ensemble(store=…)``.

    Parameters
    ----------
    folder : made where it does not exist

    Attributes
    ----------
    used : where each training came from that was kept or read back through this object: name -> origin, as of
        `layerbook.training.origins.origin`

    Examples
    --------
    >>> store = Store("runs")
    >>> history = fit(model, train, epochs=10, store=store)
    >>> [origin["device"] for origin in store.used.values()]
    ['NVIDIA H100']
    """

    @checked(folder=path)
    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        self.used: dict[str, dict] = {}
        self._code: dict | None = None

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    def read(self, name: str) -> dict | None:
        """What was kept of a finished training, None where there is nothing."""
        kept = self._finished(name).read()
        if kept is not None:
            self.used[name] = kept["origin"]
            self.unfinished(name).remove()
        return kept

    def write(self, name: str, kept: dict, device: torch.device, seconds: float) -> None:
        """Keep a training that ends now, and where it came from."""
        self.used[name] = origin(self._code, str(device), seconds)
        self._finished(name).write(kept | {"origin": self.used[name]})
        self.unfinished(name).remove()

    def unfinished(self, name: str) -> Kept:
        """Where a training is kept that is not finished yet."""
        return Kept(self.folder / f"{name}.unfinished.pt")

    def prepare(self, size: int = 0) -> None:
        """Make the folder, see whether files can be written there, and which code it is: before the training.

        Parameters
        ----------
        size : bytes that the training is going to take

        Raises
        ------
        ValueError
            if no file can be written there, or none as large
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise ValueError(
                f"store: expected a folder to write to, got {str(self.folder)!r}: {error.strerror}"
            ) from None
        if size > (free := shutil.disk_usage(self.folder).free):
            raise ValueError(f"store: expected room for {size:.2g} bytes in {str(self.folder)!r}, got {free:.2g}")
        self._code = self._code or code_state()

    def _finished(self, name: str) -> Kept:
        return Kept(self.folder / f"{name}.pt")

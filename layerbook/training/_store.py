"""A folder of finished trainings, and of those that were interrupted: every file whole, and checked when it is read."""

import hashlib
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

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
            raise ValueError(f"store: {self.path} is damaged, it is not what was written there: "
                             "delete it, and what it held is trained again")
        return torch.load(io.BytesIO(memoryview(content)[HEADER:]), map_location=device, weights_only=True)

    def write(self, kept: dict) -> None:
        """Keep ``kept`` instead of what was there."""
        with replacing(self.path) as beside, beside.open("w+b") as file:
            file.write(bytes(HEADER))
            torch.save(kept, file)
            file.seek(HEADER)
            digest = hashlib.file_digest(file, "sha256").digest()
            file.seek(0)
            file.write(MARK + digest)

    def remove(self) -> None:
        """Delete the file; another process may have been faster."""
        self.path.unlink(missing_ok=True)


class Store:
    """A folder of trainings for ``fit(store=…)`` and ``fit_ensemble(store=…)``.

    Parameters
    ----------
    folder : made where it does not exist
    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)

    def __repr__(self) -> str:
        return f"Store({str(self.folder)!r})"

    def finished(self, name: str) -> Kept:
        """Where a finished training is kept."""
        return Kept(self.folder / f"{name}.pt")

    def unfinished(self, name: str) -> Kept:
        """Where one is kept that is not finished yet."""
        return Kept(self.folder / f"{name}.unfinished.pt")

    def prepare(self) -> None:
        """Make the folder, and see whether files can be written there: before the training, not after it.

        Raises
        ------
        ValueError
            if they cannot
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise ValueError(f"store: expected a folder to write to, got {str(self.folder)!r}: "
                             f"{error.strerror}") from None

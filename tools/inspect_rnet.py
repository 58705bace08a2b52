"""The inspection of RNet in the book: python tools/inspect_rnet.py FOLDER

It needs facenet-pytorch, which asks for versions of others that are long gone, and does well without:
make _build/foreign/.ready, which installs it beside the environment.
"""

import sys
from pathlib import Path

import torch
from skimage.data import lfw_subset

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "_build" / "foreign"))  # last, so that nothing of the environment is replaced

from facenet_pytorch.models.mtcnn import RNet  # noqa: E402

import layerlib as ll  # noqa: E402


def samples() -> tuple[torch.Tensor, torch.Tensor]:
    """Faces (1) and other pictures (0), as RNet takes them: 24 pixels a side, three colours, about -1 to 1."""
    pictures = torch.from_numpy(lfw_subset()).float()[:, None, :24, :24].expand(-1, 3, -1, -1)
    return (pictures * 255 - 127.5) / 128, (torch.arange(len(pictures)) < 100).long()


def network(pretrained: bool) -> torch.nn.Module:
    """RNet, putting out logits in place of their softmax; not pretrained, with random weights."""
    torch.manual_seed(0)
    made = RNet(pretrained).eval()
    made.softmax5_1 = torch.nn.Identity()
    return made


def inspection() -> ll.Inspection:
    """Of RNet as it was trained, beside its untrained twin."""
    return ll.inspect(
        network(pretrained=True),
        samples(),
        before=network(pretrained=False),
        output=lambda boxes_and_logits: boxes_and_logits[1],
    )


if __name__ == "__main__":
    found = inspection()
    found.save(Path(sys.argv[1], "rnet.npz"))
    print(found)

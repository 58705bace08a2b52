"""A row of pictures with a slider under it, for the static page: no kernel, no network."""

import base64
import hashlib
import html
import io
import json
from collections.abc import Sequence

from IPython.display import HTML
from matplotlib.figure import Figure
from PIL import Image

_PAGE = """<figure class="layerlib-slider" id="{name}" style="margin: 0">
<img src="{picture}" alt="{alt}" style="max-width: 100%; height: auto; background: white">
<div style="display: flex; gap: 0.8em; align-items: center">
<input type="range" min="0" max="{last}" value="{last}" step="1" autocomplete="off" aria-label="{what}" style="flex: 1">
<output style="min-width: 9em">{label}</output></div>
<script>
(() => {{
  const frames = {frames}, labels = {labels}, alts = {alts};
  const figure = document.getElementById("{name}");
  const [image, slider, output] = ["img", "input", "output"].map((tag) => figure.querySelector(tag));
  slider.oninput = () => {{
    const at = Number(slider.value);
    image.src = frames[at];
    image.alt = alts[at];
    output.textContent = labels[at];
  }};
}})();
</script>
</figure>"""


def png(figure: Figure, dpi: int = 90) -> bytes:
    """A figure as the bytes of a PNG file with few colours, a third of the usual size."""
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    Image.open(drawn).convert("RGB").quantize(64).save(small, format="png", optimize=True)
    return small.getvalue()


def slider(frames: Sequence[bytes], labels: Sequence[str], alt: str, what: str = "frame") -> HTML:
    """Pictures of one size that a reader leafs through; the last is shown first, and stays without a script.

    Parameters
    ----------
    frames : PNG files, see ``png``
    labels : shown beside the slider, one per frame
    alt : what the pictures show, in words; each label is added to it
    what : what the slider moves along, in words

    Raises
    ------
    ValueError
        if there is no frame, a frame is no PNG file, or the lengths differ

    Examples
    --------
    >>> slider([png(before), png(after)], ["iteration 0", "iteration 100"], "Features in the plane", "iteration")
    """
    if not frames or len(frames) != len(labels):
        raise ValueError(
            f"frames, labels: expected one label per frame and at least one, got {len(frames)} frames "
            f"and {len(labels)} labels"
        )
    for i, frame in enumerate(frames):
        if not bytes(frame).startswith(b"\x89PNG\r\n"):
            raise ValueError(f"frames: expected PNG files, frame {i} begins {bytes(frame)[:8]!r}")
    addresses = ["data:image/png;base64," + base64.b64encode(frame).decode() for frame in frames]
    alts = [f"{alt}: {label}" for label in labels]
    name = hashlib.sha256("".join([*addresses, *alts]).encode()).hexdigest()[:12]  # its own, and the same in every run
    return HTML(
        _PAGE.format(
            name=f"slider-{name}",
            picture=addresses[-1],
            alt=html.escape(alts[-1]),
            last=len(frames) - 1,
            what=html.escape(what),
            label=html.escape(labels[-1]),
            frames=json.dumps(addresses),
            labels=_script(labels),
            alts=_script(alts),
        )
    )


def _script(words: Sequence[str]) -> str:
    # "</script>" in a word would end the script
    return json.dumps(list(words)).replace("<", "\\u003c")

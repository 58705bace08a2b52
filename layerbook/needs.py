"""What the chapters need of their parameters together, so that a run that could not end is refused before it trains."""

from collections.abc import Callable, Mapping
from pathlib import Path

from layerbook.chapters import Chapter

Need = tuple[tuple[str, ...], Callable[..., bool], str]


def _snapshots(images: int, batch_size: int, epochs: int, every: int) -> int:
    """How often the filters are looked at: every so many steps."""
    return -(-images // batch_size) * epochs // every


def _of_a_file(fits: Callable[[object], bool]) -> Callable[[str], bool]:
    """Whether what a file holds fits; sets with a name do, each."""

    def read(data: str) -> bool:
        if not Path(data).is_file():
            return True  # a name, or a file that is not there
        from layerlib.data.load import load  # brings torch, which no other need takes

        try:
            found = load(data)
        except ValueError:
            return True  # a damaged file, which the chapter's ``load`` names
        return fits(found)

    return read


def _whole(name: str) -> Need:
    """A data set to train on and to test on, where a file may hold one split alone."""
    expected = "a file with x_train, y_train, x_test and y_test, to train on and to test on"
    return (name,), _of_a_file(lambda found: hasattr(found, "train")), expected


def _at_least(side: int) -> Callable[[str], bool]:
    """Whether the pictures of a file are as high and wide as that."""
    return _of_a_file(lambda found: min(getattr(found, "train", found).images.shape[-2:]) >= side)


# Names of parameters, whether their values go together, and what was expected of the first.
NEEDS: dict[str, list[Need]] = {
    "cooperating_classifiers": [
        _whole("easy"),
        _whole("hard"),
        (("width", "widths"), lambda width, widths: width in widths, "one of widths"),
        (("seeds",), lambda seeds: len(seeds) >= 2, "at least two, whose spread says which differences count"),
        (
            ("depths_compared",),
            lambda depths: len({*depths} - {7, 15}) >= 2,
            "at least two depths besides 7 and 15, the shallowest to compare the others with",
        ),
    ],
    "forward_backward": [
        _whole("easy"),
        _whole("hard"),
        (
            ("iterations",),
            lambda iterations: iterations > 10,
            "more than 10, after which the networks are first looked at",
        ),
    ],
    "layer_distributions": [_whole("data")],
    "filter_evolution": [
        _whole("data"),
        (("data",), _at_least(32), "pictures of at least 32 x 32 pixels, which VGG-16 halves five times"),
        (
            ("images", "batch_size", "epochs", "every"),
            lambda *values: _snapshots(*values) >= 10,
            "enough for ten snapshots, one in so many steps, for an interval over stretches of them",
        ),
        *(
            (
                ("every", images, "batch_size"),
                lambda every, images, batch_size: every <= -(-images // batch_size),
                "at most the steps of an epoch",
            )
            for images in ("images", "images_more")
        ),
        (
            ("resnets_again",),
            lambda names: names and {*names} <= {"preresnet50", "resnet50"},
            "one or both of preresnet50 and resnet50",
        ),
    ],
    "four_lenses": [
        _whole("data"),
        _whole("second"),
        (
            ("looked_at",),
            lambda looked_at: len(looked_at) >= 2 and looked_at[0] == 0 and looked_at == sorted({*looked_at}),
            "steps in order, from 0 on, to compare with the network as it starts",
        ),
    ],
}


def check_needs(chapter: Chapter, values: Mapping[str, object]) -> None:
    """Refuse values that a chapter cannot use together.

    Parameters
    ----------
    chapter : the notebook
    values : of some of its parameters, checked; the others have their defaults

    Raises
    ------
    ValueError
        naming the parameter, what was expected, and what came
    """
    whole = {name: p.default for name, p in chapter.parameters.items()} | dict(values)
    for names, fit, expected in NEEDS.get(chapter.path.stem, ()):
        if set(names) <= set(whole) and not fit(*(_reached(whole[name], chapter.path.parent) for name in names)):
            first, *others = names
            beside = ", ".join(f"{name}={whole[name]}" for name in others)
            raise ValueError(f"{first}: expected {expected}, got {whole[first]}{beside and f' with {beside}'}")


def _reached(value: object, book: Path) -> object:
    """A value as the chapter has it: a file is named as it is reached from the folder of the chapters."""
    return str(book / value) if isinstance(value, str) and value.endswith(".npz") else value

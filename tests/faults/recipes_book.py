"""Valid calls of what the book's notebooks import: trainings, reports, verdicts, chapters."""

import torch
from calling import Recipe
from records import record
from valid import FOLDER, IMAGES, SPLIT, X, net

from layerbook import curves, timing, verdicts
from layerbook.record import write_record
from layerbook.report import Report, below
from layerbook.scoreboard import Scoreboard
from layerbook.training import auxiliary, learning, schedules, settings, until
from layerbook.training.fit import Store, error_rate, fit, fit_ensemble
from layerlib import FilterTracker
from layerlib._forward import pick_device
from layerlib.models import MLP

ANY_WORDS = "words, shown as they are"
BY_NAME = {"settings": "each by its own name"}
MADE = "it is made"
TEACHER = net(3)


def of_book(name, call, arguments, fine=None, without=None):
    return Recipe(f"layerbook.{name}", call, arguments, fine or {}, without or {})


def trained(**given):
    history = fit(**given)
    return history.loss, history.best_epoch


def side_by_side(**given):
    return fit_ensemble(**given).history.loss


def mlp():
    return MLP((36, 5, 3))


def seeded():
    torch.manual_seed(0)
    return mlp()


def asked():
    """What ``fit`` and ``fit_ensemble`` take alike."""
    return dict(
        train=SPLIT,
        validation=SPLIT,
        store=FOLDER / "store",
        device="cpu",
        epochs=2,
        loss=settings.mse,
        optimizer=settings.ADAM,
        schedule=schedules.Decay(5),
        batch_size=5,
        noise=0.1,
        snapshots=(0, 1),
        callbacks=[],
        until=until.TrainAccuracy(0.9),
        progress="shown",
    )


FIT = {
    ("store", "not there"): MADE,
    **{(argument, "none"): "the default" for argument in ("schedule", "until", "progress")},
    ("progress", "another"): ANY_WORDS,
    ("progress", "nothing in it"): ANY_WORDS,
    ("snapshots", "empty"): "no step, no copy",
}

SEEDS = {("seeds", "negative"): "a seed"}
NEW = {("folder", "not there"): MADE}


def report():
    found = Report("toy", "smaller", "60 pictures", kept())
    found.number("error", 0.5)
    found.curve("perplexity", [[1.0, 2.0]], seed=[0], layer=[1, 2])
    found.claim("3", "s", "p", "", below("P", 1.0, 2.0))
    return found


def claimed(item, says, paper, here, **more):
    return report().claim(item, says, paper, here, below("P", 1.0, 2.0), **more)


def kept():
    path = FOLDER / "records" / "toy.json"
    if not path.exists():
        write_record(record(), path)
    return path


def reported(method, **given):
    found = report()
    answer = getattr(found, method)(**given)
    return answer, {name: each for name, each in found.payload().items() if name != "claims"}


def book():
    folder = FOLDER / "book"
    if not folder.exists():
        folder.mkdir()
        (folder / "toy.ipynb").write_text(
            '{"metadata": {}, "nbformat": 4, "nbformat_minor": 5, "cells": [{"cell_type": "code", "metadata": '
            '{"tags": ["parameters"]}, "outputs": [], "source": "depth: int = 6"}]}'
        )
        (folder / "records").mkdir()
    return folder


def tried(test):
    def call(**given):
        return test(**given).to_json()

    return call


def a_test(**more):
    return dict(text="P", value=0.5, threshold=1.0, interval=(0.4, 0.6), strict=False, empty="", form=".3g") | more


WORDY = {
    ("text", "another"): ANY_WORDS,
    ("empty", "another"): ANY_WORDS,
    ("empty", "nothing in it"): "the default",
}
TEST = {
    **WORDY,
    ("form", "nothing in it"): "Python's own format",
    ("value", "NaN"): "nothing was measured: undecided",
    ("value", "infinite"): "beyond all numbers: undecided",
    ("value", "negative"): "a number",
    ("threshold", "negative"): "a number",
    ("interval", "NaN"): "nothing was measured: undecided",
    ("interval", "infinite"): "an open end",
}
NOT_THERE = {("name", fault): "the record has none of that name" for fault in ("another", "nothing in it")}
WORDS = ("says", "paper", "here", "test", "figure")
RECIPES = [
    of_book("training.fit.fit", trained, lambda: dict(model=seeded(), seed=3, **asked()), FIT, BY_NAME),
    of_book(
        "training.fit.fit_ensemble",
        side_by_side,
        lambda: dict(make_model=mlp, seeds=[0, 1], **asked()),
        FIT | SEEDS,
        BY_NAME,
    ),
    of_book("training.fit.error_rate", error_rate, lambda: dict(model=net(), split=SPLIT, batch_size=5)),
    of_book(
        "training._store.Store",
        lambda folder: Store(folder).prepare(),
        lambda: dict(folder=FOLDER / "s"),
        NEW,
    ),
    of_book(
        "training.auxiliary.OutputWatch",
        lambda **given: auxiliary.OutputWatch(**given)(0, net()),
        lambda: dict(images=IMAGES, every=2, batch_size=5),
        {("images", "empty"): "nothing to watch"},
    ),
    of_book(
        "training.auxiliary.WithClassifier",
        lambda **given: auxiliary.WithClassifier(**given)(X[:2]).shape,
        lambda: dict(
            model=net(), name="conv", classes=3, example=IMAGES[:1], auxiliary=True, pool=1, teacher=net(3).eval()
        ),
        {("example", fault): "other numbers go in as they are" for fault in ("floats", "halves")},
    ),
    of_book(
        "training.learning.Learning",
        lambda **given: learning.Learning(**given)(2),
        lambda: dict(model=(m := net()), train=SPLIT, per_epoch=2, tracker=FilterTracker(m, ["conv"], 1), known=0.1),
    ),
    of_book("training.schedules.Decay", lambda every: schedules.Decay(every)(7), lambda: dict(every=5)),
    of_book(
        "training.settings.OneCycle", lambda **given: settings.OneCycle(**given)(3), lambda: dict(steps=9, rise=0.3)
    ),
    of_book("training.settings.steps_per_epoch", settings.steps_per_epoch, lambda: dict(split=SPLIT, batch_size=5)),
    of_book("training.until.TrainAccuracy", lambda share: until.TrainAccuracy(share).share, lambda: dict(share=0.5)),
    of_book(
        "training.until.Settled",
        lambda **given: until.Settled(**given).reached(torch.tensor([[3.0, 2, 1, 1, 1, 1]])),
        lambda: dict(patience=3, tolerance=0.1),
    ),
    of_book("timing.milliseconds", lambda **given: timing.milliseconds(**given) > 0, lambda: dict(call=net, times=2)),
    of_book(
        "curves.stacked",
        lambda found, over: curves.stacked(found, over)["values"],
        lambda: dict(found={("easy", 2): [0.1, 0.2], ("easy", 4): [0.1, 0.1]}, over="depth"),
        {("over", fault): "a name for an axis" for fault in ("another", "nothing in it")},
        {"inner": "axes, each by its name"},
    ),
    of_book(
        "report.Report",
        lambda **given: Report(**given).payload()["size_says"],
        lambda: dict(chapter="toy", size="smaller", size_says="60 pictures", record=kept(), store=Store(FOLDER)),
        {("size_says", fault): ANY_WORDS for fault in ("another", "nothing in it")},
    ),
    of_book(
        "report.Report.number",
        lambda **given: reported("number", **given),
        lambda: dict(name="loss", value=0.5, shown=".3g"),
        {("value", "negative"): "a number", ("shown", "nothing in it"): "Python's own format"},
    ),
    of_book(
        "report.Report.curve",
        lambda **given: reported("curve", **given),
        lambda: dict(name="loss", values=torch.arange(3) / 4, layer=[1, 2, 3]),
        {("values", "NaN"): "a gap", ("layer", "of text"): "names", ("layer", "negative"): "numbers"},
        {"axes": "each by its name"},
    ),
    of_book(
        "report.Report.claim",
        lambda **given: claimed(**given),
        lambda: dict(item="4", says="s", paper="p", here="h", test="t", figure="f"),
        {(word, fault): ANY_WORDS for word in ("item", *WORDS) for fault in ("another", "nothing in it")},
        {"parts": "tests, one after the other"},
    ),
    of_book(
        "report.Report.outcome", lambda **given: reported("outcome", **given), lambda: dict(item="3", side="this run")
    ),
    of_book(
        "report.Report.recorded", lambda name: reported("recorded", name=name), lambda: dict(name="error"), NOT_THERE
    ),
    of_book(
        "report.Report.recorded_curve",
        lambda name: str(report().recorded_curve(name)),
        lambda: dict(name="perplexity"),
        NOT_THERE,
    ),
    of_book(
        "report.Report.side_number",
        lambda **given: reported("side_number", **given),
        lambda: dict(name="error", side="this run"),
    ),
    of_book(
        "report.Report.sides",
        lambda name: {side: each.values for side, each in report().sides(name).items()},
        lambda: dict(name="perplexity"),
    ),
    of_book(
        "scoreboard.Scoreboard",
        lambda **given: len(Scoreboard(**given).rows()),
        lambda: dict(executed=book(), records=book() / "records"),
        {(folder, "not there"): "nothing is there yet" for folder in ("executed", "records")},
    ),
    of_book(
        "scoreboard.Scoreboard.counts",
        lambda side: Scoreboard(book(), book() / "records").counts(side),
        lambda: dict(side="this run"),
    ),
    of_book(
        "scoreboard.Scoreboard.table",
        lambda chapter: Scoreboard(book(), book() / "records").table(chapter).data,
        lambda: dict(chapter="forward_backward"),
    ),
    of_book("verdicts.above", tried(verdicts.above), a_test, TEST),
    of_book("verdicts.below", tried(verdicts.below), a_test, TEST),
    of_book(
        "verdicts.within",
        tried(lambda **given: verdicts.within(**given)),
        lambda: dict(
            text="P", value=0.5, low_threshold=0.1, high_threshold=1.0, interval=(0.4, 0.6), empty="", form=".3g"
        ),
        {key: why for key, why in TEST.items() if key[0] != "threshold"} | {("low_threshold", "negative"): "a number"},
    ),
    of_book("verdicts.shown", tried(verdicts.shown), lambda: dict(text="P", passed=True, empty=""), WORDY),
    of_book(
        "verdicts.undecided",
        tried(verdicts.undecided),
        lambda: dict(text="P", reason="too few"),
        {(argument, "another"): ANY_WORDS for argument in ("text", "reason")},
    ),
    of_book("verdicts.decided", verdicts.decided, lambda: dict(outcomes=["holds", "fails"])),
    Recipe("layerlib._forward.pick_device", pick_device, lambda: dict(device="cpu")),
]

"""One inspection while it is made: the halves of the samples, and what the instruments make of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache, partial

from torch import Tensor, nn

from layerlib._asking import answered
from layerlib._checks import in_short
from layerlib._threads import one_thread
from layerlib.data._samples import Samples
from layerlib.distributions.ridge import SAMPLES, Decomposed, flat_blocks, grams
from layerlib.inspection import _probing as probing
from layerlib.inspection import _sizes as sizes
from layerlib.inspection._about import about
from layerlib.inspection._alike import BETWEEN, apart, between, likeness
from layerlib.inspection._arguments import halves, numbered
from layerlib.inspection._drawn import drawn
from layerlib.inspection._earlier import cka, earlier_outputs, filters, twin_of
from layerlib.inspection._errors import errors_of
from layerlib.inspection._intervals import Resampling
from layerlib.inspection._jobs import Job, by_class, by_sample, run, short
from layerlib.inspection._lenses import SEPARATED, shuffled
from layerlib.inspection._narrow import narrowed
from layerlib.inspection._outputs import accuracy
from layerlib.inspection._passes import Reader
from layerlib.inspection._pooling import Pooling
from layerlib.inspection._reading import Readings, bounded, read
from layerlib.inspection._sampled import Sampled
from layerlib.inspection._sheet import Sheet
from layerlib.inspection.result import Inspection
from layerlib.layers._survey import survey

TO_FIT = {"distribution", "nodes", "targets"}  # the fitted half's errors are the null of targets
OF_OUTPUTS = ("distribution", "patterns", "nodes", "targets", "rank", "cka")


class Study:
    """What `inspect` was given, checked, and what it does with it."""

    def __init__(
        self,
        model: nn.Module,
        like: Tensor,
        samples: Samples,
        pooling: Pooling,
        asked: tuple[str, ...],
        output: Callable | None,
        memory: float,
        batch_size: int | None,
        seed: int,
    ):
        self.model, self.like, self.samples, self.pooling, self.asked = model, like, samples, pooling, asked
        self.output, self.memory, self.batch_size, self.seed = output, memory, batch_size, seed
        self.fitted, self.judged = halves(samples, seed)
        labels = samples.labels.cpu()
        self.own = [labels[half] for half in (self.fitted, self.judged)]  # as the network numbers them
        *both, self.classes = numbered(*self.own)
        self.labels, self.truth = (each.to(like.device, non_blocking=True) for each in both)
        self.mixed = shuffled(self.labels), shuffled(self.truth)  # for the nulls: one tensor for all layers
        self.by_class = self.truth.ndim == 1
        self.resampling = Resampling(len(self.truth), seed, like.device)
        self.learnt = Sampled(len(self.labels), SAMPLES, seed, like.device)
        self.some, self.fewer = (Sampled(len(self.truth), most, seed, like.device) for most in (SEPARATED, BETWEEN))
        self.few = Resampling(len(self.some), seed, like.device)
        self.told = self.some(self.truth), self.some(self.mixed[1])
        if pooling.read == "flat" and (needed := 24 * len(samples) ** 2) > memory:
            raise ValueError(
                f"memory: expected at least {needed:.2g} bytes for the inner products of {len(samples)} "
                f"samples read flat, got {memory:.2g}; take fewer samples"
            )

    def inspected(self, layers: Iterable[str] | None, earlier: Mapping[str, Tensor] | None) -> Inspection:
        few = self.samples.blocks[0][:2].ready(self.like)
        places, reasons = survey(self.model, few, layers)
        size = self.batch_size or 1
        reader = Reader(self.model, places, self.like, self.pooling, self.output, size, size, memory=self.memory)
        parts = [list(places)]
        if self.batch_size is None or self.pooling.read == "flat":
            each, entries = sizes.measured(reader, few, self.by_class and "targets" in self.asked)
            if self.batch_size is None:
                reader = sizes.batched(reader, few, sizes.batch_for(self.memory, each))
            reader = replace(reader, numbers=sizes.numbers(self.model, entries, reader.batch_size))
            if self.pooling.read == "flat":
                parts = sizes.groups(entries, len(self.samples), self.like.element_size(), self.memory)
        sheet, logits, untold = self.readings(reader, parts, reasons, earlier)
        filters(sheet, self.model, earlier, self.seed)
        images, pictures, why, unguided = (
            drawn(
                self.model, self.samples, self.judged, self.like, self.output, untold, sizes.guided(reader.batch_size)
            )
            if "pictures" in self.asked
            else (None, None, None, [])
        )
        sheet.reasons |= {} if why is None else {("input", "pictures"): why}
        twin, why = twin_of(self, reader, parts, reasons, earlier)
        sheet.reasons |= {} if why is None else {("before", "twin"): why}
        found = self.found(sheet, reader, logits)
        more = {"unguided": unguided} if unguided else {}
        return replace(found, images=images, pictures=pictures, about=found.about | more, twin=twin)

    def readings(
        self, reader: Reader, parts: list[list[str]], reasons: Mapping[str, str], earlier: Mapping[str, Tensor] | None
    ) -> tuple[Sheet, Tensor, str | None]:
        """What was read, a group of layers at a time; what the network puts out, and why there are no targets."""
        sheet = Sheet((*reader.places, *reasons), self.asked)
        for layer, reason in reasons.items():
            sheet.refuse(layer, OF_OUTPUTS, reason)
        logits, untold = self.like.new_empty(len(self.truth), 0), None
        for part in parts:
            group = replace(reader, places={layer: reader.places[layer] for layer in part})
            logits, untold = self._layers(sheet, group, earlier)
        return sheet, logits, untold

    def found(self, sheet: Sheet, reader: Reader, logits: Tensor) -> Inspection:
        """What is written down as an inspection, without pictures."""
        return Inspection(
            sheet.layers,
            tuple(reader.places.get(layer, layer) for layer in sheet.layers),
            sheet.values,
            sheet.nulls,
            sheet.draws(),
            sheet.draws(null=True),
            sheet.reasons,
            answered(probing.guess(self.labels, self.truth, self.classes)),
            answered(accuracy(logits, self.own[1], self.resampling)),
            images=None,
            pictures=None,
            about=about(self, reader),
            between=between(sheet.layers, sheet.likeness) if "cka" in self.asked else None,
        )

    def _layers(self, sheet: Sheet, reader: Reader, earlier: Mapping[str, Tensor] | None) -> tuple[Tensor, str | None]:
        """Read both halves, and write down what the instruments make of each layer; logits, and why no targets."""
        first = read(reader, self.samples, self.fitted) if TO_FIT & {*self.asked} else None
        back = self.by_class and "targets" in self.asked
        errors = errors_of(first.logits, self.own[0], self.labels, len(self.truth), self.seed) if back else None
        carried = None if errors is None else self.some(errors.labels)
        known = replace(reader, logits=first.logits) if back and first.logits.numel() else reader
        second = read(known, self.samples, self.judged, self.own[1] if back else None, errors)
        with one_thread(max(z.numel() for z in (self.resampling.counts, *second.outputs.values()))):
            self._measure(sheet, reader, earlier, first, second, carried)
        return second.logits, second.untold

    def _measure(
        self,
        sheet: Sheet,
        reader: Reader,
        earlier: Mapping[str, Tensor] | None,
        first: Readings | None,
        second: Readings,
        carried: Tensor | None,
    ) -> None:
        """What the instruments make of the readings of both halves."""
        fits = bounded([part for part in (first, second) if part is not None], self.like.device)
        good = [layer for layer in reader.places if fits[layer]]
        self._run(self._by_class(sheet, fits, first, second))
        flat = self.pooling.read == "flat"
        outputs = {layer: (None if first is None else first.outputs[layer], second.outputs[layer]) for layer in good}
        dealt = {layer: apart(self.some(z)) for layer, (_, z) in outputs.items()} if "rank" in self.asked else {}
        self._distribution(sheet, outputs, flat)
        if flat:
            outputs = {layer: (None, narrowed(z)) for layer, (_, z) in outputs.items()}
        self._run(
            job
            for layer, (_, z) in outputs.items()
            for job in by_sample(self, sheet, layer, z, dealt.get(layer), second, carried)
        )
        if "cka" in self.asked:
            sheet.likeness |= {layer: likeness(self.fewer(z)) for layer, (_, z) in outputs.items()}
            then = earlier_outputs(reader, self.samples, self.judged, earlier)
            self._run(
                Job(z, cka(sheet, layer, self.some(z), self._then(then, layer), self.few))
                for layer, (_, z) in outputs.items()
            )

    def _then(self, then: Mapping[str, Tensor] | str, layer: str) -> Tensor | str:
        return then if isinstance(then, str) else self.some(short(self, then[layer]))

    def _run(self, jobs: Iterable[Job]) -> None:
        """In step on a device, a quarter of the memory at a time; on a CPU, which waits for nothing, one by one."""
        run(jobs, self.classes, 0 if self.like.device.type == "cpu" else self.memory / 4)

    def _by_class(self, sheet: Sheet, fits: Mapping[str, bool], *both: Readings | None) -> Iterator[Job]:
        for layer, fit in fits.items():
            if fit:
                yield from by_class(self, sheet, layer, *both)
            else:
                sheet.refuse(layer, OF_OUTPUTS, "its outputs are not finite, or too large to be squared")

    def _distribution(self, sheet: Sheet, outputs: Mapping[str, tuple[Tensor | None, Tensor]], flat: bool) -> None:
        if "distribution" not in self.asked or not outputs:
            return
        both = self.labels, self.mixed[0]
        if flat:
            for layer, (fitted, judged) in outputs.items():
                gram, products = grams(flat_blocks(self.learnt(fitted), judged))
                parts = cache(partial(Decomposed.of, gram))  # once for the labels and their null
                measures = (
                    lambda labels=labels, parts=parts, products=products: probing.ridge(
                        parts(), products, self.learnt(labels), self.truth, self.classes, self.resampling
                    )
                    for labels in both
                )
                answered(sheet.measure(layer, "distribution", *measures))
            return
        fitted, judged = zip(*outputs.values(), strict=True)
        try:
            for labels in both:
                rows = answered(probing.distribution(fitted, labels, judged, self.truth, self.classes, self.resampling))
                for layer, row in zip(outputs, rows, strict=True):
                    sheet.write(layer, row, null=labels is not self.labels)
        except Exception as error:  # the other instruments have something to say all the same
            for layer in outputs:
                sheet.refuse(layer, ("distribution",), in_short(error))

"""Internal classifiers: a linear probe on every tap of a network, all trained in one pass (Cao et al. 2022)."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from layerlib._checks import checked, functions, kind_of, number, several_names, text, whole_number
from layerlib._precision import own_precision
from layerlib._room import room
from layerlib._tensors import beside, finite, first_parameter, network, samples
from layerlib.data._pairs import pairs
from layerlib.distributions._features import Features, bar, fill
from layerlib.distributions._labels import targets_of
from layerlib.distributions._taps import Taps
from layerlib.distributions.linear import LinearProbes


class LayerProbes:
    """Linear classifiers on the taps of a frozen network (Cao et al. 2022, sec. 6.1; Alain & Bengio 2016).

    The channels of a tap are averaged over a grid of ``pool`` places each way (tokens: over all of them), then one
    fully connected layer and a sigmoid give a probability for each class: ``LinearProbes`` on what the network puts
    out. Where the channels lie is found as in ``inspect``. A last tap that is the network's own output needs no probe:
    its sigmoid is taken.

    Parameters
    ----------
    model : any module; it is read in evaluation mode and not changed
    names : taps, as ``layerlib.models.taps(model)`` gives them or any names of ``model.named_modules()``
    classes : K
    pool : grid of the average pooling
    heads : taps whose classifier is a layer of the network itself, which reads their means over places: in
        ``{"layer4.1": "fc"}`` tap "layer4.1" answers as the network's own last layer does. None is trained for them

    Attributes
    ----------
    weight, bias : shapes (probes, K, F) and (probes, K), None before training; F as of ``Features``

    Raises
    ------
    ValueError
        for an unknown layer, no layer, ``classes`` or ``pool`` below 1, or a head of what is no tap

    Examples
    --------
    >>> model = build("resnet18", classes=20, channels=1)
    >>> probes = LayerProbes(model, taps(model), classes=20)
    >>> losses = probes.fit(data.train)
    >>> probes.predict(data.test.images).shape
    torch.Size([10, 2000, 20])
    """

    @checked(model=network, names=several_names)
    def __init__(
        self,
        model: nn.Module,
        names: Sequence[str],
        classes: int,
        pool: int = 1,
        heads: Mapping[str, str] | None = None,
    ):
        self.linear, self._taps = LinearProbes(classes), Taps(model, names, classes, pool, heads)
        self.model, self.names, self.classes, self.pool = model, self._taps.names, classes, pool

    @property
    def weight(self) -> Tensor | None:
        """Of all probes, shape (probes, K, features), with zeros for features that a layer does not have."""
        return self.linear.weight

    @property
    def bias(self) -> Tensor | None:
        """Of all probes, shape (probes, K)."""
        return self.linear.bias

    @checked(batch_size=whole_number)
    def features(
        self, split: object, batch_size: int = 500, memory: float = 2e9, progress: str | None = None
    ) -> Features:
        """Run the network once over ``split`` and keep what the taps gave, pooled, on the device of the network.

        That takes probes x N x F numbers of the network's precision: 10,000 pictures on the nine inner taps of a
        ResNet-18, 184 MB; with ``pool=4`` sixteen times as much.

        Parameters
        ----------
        split : labelled samples: a ``Split``, ``(x, y)`` as the network takes them, a ``Dataset``, or a ``DataLoader``
        batch_size : pictures that go through the network at a time
        memory : bytes; features that need more are kept in a temporary file, which ends with them
        progress : label of the progress bar; none is shown without it, nor under CI

        Returns
        -------
        Features, which go to ``fit`` and ``predict`` in place of the pictures
        """
        number("memory", memory, "a number of bytes from 0 up", lambda given: given >= 0)
        split = pairs("split", split, self.model)
        parameter, pooled, answers, end = first_parameter(self.model), None, [], 0
        count = -(-len(split) // batch_size)
        for each, own in bar(self._taps.read(split.images, batch_size), progress, "batch", count):
            if pooled is None:
                sizes = tuple(x.shape[1] for x in each)
                pooled = room((len(each), len(split), max(sizes, default=0)), parameter, memory)
            start, end = end, end + batch_size
            fill(pooled[:, start:end], each)
            answers += [] if own is None else [own.to(pooled.device)]
        own = torch.cat(answers, 1) if answers else None
        return Features(pooled, own, split.labels.to(pooled.device), sizes, parameter.device)  # type: ignore[arg-type]

    @own_precision()
    def fit(
        self,
        split: object,
        targets: Tensor | None = None,
        *,
        penalty: float = 1.0,
        progress: str | None = None,
    ) -> Tensor:
        """Take every probe to its optimum, that of logistic regression; the network is not changed.

        Parameters
        ----------
        split : labelled samples, as of ``features``, or their features where they are there already
        targets : in place of the labels, as of ``LinearProbes.fit``
        penalty : as of ``LinearProbes.fit``
        progress : label of the progress bar; none is shown without it, nor under CI

        Returns
        -------
        float64, shape (probes,), mean binary cross-entropy of each; empty where the only tap is the network's output

        Raises
        ------
        ValueError
            as ``LinearProbes.fit``
        """
        return self.linear.fit(*self._given(split, targets, progress), penalty=penalty, progress=progress)

    @checked(callbacks=functions)
    def train(
        self,
        split: object,
        targets: Tensor | None = None,
        *,
        callbacks: Iterable[Callable] = (),
        progress: str | None = None,
        **schedule,
    ) -> Tensor:
        """Train all probes in one pass, step by step, as the paper does; the network is not changed.

        Parameters
        ----------
        split, targets : as of ``fit``
        callbacks : each called as ``callback(epoch, probes)``, with epoch 0 before training, then after every epoch
        progress : label of the progress bar; none is shown without it, nor under CI
        schedule : ``epochs``, ``batch_size``, ``rate``, ``momentum``, ``weight_decay``, ``loss`` and ``seed`` as of
            ``LinearProbes.train``, whose defaults are the paper's

        Returns
        -------
        float64, shape (epochs, probes), mean loss of each epoch; empty where the only tap is the network's output

        Raises
        ------
        ValueError
            as ``LinearProbes.train``
        """
        told = [lambda epoch, _, callback=callback: callback(epoch, self) for callback in callbacks]
        return self.linear.train(*self._given(split, targets, progress), callbacks=told, progress=progress, **schedule)

    @own_precision()
    def logits(self, features: Features) -> Tensor:
        """Logits of every tap, the network's own output last if it is one.

        Parameters
        ----------
        features : what the taps gave

        Returns
        -------
        float, shape (L, N, K)

        Raises
        ------
        ValueError
            if the features are of other taps, or of another pooling, than the probes were trained on
        """
        if not isinstance(features, Features):
            raise ValueError(f"features: expected what LayerProbes.features gives, got {kind_of(features)}")
        logits = self.linear.logits(features)
        if features.own is None:
            return logits
        probed = self._taps.probed(len(logits))
        rows = [*probed, *(name for name in self.names if name not in probed)]
        return torch.cat([logits, features.own.to(logits.device)])[[rows.index(name) for name in self.names]]

    @checked(batch_size=whole_number)
    def predict(self, images: Tensor | np.ndarray | Features, batch_size: int = 500) -> Tensor:
        """Probability of each class at every tap.

        Parameters
        ----------
        images : samples, as of ``outputs``; or their features
        batch_size : pictures that go through the network at a time

        Returns
        -------
        float, shape (L, N, K)
        """
        if isinstance(images, Features):
            return self.logits(images).sigmoid()
        self.linear.check_fitted()
        images = samples("images", images)
        return torch.cat(list(map(self._probabilities, self._taps.read(images, batch_size))), 1)

    @checked(name=text, output=finite)
    def probability(self, name: str, output: Tensor) -> Tensor:
        """What the probe of one tap makes of that tap's output.

        Parameters
        ----------
        name : of the tap
        output : float, shape (n, …), what the layer put out

        Returns
        -------
        float, shape (n, K), the probability of each class

        Raises
        ------
        ValueError
            if ``name`` is not one of the taps
        """
        return self._probability(name, output)

    def _probability(self, name: str, output: Tensor) -> Tensor:
        """The same without a look at whether the output is finite: a GPU is waited for by each."""
        self.linear.check_fitted()
        if name not in self.names:
            raise ValueError(f"name: expected one of the taps, {list(self.names)}, got {name!r}")
        if output.ndim < 2:
            raise ValueError(f"output: expected shape (n, …), got {tuple(output.shape)}")
        if name in self._taps.heads:
            return self._taps.answer(name, output).sigmoid()
        probed = self._taps.probed(len(self.bias))  # type: ignore[arg-type]
        if name not in probed:
            return output.sigmoid()
        i, output = probed.index(name), beside("output", output, self.weight)  # type: ignore[arg-type]
        pooled = self._taps.pooled(name, output)
        return F.linear(pooled, self.weight[i, :, : pooled.shape[1]], self.bias[i]).sigmoid()  # type: ignore[index]

    def _given(self, split: object, targets: Tensor | None, progress: str | None) -> tuple[Features, Tensor]:
        if not isinstance(split, Features):
            split = pairs("split", split, self.model)
        # before the network runs
        if targets is None:
            given = targets_of("labels", split.labels, len(split), self.classes, soft=False)  # type: ignore[arg-type]
        else:
            given = targets_of("targets", targets, len(split), self.classes)
        return split if isinstance(split, Features) else self.features(split, progress=progress), given

    def _probabilities(self, tapped: tuple[list[Tensor], Tensor | None]) -> Tensor:
        each, own = tapped
        pooled = self.weight.new_zeros(len(each), len(each[0]) if each else own.shape[1], self.weight.shape[2])
        fill(pooled, each)
        return self.logits(Features(pooled, own, None, (), pooled.device)).sigmoid()

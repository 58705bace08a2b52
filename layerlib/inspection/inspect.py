"""The instruments of the book on every layer of any network, in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, nn

from layerlib._checks import any_whole_number, checked, function, size_in_bytes, whole_number
from layerlib.data._source import gather
from layerlib.inspection._arguments import earlier_weights, instruments_of, network_of, one_of
from layerlib.inspection._pooling import POSITIONS, READS, Pooling
from layerlib.inspection._study import Study
from layerlib.inspection.result import Inspection


@checked(input=function, output=function, memory=size_in_bytes, batch_size=whole_number, seed=any_whole_number)
@torch.inference_mode(False)  # gradients on, whatever the caller has switched off
def inspect(
    model: nn.Module,
    data: object,
    layers: Iterable[str] | None = None,
    *,
    before: nn.Module | Mapping[str, Tensor] | None = None,
    read: str = "mean",
    instruments: Iterable[str] | None = None,
    input: Callable | None = None,
    output: Callable | None = None,
    mask: str | Tensor | Callable | None = None,
    position: str = "mean",
    memory: float = 2e9,
    batch_size: int | None = None,
    seed: int = 0,
) -> Inspection:
    """Read every layer of a network with every instrument of the book, in one pass over the data.

    Each layer is read sample by sample: the pre-activation of each node; of each channel of a convolution, or of
    tokens, the mean over places, and for patterns and nodes the largest over places; of an attention or recurrent
    layer, the first of what it puts out. From these numbers alone come

    - *distribution*: ``distance``, the mean Wasserstein distance (uniform cost) of the label distribution of a linear
      probe to the target, and ``probe_accuracy`` (Cao et al. 2022). Channels are standardised for the probes; the
      last layer is given one as well;
    - *patterns*: ``perplexity`` of the on/off patterns, a channel being on where it is above 0 at some place, averaged
      over classes; ``entropy``, likewise, is ln P by its cap, ln of the class's samples (Davel et al. 2020); and
      ``hamming``, the mean Hamming distance of patterns within a class by that between classes, which grades layers
      where no two samples share a pattern;
    - *nodes*: accuracy of the ``discrete``, ``continuous`` and ``combined`` systems (Davel et al. 2020);
    - *targets*: silhouette and k-NN accuracy, by the cosine, of the back-propagated targets and of what the layer puts
      out, "feature", on at most 2,000 samples (Xie & Lai 2018);
    - *rank*: ``effective_rank`` of what the layer puts out, on the same samples;
    - *cka*: the debiased CKA between any two layers, ``between``, on at most 500 samples, and, with ``before``, the
      ``cka`` of what the layer puts out with what it put out then, on at most 2,000;
    - *filters*: with ``before``, the ``change`` of one weight, D_t by the number of weights of a filter, and
      ``relative_change``, ‖W' - W‖ / ‖W‖ (Hu et al. 2018);
    - *twin*: with ``before``, all of this of the network as it was then, beside each number: what an untrained one can
      do as well, nobody had to learn. It takes as long again;
    - *pictures*: guided-bp-DNN's, of a sample of each of the first classes (Xie & Lai 2018). Through attention and
      gates, which cannot be guided, the plain derivative passes; ``about["unguided"]`` names them.

    One half of the samples, picked by ``seed``, trains probes and node systems; all numbers are of the other half, or
    of a sample of it where an instrument takes fewer. The network is read in evaluation mode and not changed. What an
    instrument cannot read it lists with the reason.

    Beside each number stand an interval, from drawing the judged samples (or, of a change, the filters) again, and a
    null: what the same instrument says where there is nothing to be found. For probes, nodes, patterns and outputs the
    labels are shuffled. For targets the errors p - y of other samples are carried back, each keeping its own class:
    what is left is what the errors alone tell. For the rank each feature is dealt out anew among the samples, for CKA
    the samples of the earlier moment; weights that stayed have changed by 0.

    Parameters
    ----------
    model : any module
    data : a ``Split``; ``(x, y)`` of tensors or arrays; a ``Dataset``; a ``DataLoader`` or any iterable of batches
        A batch is a pair ``(x, y)`` or a dict: labels from ``labels``, ``label`` or ``y``, and of the rest the keys
        that ``forward`` names become keyword arguments. Pictures of bytes are divided by 255, other numbers go in as
        they are, floats in the network's precision. It is gone through once. Multi-hot labels leave out the patterns,
        nodes and targets.
    layers : one name or several, of ``model.named_modules()``, read where they put out
        By default every linear and convolution layer, behind the norm that takes its output where there is one, and
        every module with weights of another kind. A layer that runs again is listed again, as ``"name#2"``.
    before : the network, or its ``state_dict()``, at an earlier moment, as a copy
    read : "mean"; "grid", of 4 x 4 places (of a row, 16) in place of all; or "flat", every entry a number of its own
        Flat, the probe is a ridge regression on at most 2,000 of the fitted samples, and the inner products of those
        judged must fit the memory.
    instruments : names of those wanted, by default all
    input : a batch -> what the network is called with: a tensor, several by position, or a dict by name
    output : what the network puts out -> its logits. Tuples and objects with ``logits`` are tried by themselves; one
        logit is that of class 1 against class 0.
    mask : where tokens count, as a key of the batch, a function of it, or for all samples; by default the input
        ``attention_mask`` where there is one
    position : of tokens, the "mean", or the "first" or "last" alone
    memory : bytes, beyond the network, that the readings and a batch may take; readings beyond it lie in a file
    batch_size : samples at a time, by default as many as fit the memory, 200 at most
    seed : of the halves, of samples of them, and of drawing samples again

    Returns
    -------
    Inspection

    Raises
    ------
    ValueError
        if the network is a TorchScript, has no weights or no such layer, normalises by the batch, or does not run on
        the samples; if these are fewer than four or of one class, or no token of one counts; or if an argument is of
        another kind

    Examples
    --------
    >>> inspection = inspect(model, data.test)
    >>> inspection.to_frame().query("quantity == 'distance'")[["layer", "value", "low", "high", "null"]]
    >>> inspection.figure().savefig("layers.png")
    """
    one_of("read", read, READS)
    one_of("position", position, POSITIONS)
    asked, earlier = instruments_of(instruments), earlier_weights(before)
    model, like = network_of(model)
    samples = gather(data, model, input=input, mask=mask, memory=memory)
    study = Study(model, like, samples, Pooling(read, position), asked, output, memory, batch_size, seed)
    return study.inspected(layers, earlier)

"""Where channels and samples lie in what a layer puts out."""

from collections import Counter

from torch import Tensor, float64, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.parametrize import type_before_parametrizations

NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)
OF_TOKENS = (
    nn.Linear,
    nn.Embedding,
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
)
Widths = tuple[Counter[int], Counter[int]]


def widths_of(model: nn.Module) -> Widths:
    """How often there are how many channels around linear layers and norms of tokens; and around convolutions."""
    tokens: Counter[int] = Counter()
    maps: Counter[int] = Counter()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            tokens.update([module.in_features, module.out_features])
        elif isinstance(module, nn.LayerNorm):
            tokens.update([module.normalized_shape[-1]])
        elif isinstance(module, _ConvNd):
            maps.update([module.in_channels, module.out_channels])
        elif isinstance(module, nn.GroupNorm):
            maps.update([module.num_channels])
        elif isinstance(module, _BatchNorm):
            maps.update([module.num_features])
    return tokens, maps


def precise(z: Tensor) -> Tensor:
    """A constant of single precision at least."""
    z = z.detach()
    return z if z.dtype == float64 else z.float()


def channels_second(z: Tensor, module: nn.Module, widths: Widths, samples: int | None = None) -> Tensor:
    """What ``module`` put out, (N, …), with its channels as the second dimension.

    Parameters
    ----------
    samples : N, by default the length of ``z``
        Where that is k · N, the k windows of one sample after the other's, their places become those of the sample:
        (N, channels, places of all its windows).
    """
    z = z.movedim(-1, 1) if _channels_last(z, module, widths) else z
    if samples is None or samples == len(z):
        return z
    z = z[..., None].flatten(2)
    return z.unflatten(0, (samples, -1)).movedim(1, 2).flatten(2)


def in_a_row(z: Tensor, module: nn.Module, widths: Widths) -> bool:
    """Whether ``module`` put out tokens, (N, tokens, channels)."""
    return z.ndim == 3 and _channels_last(z, module, widths)


def _channels_last(z: Tensor, module: nn.Module, widths: Widths) -> bool:
    """Whether channels are the last dimension of what ``module`` put out, as of tokens, or the second, as of maps.

    Where the kind of module does not tell, the widths of the network do.
    """
    if z.ndim == 2:
        return False
    if isinstance(module, nn.LayerNorm):
        if type_before_parametrizations(module) is nn.LayerNorm:
            return len(module.normalized_shape) == 1
        # some bring the channels to the end for the norm, and back
        return z.shape[1] != module.normalized_shape[-1]
    if isinstance(module, (*OF_TOKENS, _ConvNd, *NORMS)):
        return isinstance(module, OF_TOKENS)
    token, map_ = widths[0][z.shape[-1]], widths[1][z.shape[1]]
    if bool(token) != bool(map_):
        return bool(token)
    # both may be: a map is as high as it is wide; else by what is seen more often, else three dimensions are tokens
    square = [z.ndim == 4 and z.shape[i] == z.shape[i + 1] for i in (1, 2)]
    if square[0] != square[1]:
        return square[0]
    return token > map_ if token != map_ else z.ndim == 3

"""Where channels lie in what a layer puts out."""

from torch import Tensor, float64, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd

NORMS = (_BatchNorm, nn.GroupNorm, nn.LayerNorm)


def widths_of(model: nn.Module) -> tuple[set[int], set[int]]:
    """How many channels there are behind linear layers and their norms; and behind convolutions and theirs."""
    tokens, maps = set(), set()
    for module in model.modules():
        if isinstance(module, nn.Linear):
            tokens.add(module.out_features)
        elif isinstance(module, nn.LayerNorm):
            tokens.add(module.normalized_shape[-1])
        elif isinstance(module, _ConvNd):
            maps.add(module.out_channels)
        elif isinstance(module, NORMS):
            maps.add(module.num_channels if isinstance(module, nn.GroupNorm) else module.num_features)  # type: ignore[arg-type]
    return tokens, maps


def channels(z: Tensor, module: nn.Module, widths: tuple[set[int], set[int]]) -> Tensor:
    """Places behind channels, (N, channels, places): channels are the last dimension of tokens, the second of maps."""
    z = precise(z)
    return z[..., None] if z.ndim == 2 else channels_second(z, module, widths).flatten(2)


def precise(z: Tensor) -> Tensor:
    """A constant of single precision at least."""
    z = z.detach()
    return z if z.dtype == float64 else z.float()


def channels_second(z: Tensor, module: nn.Module, widths: tuple[set[int], set[int]]) -> Tensor:
    """What ``module`` put out, (N, …), with its channels as the second dimension."""
    return z.movedim(-1, 1) if z.ndim > 2 and _channels_last(z, module, widths) else z


def in_a_row(z: Tensor, module: nn.Module, widths: tuple[set[int], set[int]]) -> bool:
    """Whether ``module`` put out tokens, (N, tokens, channels)."""
    return z.ndim == 3 and _channels_last(z, module, widths)


def _channels_last(z: Tensor, module: nn.Module, widths: tuple[set[int], set[int]]) -> bool:
    if type(module) is nn.LayerNorm:
        return len(module.normalized_shape) == 1
    if isinstance(module, nn.LayerNorm):  # some bring the channels to the end for the norm, and back
        return z.shape[1] != module.normalized_shape[-1]
    if isinstance(module, (nn.Linear, _ConvNd, *NORMS)):
        return isinstance(module, nn.Linear)
    # of any other module, by what else in the network is as wide; else three dimensions are taken for tokens
    token, map_ = (size in known for size, known in zip((z.shape[-1], z.shape[1]), widths, strict=True))
    return token if token != map_ else z.ndim == 3

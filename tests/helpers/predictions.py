"""Predictions of several layers for several labels, and thresholds, to test rules of early exit with."""

import torch
from hypothesis import strategies as st


def some_probabilities(seed, layers=4, samples=30, classes=6, steps=None, dtype=torch.float64):
    """Probabilities that grow surer with depth; ``steps`` puts many of them exactly on thresholds."""
    generator = torch.Generator().manual_seed(seed)
    labels = (torch.rand(samples, classes, generator=generator) < 0.4).float()
    sure = torch.linspace(0.2, 2, layers)[:, None, None]
    logits = sure * (2 * labels - 1) + 1.5 * torch.randn(layers, samples, classes, generator=generator)
    probabilities = logits.to(dtype).sigmoid()
    return probabilities if steps is None else (probabilities * steps).round() / steps, labels


@st.composite
def cases(draw):
    return some_probabilities(
        draw(st.integers(0, 2**31)),
        draw(st.integers(1, 5)),
        draw(st.integers(1, 20)),
        draw(st.integers(1, 7)),
        draw(st.sampled_from([None, 1, 10])),
        draw(st.sampled_from([torch.float32, torch.float64])),
    )


levels = st.sampled_from([0.5, 0.6, 0.75, 0.9, 1.0]) | st.floats(0.5, 1)
ratios = st.sampled_from([1 / 3, 0.5, 0.6, 2 / 3, 0.75, 0.8, 1.0]) | st.integers(100, 10_000).map(lambda n: n / 10_000)

"""Perplexities on other samples: as wide as they really vary, around what was measured."""

import math

import pytest
import torch

from layerbook.analysis.pattern_draws import perplexity_draws
from layerlib.patterns import layer_perplexity

CODES = torch.randint(2, (600, 12), generator=torch.Generator().manual_seed(0)).bool()
FREQUENT = 1 / torch.arange(1, 601).double() ** 1.1


def samples(number, seed):
    """One layer whose patterns are as frequent as words are; shape (1, 2 number, 12), and two classes."""
    which = torch.multinomial(FREQUENT, 2 * number, True, generator=torch.Generator().manual_seed(seed))
    return CODES[which][None], torch.arange(2).repeat_interleave(number)


def test_draws_vary_as_new_samples_do_and_lie_around_what_was_measured():
    truth = torch.stack([layer_perplexity(*samples(500, seed))[0].log() for seed in range(1, 201)]).std(0)
    active, labels = samples(500, 0)
    drawn = perplexity_draws(active, labels, 300)
    assert drawn.shape == (300, 1, 2)
    torch.testing.assert_close(drawn.log().std(0)[0], truth, rtol=0.25, atol=0)
    torch.testing.assert_close(drawn.log().mean(0), layer_perplexity(active, labels).log(), rtol=1e-12, atol=0)


def test_what_cannot_vary_does_not():
    labels = torch.arange(2).repeat_interleave(32)
    one = torch.ones(1, 64, 9, dtype=torch.bool)
    each = (torch.arange(64)[:, None] >> torch.arange(9) & 1).bool()[None]
    drawn = perplexity_draws(torch.cat([one, each]), labels, 20)
    torch.testing.assert_close(drawn[:, 0], torch.ones(20, 2, dtype=torch.float64))
    torch.testing.assert_close(drawn[:, 1], torch.full((20, 2), 32.0, dtype=torch.float64))


def test_too_few_samples_are_refused():
    with pytest.raises(ValueError, match=r"labels: expected at least four samples a class, got \[3, 5\]"):
        perplexity_draws(torch.ones(1, 8, 2, dtype=torch.bool), torch.tensor([0] * 3 + [1] * 5))


def test_a_draw_is_a_literal_half_of_every_class():
    active, labels = samples(8, 3)
    half = math.log(4)
    values = {round(math.exp(each), 9) for each in perplexity_draws(active, labels, 50).log()[:, 0, 0].tolist()}
    offset = (layer_perplexity(active, labels).log() / math.log(8))[0, 0]
    possible = []
    for chosen in torch.combinations(torch.arange(8), 4):
        p = layer_perplexity(active[0, :8][chosen], torch.zeros(4, dtype=torch.int64)).log() / half
        possible.append(p.item())
    spread = {round(a - b, 6) for a in possible for b in possible}
    drawn = sorted(math.log(v) / math.log(8) for v in values)
    assert all(round(each - drawn[0], 6) in spread for each in drawn) and drawn[0] <= offset <= drawn[-1]

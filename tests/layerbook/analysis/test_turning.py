from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from layerbook.analysis.turning import TurningTracker, angles


def follow(steps=25):
    """A layer whose weights are drawn anew at every step, its tracker, and the weights at the multiples of ten."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 4, 3))
    tracker = TurningTracker(model, "0", every=10, threshold=0.1)
    kept = [model[0].weight.detach().clone()]
    for step in range(1, steps + 1):
        with torch.no_grad():
            model[0].weight.add_(torch.randn_like(model[0].weight))
        tracker.step()
        if step % 10 == 0:
            kept.append(model[0].weight.detach().clone())
    return model, tracker, kept


def test_an_angle_is_the_arc_cosine_averaged_over_filters():
    _, tracker, kept = follow()
    frame = tracker.to_frame()
    flat = [each.flatten(1).double().numpy() for each in kept]
    cosines = [(u * v).sum(1) / np.linalg.norm(u, axis=1) / np.linalg.norm(v, axis=1) for u, v in pairwise(flat)]
    expected = [np.degrees(np.arccos(each)).mean() for each in cosines]
    assert frame.step.tolist() == [10, 20]
    np.testing.assert_allclose(frame.angle, expected)


@pytest.mark.parametrize("angle", [1e-7, 1e-3, 45.0, 90.0, 180.0])
def test_small_and_straight_angles_are_exact_whatever_the_lengths(angle):
    before = torch.tensor([[1.0, 0.0], [0.0, 3.0]], dtype=torch.float64)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    after = 7 * before @ torch.tensor([[c, s], [-s, c]])
    np.testing.assert_allclose(angles(before, after), angle, rtol=1e-7)


def test_a_tracker_goes_on_where_another_was():
    model, tracker, _ = follow()
    other = TurningTracker(model, "0", every=10, threshold=0.1)
    other.load_state_dict(tracker.state_dict())
    assert other.to_frame().equals(tracker.to_frame())
    tracker(0)
    assert tracker.to_frame().empty and "angle" in tracker.to_frame()

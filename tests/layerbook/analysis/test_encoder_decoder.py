"""What the chapter on forward and backward measures, against literal loops over layers, networks and images."""

import pytest
import torch
from torch.nn import functional as F

from layerbook.analysis.contrast import contrasts, near_marks
from layerbook.analysis.encoder_decoder import beyond_permuted, likeness, over_training, stroke_contrasts
from layerbook.analysis.likeness import class_mates, silhouettes, within_classes
from layerbook.analysis.strokes import find_strokes
from layerlib import separation
from layerlib.backward.guided import propagate
from layerlib.data.load import load
from layerlib.models import dnn6


@pytest.fixture(scope="module")
def digits():
    """Sixty digits in double precision, their labels and others."""
    test = load("mnist-mini").test
    torch.manual_seed(0)
    return test.images[:60].double() / 255, test.labels[:60], test.labels[torch.randperm(60)]


def networks(count, seed=0):
    torch.manual_seed(seed)
    return [dnn6().double() for _ in range(count)]


def test_clouds_are_separated_and_aligned_as_each_layer_alone_says(digits):
    images, labels, random = digits
    moments = [networks(2), networks(2, seed=1)]
    separated, aligned = over_training(moments, images, labels, random)
    assert separated.shape == (2, 2, 6, 3, 2) and aligned.shape == (2, 2, 6, 2)
    passes, other = propagate(moments[1][0], images, labels), propagate(moments[1][0], images, random)
    each = passes["linear3"]
    expected = [separation(each.target, labels), separation(other["linear3"].target, random)]
    torch.testing.assert_close(separated[1, 0, 2, :2], torch.tensor(expected))
    dot = -(each.target * each.preactivation).sum(1)
    assert aligned[1, 0, 2, 0].item() == pytest.approx(dot.mean().item(), rel=1e-5)
    cosine = F.cosine_similarity(-each.target, each.preactivation).mean()
    assert aligned[1, 0, 2, 1].item() == pytest.approx(cosine.item(), rel=1e-5)


def test_errors_of_other_images_leave_nothing_at_the_top_and_keep_their_class(digits):
    images, labels, _ = digits
    [model] = networks(1)
    found = beyond_permuted(model, images, labels, ["linear2", "linear6"])
    # at the output the target is the error itself: the same cloud, only in another order
    torch.testing.assert_close(found[1], torch.zeros(60).double(), atol=1e-9, rtol=0)
    order = torch.randperm(60, generator=torch.Generator().manual_seed(3))
    true, sent = propagate(model, images, labels), propagate(model, images, labels, order=order)
    theirs = silhouettes(sent["linear2"].target, labels[order])
    ours = silhouettes(true["linear2"].target, labels)
    for place, image in enumerate(order.tolist()):
        assert found[0, image] == pytest.approx((ours[image] - theirs[place]).item())


def test_likeness_is_of_each_kind_and_averaged_over_networks(digits):
    images, labels, _ = digits
    means = torch.stack([images[labels == c].mean(0) for c in range(10)])
    torch.manual_seed(1)
    noise = [torch.randn_like(images) for _ in range(2)]
    found = likeness([{"own": images, "noise": each} for each in noise], images, means, labels)
    assert list(found) == ["own", "noise"]
    assert found["own"].image.tolist() == pytest.approx([1.0] * 60) and found["own"].nearer.all()
    assert found["own"].each_other == pytest.approx(within_classes(images, labels))
    mates = class_mates(labels)
    for i in range(0, 60, 7):
        cosines = [F.cosine_similarity(each[i].flatten(), images[i].flatten(), 0) for each in noise]
        assert found["noise"].image[i] == pytest.approx(sum(cosines).item() / 2)
        to_mate = F.cosine_similarity(noise[0][i].flatten(), images[mates[i]].flatten(), 0)
        assert found["noise"].nearer[0, i] == (cosines[0] > to_mate)
        to_mean = [F.cosine_similarity(each[i].flatten(), means[labels[i]].flatten(), 0) for each in noise]
        assert found["noise"].class_mean[i] == pytest.approx(sum(to_mean).item() / 2)


def test_contrasts_are_means_over_networks_and_shares_are_kept_for_each():
    images = load("mnist-mini").test.images[:40]
    strokes = find_strokes(images)
    torch.manual_seed(0)
    drawn = [{"a": torch.randn(40, 1, 28, 28).double(), "b": torch.randn(40, 1, 28, 28).double()} for _ in range(2)]
    per_image, marked = stroke_contrasts(iter(drawn), strokes, ["b"], near=["a", "b"])
    assert list(per_image) == ["b"] and marked.shape == (2, 2, 2, 40)
    for key in contrasts(drawn[0]["b"], strokes):
        by_hand = (contrasts(drawn[0]["b"], strokes)[key] + contrasts(drawn[1]["b"], strokes)[key]) / 2
        torch.testing.assert_close(per_image["b"][key], by_hand, equal_nan=True)
    assert torch.equal(marked[0, :, 1], near_marks(drawn[1]["a"], strokes))

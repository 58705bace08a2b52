"""Moving a layer's output from one class to another."""

import pytest
import torch

from layerbook.analysis.intervention import followed, moved
from layerlib import Split, outputs
from layerlib.models import CNN, MLP


def banded(classes=3, each=40, side=4):
    """Pictures of one bright row out of ``classes``, with a little noise."""
    labels = torch.arange(classes).repeat_interleave(each)
    images = torch.randint(0, 20, (len(labels), 1, side, side), generator=torch.Generator().manual_seed(0))
    images[torch.arange(len(labels)), 0, labels] += 200
    return Split(images.to(torch.uint8), labels)


def reader(classes=3, side=4):
    """A network that answers the brightest row, by sums over rows that its first layer keeps apart."""
    model = MLP((side**2, classes, classes), bias="none")
    with torch.no_grad():
        model.linear1.weight.copy_(torch.eye(side)[:classes].repeat_interleave(side, 1))
        model.linear2.weight.copy_(torch.eye(classes))
    return model


def test_a_network_follows_a_layer_that_it_reads_classes_from():
    split = banded(classes=10, side=10)
    [[true, shuffled]] = followed(reader(10, 10), ["linear1"], split, split)
    assert true.all() and true.shape == (len(split),)
    assert shuffled.float().mean() < 0.3


def test_a_network_that_goes_by_nothing_does_not_follow():
    model = reader()
    with torch.no_grad():
        model.linear2.weight.zero_()
    assert not followed(model, ["linear1"], banded(), banded()).any()


def test_the_layer_is_moved_by_the_step_and_the_model_is_as_before_afterwards():
    model, split = CNN(4, 2, 3, 1), Split(banded().images.repeat(1, 1, 2, 2), banded().labels)
    assert followed(model, ["conv1", "conv2"], split, split).shape == (2, 2, len(split))
    assert not model.conv1._forward_hooks and not model.conv2._forward_hooks
    x = split.images[:5]
    plain = outputs(model, "conv2", x)["conv2"]
    step = torch.randn_like(plain)
    with moved(model, "conv2", step):
        assert torch.allclose(outputs(model, "conv2", x)["conv2"], plain + step)
    assert torch.equal(outputs(model, "conv2", x)["conv2"], plain)


def test_a_class_without_a_picture_to_learn_from_is_refused():
    split = banded()
    with pytest.raises(ValueError, match="learn: expected pictures of each of 3 classes"):
        followed(reader(), ["linear1"], split[split.labels < 2], split)

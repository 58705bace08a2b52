"""How alike clouds are, against literal double loops."""

import pytest
import torch
from torch.nn import functional as F

from layerbook.analysis.likeness import class_mates, direction_cka, silhouettes, within_classes
from layerlib import separation


def test_cka_is_one_for_a_rotated_cloud_whatever_its_lengths():
    torch.manual_seed(0)
    a = torch.randn(30, 4).double()
    rotation = torch.linalg.qr(torch.randn(4, 4).double()).Q
    assert direction_cka(a, a @ rotation * torch.rand(30, 1)) == pytest.approx(1)


def test_cka_is_that_of_the_gram_matrices():
    torch.manual_seed(0)
    a, b = torch.randn(20, 3).double(), torch.randn(20, 5).double()
    centre = torch.eye(20).double() - 1 / 20
    grams = [centre @ units @ units.T @ centre for units in (F.normalize(a), F.normalize(b))]
    expected = (grams[0] * grams[1]).sum() / grams[0].norm() / grams[1].norm()
    assert direction_cka(a, b) == pytest.approx(expected.item())


def test_the_mean_cosine_within_classes_is_that_of_all_pairs():
    torch.manual_seed(0)
    vectors, labels = torch.randn(12, 3).double(), torch.arange(12) % 3
    pairs = [
        F.cosine_similarity(vectors[i], vectors[j], 0).item()
        for i in range(12)
        for j in range(12)
        if i != j and labels[i] == labels[j]
    ]
    assert within_classes(vectors, labels) == pytest.approx(sum(pairs) / len(pairs))


def test_silhouettes_of_samples_have_the_mean_that_separation_gives():
    torch.manual_seed(0)
    vectors, labels = torch.randn(40, 5).double(), torch.arange(40) % 4
    assert silhouettes(vectors, labels).mean().item() == pytest.approx(separation(vectors, labels)[1])
    vectors[3] = 0
    assert silhouettes(vectors, labels)[3] == 0


def test_a_mate_is_another_sample_of_the_same_class():
    labels = torch.randint(4, (200,), generator=torch.Generator().manual_seed(0))
    mates = class_mates(labels)
    assert (labels[mates] == labels).all() and (mates != torch.arange(200)).all()
    assert mates.sort().values.tolist() == list(range(200))
    assert not torch.equal(mates, class_mates(labels, seed=1))


def test_a_class_of_one_has_no_mates():
    with pytest.raises(ValueError, match="^labels: expected at least two"):
        class_mates(torch.tensor([0, 0, 1]))

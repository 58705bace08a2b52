"""The inspection of RNet that the book shows is the one that the packages give today."""

from pathlib import Path

import pytest

import layerlib as ll

BOOK = Path(__file__).parents[2] / "book"


def test_the_inspection_of_the_book_is_found_again():
    pytest.importorskip("facenet_pytorch", reason="needs facenet-pytorch")
    from tools.inspect_rnet import inspection

    made, stored = inspection(), ll.Inspection.load(BOOK / "inspections" / "rnet.npz")
    for found, kept in ((made, stored), (made.twin, stored.twin)):
        assert found.layers == kept.layers and found.reasons == kept.reasons
        for quantity, values in kept.values.items():
            # of ranks and neighbours, rounding on another machine moves a sample or two
            loose = 0.05 if quantity in ("target_accuracy", "feature_accuracy", "perplexity") else 0.01
            assert found.values[quantity].numpy() == pytest.approx(values.numpy(), abs=loose, rel=loose, nan_ok=True)
    assert made.between.numpy() == pytest.approx(stored.between.numpy(), abs=0.01)


def test_it_tells_faces_from_others():
    found = ll.Inspection.load(BOOK / "inspections" / "rnet.npz")
    assert found.accuracy == 1 and found.about["samples"] == 200 and found.about["network"] == "RNet"

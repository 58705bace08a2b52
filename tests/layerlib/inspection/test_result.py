"""An inspection kept in a file, written as a page, said in three lines, and compared."""

import copy
import re
from html.parser import HTMLParser

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from networks import NETWORKS, Plain, picture_split
from torch import nn

import layerlib as ll
from layerlib.inspection.result import Inspection


@pytest.fixture(scope="module")
def inspections():
    """A network, and the same after a step."""
    torch.manual_seed(0)
    before, split = Plain(), picture_split(40)
    model = copy.deepcopy(before)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    return ll.inspect(before, split), ll.inspect(model, split, before=before)


@pytest.mark.parametrize("name", ["plain", "unused layer", "softmax", "not finite", "half"])
def test_what_is_saved_is_loaded_again(tmp_path, name):
    torch.manual_seed(0)
    model, split, _ = NETWORKS[name]()
    inspection = ll.inspect(model, split)
    inspection.save(tmp_path / "layers.kept")
    again = Inspection.load(str(tmp_path / "layers.kept"))
    assert again == inspection and again.to_frame().equals(inspection.to_frame())
    assert repr(again) == repr(inspection)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["layers.kept"]
    with np.load(tmp_path / "layers.kept", allow_pickle=False) as file:
        assert all(file[key].dtype != object for key in file.files)


def test_the_network_before_and_what_is_between_layers_are_kept_too(tmp_path, inspections):
    inspections[1].save(tmp_path / "after.npz")
    again = Inspection.load(tmp_path / "after.npz")
    assert again == inspections[1] and again.twin == inspections[1].twin is not None
    assert again.between.isfinite().all() and again.between.shape == 2 * (len(again.layers),)
    assert ll.compare(again.twin, again).paired


def test_tables_are_kept_without_images(tmp_path):
    model = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    inspection = ll.inspect(model, (torch.randn(20, 3), torch.arange(20) % 2), instruments=("nodes", "pictures"))
    inspection.save(tmp_path / "a.npz")
    assert Inspection.load(tmp_path / "a.npz") == inspection and inspection.images is None
    assert "no pictures, but float32 of shape (3,)" in inspection.reasons["input", "pictures"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_pictures_of_low_precision_are_kept_in_single(tmp_path, dtype):
    split = picture_split(24)
    inspection = ll.inspect(Plain().to(dtype), ((split.images / 255).to(dtype), split.labels), instruments="pictures")
    inspection.save(tmp_path / "low.npz")
    assert Inspection.load(tmp_path / "low.npz") == inspection
    assert inspection.images.dtype == inspection.pictures.dtype == torch.float32


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_numbers_and_draws_do_not_depend_on_the_precision_that_is_the_default(dtype):
    model, split = Plain(), picture_split(24)
    expected = ll.inspect(model, split)
    torch.set_default_dtype(dtype)
    try:
        found = ll.inspect(model, split)
    finally:
        torch.set_default_dtype(torch.float32)
    assert found == expected and all(each.dtype == torch.float32 for each in found.draws.values())


def test_equal_is_what_reads_equal(inspections):
    before, after = inspections
    assert before == copy.deepcopy(before) != after and before != 5
    for change in (
        lambda each: each.values["distance"].add_(1e-9),
        lambda each: each.reasons.update({("input", "pictures"): "none"}),
        lambda each: each.draws["discrete"].add_(1),
        lambda each: each.about.pop("seed"),
        lambda each: each.between.add_(1e-9),
        lambda each: each.twin.values["distance"].add_(1e-9),
    ):
        other = copy.deepcopy(after)
        change(other)
        assert other != after
    with pytest.raises(TypeError, match="unhashable"):
        hash(before)


@given(st.data())
def test_a_damaged_file_is_refused_by_name_or_read_as_it_was(tmp_path_factory, inspections, data):
    path = tmp_path_factory.mktemp("damaged") / "layers.npz"
    inspections[0].save(path)
    whole = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        whole = whole[: data.draw(st.integers(0, len(whole) - 1))]
    else:
        whole[data.draw(st.integers(0, len(whole) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(bytes(whole))
    try:
        again = Inspection.load(path)
    except ValueError as error:
        assert str(path) in str(error) and "\n" not in str(error)
    else:
        assert again == inspections[0]


def test_other_files_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.npz: no such file"):
        Inspection.load(tmp_path / "none.npz")
    np.savez(tmp_path / "other.npz", x=np.zeros(3))
    with pytest.raises(ValueError, match=r"other\.npz: damaged, or not an inspection as Inspection.save writes it"):
        Inspection.load(tmp_path / "other.npz")


class Page(HTMLParser):
    """Tags, what they load, and the text between them."""

    def __init__(self):
        super().__init__()
        self.open, self.loaded, self.text, self.tags = [], [], "", set()

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.loaded += [value for key, value in attributes if key in ("src", "href")]
        assert not any(key.startswith("on") for key, _ in attributes)
        if tag not in ("img", "meta", "br", "!doctype"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_a_page_needs_no_other_file_and_holds_everything(inspections, tmp_path):
    text = inspections[1].to_html(tmp_path / "layers.html")
    assert (tmp_path / "layers.html").read_text(encoding="utf-8") == text
    page = Page()
    page.feed(text)
    assert not page.open and {"table", "img", "style", "title"} <= page.tags and "script" not in page.tags
    assert len(page.loaded) == 1 and page.loaded[0].startswith("data:image/png;base64,")
    for word in ("accuracy", "conv1", "target_silhouette", "null", "judged_labels", "torch", inspections[1].layers[-1]):
        assert word in page.text
    assert text == inspections[1].to_html()


def test_names_in_a_page_are_text():
    bad = "<script>alert('&')</script>"
    model = nn.Sequential()
    model.add_module(bad.replace(".", ""), nn.Linear(3, 4))
    model.add_module("$\\frac{$", nn.Linear(4, 2))
    inspection = ll.inspect(model, (torch.randn(20, 3), torch.arange(20) % 2))
    page = Page()
    page.feed(inspection.to_html())
    assert "script" not in page.tags and bad in page.text
    assert "<script" not in inspection._repr_html_()


def test_three_lines_lead_with_accuracy_baseline_and_what_was_not_read(inspections):
    first, second, third = repr(inspections[0]).split("\n")
    assert re.match(r"Plain: accuracy 0\.\d+ on 20 samples of 10 classes, 5 layers read by mean$", first)
    assert re.match(r"baseline: accuracy \S+, distance 0\.\d+ from the frequencies", second)
    assert third == "not read: cka and filters (no earlier weights were given as before)"
    assert repr(inspections[1]).endswith("\nnot read: nothing")
    model, split, _ = NETWORKS["vit"]()
    assert re.search(
        r"not read: .*rank and cka of 2 layers \(it did not run: the network uses its weights",
        repr(ll.inspect(model, split)),
    )


def test_a_comparison_is_the_difference_of_each_number(inspections):
    before, after = inspections
    comparison = ll.compare(before, after)
    frame = comparison.to_frame()
    assert frame.columns.tolist() == ["layer", "instrument", "quantity", "first", "second", "difference", "low", "high"]
    assert comparison.paired and comparison.layers == before.layers
    table = frame.pivot(index="layer", columns="quantity", values="difference")
    assert table.columns.tolist() == list(before.values) and table.index.tolist() == list(before.layers)
    for quantity in ("distance", "combined", "feature_silhouette", "effective_rank"):
        np.testing.assert_allclose(table[quantity], after.values[quantity] - before.values[quantity])
    same = ll.compare(before, before).to_frame()
    read = same["difference"].notna()
    assert (same.loc[read, ["difference", "low", "high"]] == 0).all(axis=None)
    assert "5 layers in both, judged on the same samples" in repr(comparison)


def test_the_same_samples_tell_more_than_others(inspections):
    before, after = inspections
    other = copy.deepcopy(after)
    other.about["judged_labels"] = "others"
    paired, unpaired = (ll.compare(before, each) for each in (after, other))
    assert paired.paired and not unpaired.paired
    frames = [each.to_frame().query("quantity == 'feature_silhouette'") for each in (paired, unpaired)]
    widths = [(frame["high"] - frame["low"]).mean() for frame in frames]
    assert widths[0] < 0.9 * widths[1]


def test_paired_intervals_hold_the_difference_of_many_samples():
    torch.manual_seed(0)
    one, other = (nn.Sequential(nn.Linear(6, 12), nn.ReLU(), nn.Linear(12, 3)) for _ in range(2))

    def difference(samples, seed):
        random = torch.Generator().manual_seed(seed)
        y = torch.randint(3, (samples,), generator=random)
        data = torch.randn(samples, 6, generator=random) + torch.eye(3, 6)[y], y
        both = (ll.inspect(each, data, instruments=("patterns", "rank")) for each in (one, other))
        frame = ll.compare(*both).to_frame()
        return frame[(frame["layer"] == "0") & frame["quantity"].isin(["hamming", "effective_rank"])]

    many = difference(6000, 0)["difference"].to_numpy()
    few = [difference(200, seed) for seed in range(1, 25)]
    held = np.mean([(each["low"].to_numpy() <= many) & (many <= each["high"].to_numpy()) for each in few])
    assert held >= 0.85


def test_the_figure_of_a_comparison_draws_the_differences(inspections):
    drawn = ll.compare(*inspections).figure()
    labels = [ax.get_ylabel().split("\n")[0] for ax in drawn.axes]
    assert labels == ["distance", "entropy of", "Hamming,", "accuracy of", "silhouette", "silhouette", "effective"]
    np.testing.assert_allclose(
        drawn.axes[0].lines[1].get_ydata(), inspections[1].values["distance"] - inspections[0].values["distance"]
    )


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (lambda one: 5, "b: expected an Inspection, got int"),
        (
            lambda one: ll.inspect(nn.Sequential(nn.Linear(3, 2)), (torch.randn(9, 3), torch.arange(9) % 2)),
            r"b: expected layers of the names of those of a, \['conv1', .*got \['0'\]",
        ),
        (lambda one: ll.inspect(Plain(), picture_split(40), instruments="pictures"), "b: expected instruments of"),
    ],
)
def test_what_cannot_be_compared_is_refused(inspections, other, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        ll.compare(inspections[0], other(inspections[0]))

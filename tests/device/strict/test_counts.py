"""Counted operators and host syncs, each at its line."""

import torch
from pretend_device import counted
from pretend_device.counting import ELSEWHERE


def start():
    return torch.arange(6.0, device="cuda").view(2, 3)


def total(counts):
    return counts.launches, counts.syncs


WAITS = {
    "item": lambda x: x[0, 0].item(),
    "float": lambda x: float(x[0, 0]),
    "bool": lambda x: bool(x[0, 0]),
    "tolist": lambda x: x.tolist(),
    "cpu": lambda x: x.cpu(),
    "from the host": lambda x: torch.ones(2).cuda(),
    "nonzero": lambda x: x.nonzero(),
    "mask": lambda x: x[x > 2],
    "unique": lambda x: x.unique(),
    "index of the host": lambda x: x[torch.tensor([1])],
    "synchronize": lambda x: torch.cuda.synchronize(),
    "bincount": lambda x: x.long().flatten().bincount(),
    "repeat": lambda x: x.repeat_interleave(x[0].long(), 1),
    "copy into": lambda x: x.copy_(torch.zeros(2, 3)),
}
FREE = {
    "sum": lambda x: x + x,
    "product": lambda x: x @ x.T,
    "fill under a mask": lambda x: x.masked_fill_(x > 2, 0.0),
    "set one value under a mask": lambda x: x.__setitem__(x > 2, 0.0),
    "where": lambda x: x.where(x > 2, 0.0),
    "not waiting": lambda x: torch.ones(2).to(x.device, non_blocking=True),
    "view": lambda x: x.T.reshape(-1)[1:],
    "index": lambda x: x[torch.ones(1, dtype=torch.int64, device="cuda")],
    "sort": lambda x: x.sort(1),
}


def test_the_host_waits_once_for_each():
    for name, wait in WAITS.items():
        x = start()
        with counted() as counts:
            wait(x)
        assert counts.syncs == 1, (name, counts.waits)


def test_the_host_waits_for_none_of_these():
    for name, call in FREE.items():
        x = start()
        with counted() as counts:
            call(x)
        assert counts.syncs == 0, (name, counts.waits)


def test_views_are_no_launches():
    x = start()
    with counted() as counts:
        x.T.view(3, 2)[1:].unsqueeze(0).expand(4, -1, -1)
    assert counts.launches == 0
    with counted() as counts:
        torch.relu(x) + x.T.mT
    assert counts.launches == 2


def test_each_is_counted_at_the_innermost_line_that_is_no_library_s():
    x = start()

    def inner():
        return (x + 1).sum()

    with counted() as outer:
        inner().item()
        with counted() as inside:
            inner()
    lines = {line.rpartition(":")[2] for line, _ in outer.operators}
    first = inner.__code__.co_firstlineno
    assert lines == {str(first + 1), str(first + 4)}
    assert total(outer) == (5, 1) and total(inside) == (2, 0)
    assert f"{__file__}:{first + 4}" in str(outer)
    assert total(outer.in_file("test_counts.py")) == (5, 1) and total(outer.in_file("other.py")) == (0, 0)


def test_steps_back_are_counted_and_nothing_is_outside():
    x = start().requires_grad_()
    with counted() as counts:
        (x * x).sum().backward()
    assert any(line == ELSEWHERE for line, _ in counts.operators)
    after = counts.operators.total()
    x.sum().item()
    assert counts.operators.total() == after

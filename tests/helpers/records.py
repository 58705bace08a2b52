"""Records to read and write in tests, of the first round and of today's schema."""

from layerbook.verdicts import Part, above, below

CURVE = {"dims": ["seed"], "axes": {"seed": [0, 1]}, "values": [[9.5, None], [1.0, 1.5]]}
ORIGIN = {
    "device": "H200",
    "versions": {"python": "3.11"},
    "duration_s": 12.5,
    "date": "2025-01-02T03:04:05+00:00",
    "commit": "0123456789" * 4,
    "dirty": True,
}
TRIED = (above("P early", 0.97, 0.95, (0.96, 0.98)), below("P late", 1.7, 1.5, (1.6, 1.8)))


def kept_claim(item: str = "3", parts: tuple[Part, ...] = TRIED, outcome: str = "holds in part", **more: str) -> dict:
    """A claim as a record keeps it."""
    words = {"item": item, "says": "s", "paper": "p", "test": "P <= 1.5", "here": "P = 1.1", "figure": "toy-f1"}
    decision = {"outcome": outcome, "reason": "", "size": "smaller", "parts": [part.to_json() for part in parts]}
    return words | decision | more


def old_claim(item: str = "3", holds: str = "holds in part") -> dict:
    """A claim as records of the first round keep it."""
    return {
        "item": item,
        "says": "s",
        "paper": "p",
        "here": "P = 1.1",
        "holds": holds,
        "test": "P <= 1.5",
        "figure": "toy-f1",
    }


def record(*claims: dict, chapter: str = "toy", **more: object) -> dict:
    """A record of today's schema."""
    return {
        "schema": 2,
        "chapter": chapter,
        "size": "smaller",
        "size_says": "8,000 pictures",
        "parameters": {"depth": 20, "widths": [100, 100]},
        "numbers": {"error": 0.0123456, "count": 60000},
        "curves": {"perplexity": CURVE},
        "claims": list(claims or [kept_claim()]),
        "provenance": dict(ORIGIN),
    } | more


def old_record(*claims: dict, chapter: str = "toy", paper_size: bool = True, **more: object) -> dict:
    """A record of the first round."""
    new = record(chapter=chapter)
    middle = {name: new[name] for name in ("parameters", "numbers", "curves")}
    return {
        "schema": 1,
        "chapter": chapter,
        "paper_size": paper_size,
        **middle,
        "claims": list(claims or [old_claim()]),
        "provenance": dict(ORIGIN),
    } | more

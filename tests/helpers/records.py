"""Records to read and write in tests."""

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


def record(*claims: dict, chapter: str = "toy", **more: object) -> dict:
    """A record of a chapter."""
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

"""Which rows moved between two runs, perhaps of two machines, by more than the noise of both."""

from collections.abc import Sequence

RATIOS = {"times_peer": "times the peer's speed", "times_limit": "times the limit"}


def moved(before: Sequence[dict], now: Sequence[dict]) -> str:
    """A line for each ratio whose turns all lie beyond all turns of the other run.

    Milliseconds differ between machines; how many times an instrument is its peer or its limit differs less.
    """
    old, lines, compared = {row["name"]: row for row in before}, [], 0
    for row in now:
        for ratio, told in RATIOS.items():
            first, second = old.get(row["name"], {}).get(ratio), row.get(ratio)
            if first and second:
                compared += 1
                if first["high"] < second["low"] or second["high"] < first["low"]:
                    lines.append(f"  {row['name']}: {shown(first)} became {shown(second)} {told}")
    beyond = f"{len(lines)} of {compared} ratios moved by more than the noise of both runs"
    return "\n".join([beyond + (":" if lines else ""), *lines])


def shown(ratio: dict) -> str:
    return f"{ratio['median']:.3g} [{ratio['low']:.3g}, {ratio['high']:.3g}]"

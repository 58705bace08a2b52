"""Print what share of the packages the tests ran, and fail below the floors: python -m tools.coverage_floor"""

import json
import sys

from coverage import Coverage

REPORT = "_build/coverage.json"
FLOORS = {"lines": 90, "branches": 80}  # per cent


def main() -> int:
    coverage = Coverage()
    coverage.load()
    coverage.json_report(outfile=REPORT)
    with open(REPORT, encoding="utf-8") as file:
        totals = json.load(file)["totals"]
    shares = {
        "lines": 100 * totals["covered_lines"] / totals["num_statements"],
        "branches": 100 * totals["covered_branches"] / totals["num_branches"],
    }
    for name, share in shares.items():
        print(f"The tests run {share:.1f} % of the packages' {name} (floor: {FLOORS[name]} %), see {REPORT}")
    return int(any(share < FLOORS[name] for name, share in shares.items()))


if __name__ == "__main__":
    sys.exit(main())

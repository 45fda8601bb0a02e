"""``python -m tests.simulation.payments --sales 100000 --seed 1 --faults 4``: the last line of output is one JSON object."""

import argparse
import json
import sys

from tests.simulation.payments.run import Total, many, tell
from tests.simulation.payments.story import Setting


def main() -> int:
    """Run; answers 1 if any money is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.payments", description=__doc__)
    parser.add_argument("--sales", type=int, default=20_000, help="how many, over all seeds")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds")
    parser.add_argument("--faults", type=float, default=1.0, help="times the ordinary rates")
    parser.add_argument("--only", type=int, help="tell this one sale of the seed from beginning to end")
    arguments = parser.parse_args()
    setting = Setting(times=arguments.faults)
    if arguments.only is not None:
        tell(arguments.seed, arguments.only, setting, sys.stdout)
        return 0
    total = Total()
    seeds = range(arguments.seed, arguments.seed + arguments.seeds)
    shown = 0
    for seed in seeds:
        many(seed, arguments.sales // arguments.seeds, setting, total, progress=_progress)
        _progress(total, end="\n")
        for wrong_seed, number, _ in total.wrong[shown : shown + 3]:
            tell(wrong_seed, number, setting)
        shown = len(total.wrong)
    print(json.dumps(summary(total, list(seeds), arguments.faults)))
    return 1 if total.wrong else 0


def summary(total: Total, seeds: list[int], times: float) -> dict[str, object]:
    """The figures of a run."""
    return {
        "sales": total.sales,
        "faults": total.faults,
        "wrong": len(total.wrong),
        "wrong_sales": [[seed, number, what] for seed, number, what in total.wrong[:10]],
        "seeds": seeds,
        "times": times,
        "attempts": total.attempts,
        "refunds": total.refunds,
        "late_successes_given_back": total.late,
        "crashes": total.crashes,
        "needed_the_bill": total.by_bill,
        "unknown": total.unknown,
        "resolved_within_10_s": _share(total.within_10, total.unknown),
        "resolved_within_90_s": _share(total.within_90, total.unknown),
        "resolved_within_90_s_silence_included": _share(total.raw_within_90, total.unknown),
        "longest_unknown_s": round(total.longest, 1),
        "longest_unknown_of": total.longest_of,
        "cpu_seconds": round(total.cpu, 1),
        "sales_per_cpu_second": round(total.sales / total.cpu) if total.cpu else 0,
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 5) if whole else 1.0


def _progress(total: Total, end: str = "\r") -> None:
    print(f"{total.sales:>10,} sales  {total.faults:>10,} faults  {len(total.wrong)} wrong", end=end, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

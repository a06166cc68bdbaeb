"""How much faster one build of ddpm-dist is than another, by the measures of launch/compare.sh.

    python compare_speed.py NEW OLD [--rounds 9] [--only digits-step,...]

NEW and OLD are checkouts that are built. Both take turns at the same work, as ddpm-dist and PyTorch
do there; for memory, less than 1 is better. Nothing else should run on the machine meanwhile.
"""

import argparse
import os
import pathlib
import statistics
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "launch" / "peers"))

from measures import MEASURES, Competitor, Measure  # noqa: E402
from paced import Paced  # noqa: E402
from ratios import Spread, ratios, rotated  # noqa: E402


def start(checkout: pathlib.Path, measure: Measure, competitor: Competitor) -> Paced:
    """The work of launch/compare.sh by the program of a checkout, warmed up and stopped."""
    command = [part.replace(str(ROOT), str(checkout)) for part in measure.command(competitor, "")]
    program = Paced(command)
    program.wait_until_ready(set_up_seconds=600, warm_up_seconds=600)
    return program


def compare(measure: Measure, competitor: Competitor, new, old, rounds: int) -> list[float]:
    """New/old of each round."""
    programs = {name: start(path, measure, competitor) for name, path in (("new", new), ("old", old))}
    values: dict[str, list[float]] = {"new": [], "old": []}
    for round_ in range(rounds):
        for name in rotated(list(programs), round_):
            answer = programs[name].round(measure.part, seconds=1200)
            values[name].append(measure.quantity.of(answer, measure.steps))
    for program in programs.values():
        program.end()
    print(f"  new: {statistics.median(values['new']):.4g} {measure.quantity.unit}", end=", ")
    return ratios(values["new"], values["old"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("new", type=pathlib.Path)
    parser.add_argument("old", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default=",".join(measure.name for measure in MEASURES))
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for measure in MEASURES:
        if measure.name not in options.only.split(","):
            continue
        for competitor in measure.competitors:
            if competitor.mode is not None:
                continue
            print(f"{measure.title}, {competitor.name}:", flush=True)
            spread = Spread.of(
                compare(
                    measure, competitor, options.new.resolve(), options.old.resolve(),
                    options.rounds,
                )
            )  # fmt: skip
            print(
                f"new/old {spread.median:.3f} ({spread.minimum:.3f} to {spread.maximum:.3f})",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())

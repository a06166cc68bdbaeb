"""How much faster one build of ddpm-dist is than another, by the measures of launch/compare.sh.

    python compare_speed.py NEW OLD [--rounds 9] [--only digits-step,...]

NEW and OLD are checkouts that are built. Both take turns at the same work, as ddpm-dist and PyTorch
do there; for memory, less than 1 is better. Measures of whole programs are left out. Nothing else
should run on the machine meanwhile.
"""

import argparse
import os
import pathlib
import statistics
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "launch" / "peers"))

from competitors import Competitor  # noqa: E402
from measures import MEASURES, Measure  # noqa: E402
from paced import Paced  # noqa: E402
from preparation import files  # noqa: E402
from programs import rounds_command  # noqa: E402
from ratios import Spread, ratios, rotated  # noqa: E402


def start(checkout: pathlib.Path, measure: Measure, competitor: Competitor, paths: dict) -> Paced:
    """The work of launch/compare.sh by the program of a checkout, warmed up and stopped."""
    command = rounds_command(measure, competitor, paths)
    command = [part.replace(str(ROOT), str(checkout)) for part in command]
    program = Paced(command)
    program.wait_until_ready(set_up_seconds=600, warm_up_seconds=600)
    return program


def compare(
    measure: Measure, competitor: Competitor, new, old, rounds: int, paths: dict
) -> list[float]:
    """New/old of each round."""
    checkouts = (("new", new), ("old", old))
    programs = {name: start(path, measure, competitor, paths) for name, path in checkouts}
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
    parser.add_argument("--only", default=",".join(m.name for m in MEASURES if m.is_default))
    options = parser.parse_args()
    os.environ["OPENBLAS_NUM_THREADS"] = "1"
    for measure in MEASURES:
        if measure.name not in options.only.split(",") or measure.part not in ("step", "evaluation"):
            continue
        with tempfile.TemporaryDirectory(prefix="ddpm-compare-") as folder:
            paths = files(measure.needs, pathlib.Path(folder))
            for competitor in (*measure.ours[:1], *measure.peers):
                if not competitor.is_ours:
                    continue
                print(f"{measure.title}, {competitor.name}:", flush=True)
                new, old = options.new.resolve(), options.old.resolve()
                spread = Spread.of(
                    compare(measure, competitor, new, old, options.rounds, paths)
                )
                print(
                    f"new/old {spread.median:.3f} ({spread.minimum:.3f} to {spread.maximum:.3f})",
                    flush=True,
                )
    return 0


if __name__ == "__main__":
    sys.exit(main())

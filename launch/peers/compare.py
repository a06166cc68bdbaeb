"""Lets ddpm-dist and PyTorch take turns at the same work, and prints who is how much faster.

Started by launch/compare.sh, whose options these are. All competitors of a measure are started and
warmed up one after the other; then, in each round, each works once, another one first every time.
Only one works at any moment.
"""

import argparse
import os
import pathlib
import platform
import signal
import subprocess
import sys

import report
from measures import CORES, MEASURES, ROOT, Competitor, Measure
from paced import Paced, PacedError, WarmUpTooSlow
from ratios import rotated
from results import Outcome, Result

SET_UP_SECONDS = 600
ROUND_SECONDS = 1200
WARM_UP_SECONDS = {"compile": 3600, "bfloat16": 60}
"""How long the modes that may fail can take: torch.compile starts a C++ compiler for every kernel;
one step in bfloat16 takes a CPU without instructions for it many minutes."""


class Failure(Exception):
    """Why there is no comparison; one line."""


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line, with the exit code for wrong arguments."""

    def error(self, message: str):
        self.exit(64, f"compare.sh: {message}; see the first lines of that script.\n")


def rounds(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


def measures(text: str) -> list[Measure]:
    known = {measure.name: measure for measure in MEASURES}
    names = text.split(",")
    for name in names:
        if name not in known:
            raise argparse.ArgumentTypeError(f'"{name}" is none of {", ".join(known)}')
    return [measure for measure in MEASURES if measure.name in names]


def output_path(text: str) -> pathlib.Path:
    path = pathlib.Path(text)
    if not text or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f'"{text}" cannot be written')
    return path


def arguments() -> argparse.Namespace:
    parser = Parser(description=__doc__.split("\n")[0], allow_abbrev=False)
    parser.add_argument("--rounds", type=rounds, default=7)
    parser.add_argument("--only", type=measures, default=list(MEASURES), metavar="MEASURE,…")
    parser.add_argument("--json", type=output_path)
    parser.add_argument("--markdown", type=output_path)
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def machine() -> dict[str, str]:
    """What the numbers depend on; PyTorch's processes will say their versions themselves."""
    names = [
        line.partition(":")[2].strip()
        for line in output("lscpu").splitlines()
        if line.startswith("Model name:")
    ]
    return {
        "CPU": names[0] if names else platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "ddpm-dist": output(str(ROOT / ".build" / "release" / "ddpm-dist"), "--version").strip(),
    }


def output(*command: str) -> str:
    """What a command prints, in the language of programs."""
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env=environment, check=True
    ).stdout


def start(measure: Measure, competitor: Competitor, outcome: Outcome) -> tuple[Paced, dict] | None:
    """A competitor that has warmed up, and its word on itself; None, and a remark, if it cannot."""
    limit = WARM_UP_SECONDS.get(competitor.mode, SET_UP_SECONDS)
    paced = Paced(measure.command(competitor, sys.executable))
    try:
        return paced, paced.wait_until_ready(SET_UP_SECONDS, limit)
    except BaseException as error:
        paced.kill()
        if not isinstance(error, PacedError):
            raise
        if competitor.mode not in WARM_UP_SECONDS:
            raise Failure(f"{competitor.name} {error}") from error
        outcome.remark = f"left out: it {error}"
        if competitor.mode == "bfloat16" and isinstance(error, WarmUpTooSlow):
            outcome.remark = f"left out: one step {error}"
            outcome.ceiling = measure.batch / limit
        return None


def run(measure: Measure, round_count: int, facts: dict[str, str]) -> Result:
    """All rounds of a measure; adds the versions that its competitors name to the facts."""
    result = Result(measure)
    result.outcomes = {competitor.name: Outcome() for competitor in measure.competitors}
    running: dict[str, Paced] = {}
    try:
        for competitor in measure.competitors:
            show(f"{measure.name}: warming up {competitor.name}")
            started = start(measure, competitor, result.outcomes[competitor.name])
            if started:
                running[competitor.name], ready = started
                facts |= ready.get("versions", {})
                check_parameters(result, competitor, ready["parameters"])
        for round_ in range(round_count):
            for name in rotated(list(running), round_):
                show(f"{measure.name}: round {round_ + 1} of {round_count}, {name}")
                try:
                    answer = running[name].round(measure.part, ROUND_SECONDS)
                except PacedError as error:
                    raise Failure(f"{name} {error}") from error
                outcome = result.outcomes[name]
                outcome.values.append(measure.quantity.of(answer, measure.steps))
                outcome.peak_memory_bytes = max(
                    outcome.peak_memory_bytes, answer["peak_memory_bytes"]
                )
    finally:
        show("")
        for paced in running.values():
            paced.end()
    return result


def check_parameters(result: Result, competitor: Competitor, count: int):
    """Stops where a competitor has another network than the first."""
    result.parameters = result.parameters or count
    if count != result.parameters:
        raise Failure(f"{competitor.name} has {count} parameters, not {result.parameters}")


def show(line: str):
    """What is going on, on a line that is written over, if anyone is looking."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def main():
    given = arguments()
    if given.list:
        for measure in given.only:
            bars = "; ".join(f"{b.against} {b.bar:g}, aim {b.aim:g}" for b in measure.bars)
            print(f"{measure.name:<19} {report.heading(measure)} ({bars})")
        return
    # Stopped programs would outlive this one and keep their memory: make these run `finally` too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    facts = machine()
    if int(facts["cores"]) < CORES:
        print(f"compare.sh: too few cores: {CORES} are compared.", file=sys.stderr)
    results: list[Result] = []
    try:
        for measure in given.only:
            results.append(run(measure, given.rounds, facts))
            print(report.text(results[-1]), end="\n\n", flush=True)
            # After each, so that the last measure's failure does not lose the others.
            if given.json:
                given.json.write_text(report.as_json(facts, given.rounds, results))
            if given.markdown:
                given.markdown.write_text(report.markdown(facts, given.rounds, results))
    except Failure as failure:
        sys.exit(f"compare.sh: {measure.name}: {failure.args[0].rstrip('.')}.")
    except KeyboardInterrupt:
        sys.exit(130)
    print("; ".join(f"{name} {value}" for name, value in facts.items()))


if __name__ == "__main__":
    main()

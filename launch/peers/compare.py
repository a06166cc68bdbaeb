"""Lets ddpm-dist and its peers take turns at the same work, and prints who is how much faster.

Started by launch/compare.sh, whose options these are. Ours are started and warmed up; then one peer
after the other is, and in each round ours and this peer work once each, another one first every time.
Only one works at any moment, and only one peer at a time takes memory; where even two take too much,
each has all its rounds alone. A peer that cannot take part is
left out with a line that says why.
"""

import argparse
import os
import pathlib
import signal
import sys
import tempfile

import machine
import quality
import report
from competitors import Competitor
from measures import CORES, MEASURES, Measure
from paced import PacedError, WarmUpTooSlow
from preparation import PreparationError, files
from programs import program
from ratios import rotated
from results import Outcome, Result

SET_UP_SECONDS = 600
ROUND_SECONDS = 1200
COMPILED_SECONDS = 3600
"""How long torch.compile can take: it starts a C++ compiler for every kernel."""
BFLOAT16_SECONDS = 60
"""How long a step in bfloat16 may take on a CPU without instructions for it: it can be minutes."""
NO_BFLOAT16 = "left out: this CPU has no instructions for bfloat16"


class Failure(Exception):
    """Why there is no comparison; one line."""


class Parser(argparse.ArgumentParser):
    """A parser that complains in one line, with the exit code for wrong arguments."""

    def error(self, message: str):
        self.exit(64, f"compare.sh: {message}; see launch/compare.sh --help.\n")


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise ValueError
    return value


positive.__name__ = "whole number above 0"

QUALITY = "quality"


def chosen(text: str) -> list[str]:
    """The names of measures; `large` is all whose names begin so."""
    known = [measure.name for measure in MEASURES] + [QUALITY]
    names = []
    for name in text.split(","):
        found = [other for other in known if other == name]
        if name == "large":
            found = [other for other in known if other.startswith(name)]
            if not found:
                raise argparse.ArgumentTypeError("there are no configs/large*.yaml")
        if not found:
            raise argparse.ArgumentTypeError(f'"{name}" is none of {", ".join(known)}')
        names += found
    return names


def output_path(text: str) -> pathlib.Path:
    path = pathlib.Path(text)
    if not text or path.is_dir() or not os.access(path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f'"{text}" cannot be written')
    return path


def arguments() -> argparse.Namespace:
    parser = Parser(
        prog="compare.sh", allow_abbrev=False,
        description="Compares ddpm-dist with its peers on this machine: same networks, same work, taking "
        "turns. The first time, it installs PyTorch and others into .build (some gigabytes) and builds. "
        "Every measure together takes some hours on two cores. Nothing else should run meanwhile.",
    )  # fmt: skip
    parser.add_argument(
        "--rounds", type=positive, default=7, help="rounds of each measure (default 7)"
    )
    parser.add_argument(
        "--only", type=chosen, metavar="MEASURE,…",
        help="these measures; large: all of images of 64 pixels and more (default: those that --list "
        "does not mark)",
    )  # fmt: skip
    parser.add_argument("--json", type=output_path, metavar="FILE", help="writes the results too")
    parser.add_argument(
        "--markdown", type=output_path, metavar="FILE", help="writes tables of the results too"
    )
    parser.add_argument(
        "--list", action="store_true", help="prints what can be measured, and ends; with --only these"
    )
    parser.add_argument(
        "--mnist", type=pathlib.Path, metavar="FOLDER",
        help="where MNIST's four IDX files are, for quality",
    )  # fmt: skip
    parser.add_argument(
        "--minutes", type=positive, help="of training each, for quality (default 10)"
    )
    given = parser.parse_args()
    given.lists_all = given.only is None
    given.only = given.only or [measure.name for measure in MEASURES if measure.is_default]
    if QUALITY not in given.only and (given.mnist or given.minutes):
        parser.error("--mnist and --minutes are for --only quality")
    given.minutes = given.minutes or 10
    if QUALITY in given.only:
        if given.mnist is None:
            parser.error("quality needs --mnist FOLDER, that of MNIST's IDX files")
        if missing := quality.missing_files(given.mnist):
            parser.error(f"{given.mnist} has no {missing}")
    return given


def needless(measure: Measure, competitor: Competitor) -> bool:
    """Whether a competitor would only show again that this CPU has no instructions for bfloat16.

    The first one of a bar that knows no others shows it: it has the time of one step for that.
    """
    shown = [
        bar.others[0] for bar in measure.bars
        if bar.others and all(other.in_bfloat16 for other in bar.others)
    ]  # fmt: skip
    return competitor not in shown


def start(
    measure: Measure, competitor: Competitor, outcome: Outcome, paths: dict, has_bfloat16: bool
):
    """A competitor that has warmed up, and its word on itself; None, and a remark, if it cannot."""
    slow = competitor.in_bfloat16 and not has_bfloat16
    if slow and needless(measure, competitor):
        outcome.remark = NO_BFLOAT16
        return None
    limit = COMPILED_SECONDS if competitor.is_compiled else SET_UP_SECONDS
    started = None
    try:
        started = program(measure, competitor, paths)
        return started, started.wait_until_ready(
            SET_UP_SECONDS, BFLOAT16_SECONDS if slow else limit
        )
    except (PacedError, OSError) as error:
        outcome.remark = f"left out: it {error}"
        if isinstance(error, OSError):
            outcome.remark = f"left out: it cannot be started: {error}"
        if slow and isinstance(error, WarmUpTooSlow):
            outcome.remark = f"{NO_BFLOAT16}, and one step {error}"
            outcome.ceiling = measure.batch / BFLOAT16_SECONDS
    finally:
        if started and outcome.remark:
            started.kill()
    return None


def turns(measure: Measure, running: dict, round_count: int, note) -> dict[str, list[float]]:
    """The values of all that run, in rounds; PacedError with the name of one that fails."""
    values: dict[str, list[float]] = {name: [] for name in running}
    for round_ in range(round_count):
        for name in rotated(list(running), round_):
            show(f"{measure.name}: round {round_ + 1} of {round_count}, {name}")
            try:
                answer = running[name].round(measure.part, ROUND_SECONDS)
            except PacedError as error:
                raise PacedError(name, str(error)) from error
            values[name].append(measure.quantity.of(answer, measure.steps))
            note(name, answer["peak_memory_bytes"])
    return values


def run(measure: Measure, round_count: int, facts: dict[str, str]) -> Result:
    """All rounds of a measure; adds the versions that its competitors name to the facts."""
    result = Result(measure)
    everyone = (*measure.ours, *measure.peers)
    result.outcomes = {competitor.name: Outcome() for competitor in everyone}
    has_bfloat16 = machine.computes_in_bfloat16(machine.cpuinfo())
    ours: dict = {}

    def ready(competitor: Competitor, paths: dict):
        show(f"{measure.name}: warming up {competitor.name}")
        outcome = result.outcome(competitor)
        started = start(measure, competitor, outcome, paths, has_bfloat16)
        if started is None:
            return None
        facts.update(started[1].get("versions", {}))
        if fault := other_network(result, started[1].get("parameters", 0)):
            started[0].kill()
            outcome.remark = f"left out: {fault}"
            return None
        return started[0]

    def note(name: str, peak_memory_bytes: int):
        outcome = result.outcomes[name]
        outcome.peak_memory_bytes = max(outcome.peak_memory_bytes, peak_memory_bytes)

    def in_turns(running: dict, peer: Competitor | None = None) -> dict[str, list[float]] | None:
        """The values of each; None, and a remark, where the peer has failed."""
        try:
            return turns(measure, running, round_count, note)
        except PacedError as error:
            name, reason = error.args
            if peer is None or name != peer.name:
                raise Failure(f"{name} {reason}") from error
            result.outcome(peer).remark = f"left out: it {reason}"
            return None

    def keep(values: dict[str, list[float]]):
        for name, own in values.items():
            result.outcomes[name].values += own

    first = measure.ours[0].name
    with tempfile.TemporaryDirectory(prefix="ddpm-compare-") as folder:
        paths = files(measure.needs, pathlib.Path(folder))
        alone: dict[str, list[float]] = {}
        try:
            for competitor in measure.ours:
                if not (started := ready(competitor, paths)):
                    continue
                ours[competitor.name] = started
                if measure.is_large:
                    alone |= in_turns(ours)
                    ours.pop(competitor.name).end()
            if first not in ours and first not in alone:
                raise Failure(f"{first} was {result.outcomes[first].remark}")
            keep(alone)
            for peer in measure.peers:
                if not (started := ready(peer, paths)):
                    continue
                try:
                    values = in_turns(ours | {peer.name: started}, peer)
                finally:
                    started.end()
                if values:
                    outcome = result.outcome(peer)
                    outcome.values = values.pop(peer.name)
                    outcome.beside = values or alone
                    keep(values)
            if not result.outcomes[first].values:
                keep(in_turns(ours))
        finally:
            show("")
            for paced in ours.values():
                paced.end()
    return result


def other_network(result: Result, count: int) -> str:
    """What is wrong with a competitor that has another network than the first; else nothing."""
    result.parameters = result.parameters or count
    return "" if count in (0, result.parameters) else (
        f"its network has {count} parameters, not {result.parameters}"
    )


def show(line: str):
    """What is going on, on a line that is written over, if anyone is looking."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)


def listed(given: argparse.Namespace):
    """Prints what is to be measured; without --only, what can be."""
    for measure in MEASURES:
        if given.lists_all or measure.name in given.only:
            bars = "; ".join(
                f"bar {b.bar:g}, aim {b.aim:g}" + (f": against {b.against}" if b.against else "")
                for b in measure.bars
            )
            mark = "" if measure.is_default else " [only where --only names it]"
            print(f"{measure.name:<19} {report.heading(measure)} ({bars or 'no bar'}){mark}")
    if given.lists_all or QUALITY in given.only:
        mark = " [only where --only names it]" if given.lists_all else ""
        print(f"{QUALITY:<19} {quality.heading(given.minutes)}{mark}")


def main():
    given = arguments()
    if given.list:
        return listed(given)
    # Stopped programs would outlive this one and keep their memory: make these run `finally` too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    facts = machine.facts()
    if int(facts["cores"]) < CORES:
        print(f"compare.sh: too few cores: {CORES} are compared.", file=sys.stderr)
    results: list[Result] = []
    found: dict | None = None

    def write():
        # After each, so that the last measure's failure does not lose the others.
        if given.json:
            given.json.write_text(report.as_json(facts, given.rounds, results, found))
        if given.markdown:
            text = report.markdown(facts, given.rounds, results)
            more = "\n" + quality.markdown(found) if found else ""
            given.markdown.write_text(text + more)

    name = ""
    try:
        for measure in MEASURES:
            if (name := measure.name) not in given.only:
                continue
            results.append(run(measure, given.rounds, facts))
            print(report.text(results[-1]), end="\n\n", flush=True)
            write()
        if (name := QUALITY) in given.only:
            found = quality.compared(given.mnist, given.minutes, show)
            show("")
            print(quality.text(found), end="\n\n", flush=True)
            write()
    except (Failure, PreparationError) as failure:
        sys.exit(f"compare.sh: {name}: {failure.args[0].rstrip('.')}.")
    except KeyboardInterrupt:
        sys.exit(130)
    print(report.facts(facts))


if __name__ == "__main__":
    main()

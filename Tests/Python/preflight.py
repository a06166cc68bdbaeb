#!/usr/bin/env python3
"""Predicted against real: memory and time of a step, by `ddpm-dist check` and a run in turns.

    python preflight.py FOLDER_OF_THE_TWO_PROGRAMS [--only NAME…] [--ranks 1 2] [--rounds 3]

For each configuration and number of ranks, `check` predicts the most memory of the first rank and the
time of a step, `train --dry-run` predicts the memory, and a run of some steps shows both: its largest
resident memory as the system has counted it, and the median of its metrics.jsonl. Checks and runs take
turns, and the median of the rounds counts. It prints a table, and ends with 1 where memory is off by more
than 10 % or time by more than 15 %. It is no test: on a machine that does something else as well, times
are what they are. Needs NumPy and h5py.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
from typing import NamedTuple

import h5py
import numpy as np

root = pathlib.Path(__file__).resolve().parents[2]
MEMORY, TIME = 0.10, 0.15
"""How far a prediction may be off."""


class Case(NamedTuple):
    """A configuration, the extents of its images, and how many steps show the time of one."""

    config: str
    shape: tuple[int, int, int] | None
    steps: int
    settings: tuple[str, ...] = ()


CASES = {
    "digits": Case("digits.yaml", None, 40),
    "digits-vae": Case("digits-vae.yaml", None, 60),
    "mnist": Case("mnist.yaml", (28, 28, 1), 12),
    "cifar10": Case("cifar10.yaml", (32, 32, 3), 4, ("batch=16",)),
}


class Run(NamedTuple):
    """What a run or a check has told."""

    memory: float
    """Bytes."""
    seconds: float
    """A step."""


def launcher(ranks: int) -> list[str]:
    """Nothing for one rank, as without mpirun."""
    return [] if ranks == 1 else ["mpirun", "-n", str(ranks), "--bind-to", "none"]


def call(words: list, folder: pathlib.Path) -> tuple[str, int]:
    """Runs a command; gives what it printed, and the most memory of a process of it, bytes."""
    with open(folder / "out", "w+") as out, open(folder / "err", "w+") as err:
        environment = os.environ | {
            "OPENBLAS_NUM_THREADS": "1", "OMPI_ALLOW_RUN_AS_ROOT": "1",
            "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
            "OMPI_MCA_mpi_yield_when_idle": "1"}  # fmt: skip
        process = subprocess.Popen(
            [str(word) for word in words], stdout=out, stderr=err, stdin=subprocess.DEVNULL,
            env=environment, cwd=folder)  # fmt: skip
        # Of the process and of those that it has waited for: mpirun's ranks.
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            err.seek(0)
            sys.exit(f"{' '.join(map(str, words))} ended with {process.returncode}:\n{err.read()}")
        out.seek(0)
        return out.read(), usage.ru_maxrss << 10


def measure(name: str, case: Case, ranks: int, dist: pathlib.Path, rounds: int):
    """A row of the table, and whether all is as it was predicted."""
    with tempfile.TemporaryDirectory() as folder_name:
        folder = pathlib.Path(folder_name)
        words = ["--config", root / "configs" / case.config, "--steps", case.steps]
        words += ["--workers", 2 // ranks]
        if case.shape:
            pixels = np.random.default_rng(1).integers(0, 256, (2000, *case.shape), np.uint8)
            with h5py.File(folder / "data.h5", "w") as file:
                file.attrs["format"], file.attrs["version"] = "ddpm-dataset", 1
                file["images"] = pixels
                file["images"].attrs["levels"], file["images"].attrs["layout"] = 256, "NHWC"
            words += ["--data", folder / "data.h5"]
        if case.settings:
            words += ["--set", *case.settings]
        start = [*launcher(ranks), dist]
        checks, runs = [], []
        dry = json.loads(
            call([*start, "train", "--dry-run", "--json", "-", "--run", "r", *words], folder)[0])
        for number in range(rounds):
            report = json.loads(
                call([*start, "check", "--json", "-", "--run", "r", *words], folder)[0])
            checks.append(Run(report["peak_bytes"], report["step_seconds"]["median"]))
            path = folder / f"run-{number}"
            _, memory = call([*start, "train", "--quiet", "--run", path, *words], folder)
            lines = [json.loads(line) for line in open(path / "metrics.jsonl")]
            batch = lines[0]["images"]
            runs.append(
                Run(memory, statistics.median(batch / x["images_per_second"] for x in lines)))

    def median(found: list[Run], key: str) -> float:
        return statistics.median(getattr(run, key) for run in found)

    memory = [median(checks, "memory"), median(runs, "memory")]
    seconds = [median(checks, "seconds"), median(runs, "seconds")]
    off = [memory[0] / memory[1] - 1, dry["peak_bytes"] / memory[1] - 1, seconds[0] / seconds[1] - 1]
    print(
        f"{name:11} {ranks:5} {memory[0] / 1e6:9.0f} {dry['peak_bytes'] / 1e6:8.0f}"
        f" {memory[1] / 1e6:8.0f}  {off[0]:+7.1%} {off[1]:+7.1%}"
        f" {seconds[0]:9.4f} {seconds[1]:8.4f}  {off[2]:+7.1%}", flush=True)  # fmt: skip
    return abs(off[0]) <= MEMORY and abs(off[1]) <= MEMORY and abs(off[2]) <= TIME


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--only", nargs="+", choices=CASES, default=list(CASES))
    parser.add_argument("--ranks", nargs="+", type=int, default=[1, 2])
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    dist = options.programs.resolve() / "ddpm-dist"
    print("                  memory, MB                                seconds a step")
    print("config      ranks     check  dry run      run    check dry run     check      run    check")
    good = [
        measure(name, CASES[name], ranks, dist, options.rounds)
        for name in options.only for ranks in options.ranks
    ]  # fmt: skip
    print(f"{good.count(False)} of {len(good)} are off by more than {MEMORY:.0%} or {TIME:.0%}")
    sys.exit(1 if False in good else 0)


if __name__ == "__main__":
    main()

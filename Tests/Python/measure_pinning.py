#!/usr/bin/env python3
"""Times training steps with and without the threads of a rank on cores of their own, in turns.

    Tests/Python/measure_pinning.py FOLDER_OF_THE_TWO_PROGRAMS [--pairs 8] [--rounds 200] -- options of benchmark

From outside: a second after the start, the busiest threads, one for each core that this process may use,
get a core each (sched_setaffinity), or nothing happens. It prints each pair, and the median of the ratios
of free over pinned.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import tempfile
import time


def busiest(process: int, count: int) -> list[int]:
    """The threads that have used the most processor time."""
    used = {}
    for thread in os.listdir(f"/proc/{process}/task"):
        fields = pathlib.Path(f"/proc/{process}/task/{thread}/stat").read_text().rsplit(")", 1)[1].split()
        used[int(thread)] = int(fields[11]) + int(fields[12])
    return sorted(sorted(used, key=used.get)[-count:])


def median_step(arguments, pins: bool) -> float:
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder) / "report.json"
        process = subprocess.Popen(
            [arguments.programs / "ddpm-dist", "benchmark", "--parts", "step", "--json", report,
             "--rounds", str(arguments.rounds), *arguments.options],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        time.sleep(1)
        cores = sorted(os.sched_getaffinity(0))
        for _ in range(3 if pins else 0):
            for core, thread in zip(cores, busiest(process.pid, len(cores))):
                os.sched_setaffinity(thread, {core})
            time.sleep(0.3)
        process.wait()
        return json.loads(report.read_text())["parts"]["step"]["seconds"]["median"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("programs", type=pathlib.Path)
    parser.add_argument("--pairs", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("options", nargs="*")
    arguments = parser.parse_args()
    ratios = []
    for pair in range(arguments.pairs):
        order = (False, True) if pair % 2 == 0 else (True, False)
        seconds = {pins: median_step(arguments, pins) for pins in order}
        ratios.append(seconds[False] / seconds[True])
        print(f"free {1e3 * seconds[False]:.2f} ms, pinned {1e3 * seconds[True]:.2f} ms", flush=True)
    print(f"free over pinned: median {statistics.median(ratios):.3f},"
          f" from {min(ratios):.3f} to {max(ratios):.3f}")  # fmt: skip


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Shows that no fault loses a run: at every system call, at every loss of power, at random moments.

    faults.py BUILD [--only PART ...] [--sample N] [--seed 0] [--processes 6] [--folder FOLDER]

BUILD is the folder of ddpm-dist. The parts are kill-points, power-loss and random-kills; the modules of
these names say what each does. With --sample, so many cases of kill-points are drawn, and nothing else is
done. Equal seeds draw equal cases. FOLDER is for the runs; by default the system's for temporary files.

Needs strace, and ends with 77 where it may not watch other processes. The last line reads "N passed,
N failed"; the exit code is 0 only if nothing failed.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import kill_points
import power_loss
import random_kills
from fault_runs import Programs, references

PARTS = ("kill-points", "power-loss", "random-kills")


def require_strace() -> None:
    """Ends with 77 where nothing can be tested."""
    if shutil.which("strace") is None:
        reason = "there is no strace"
    else:
        words = ["strace", "-f", "-o", "/dev/null", "true"]
        tried = subprocess.run(words, capture_output=True, text=True, check=False)
        if tried.returncode == 0:
            return
        reason = f"strace may not watch processes here: {tried.stderr.strip()}"
    print(f"Skipped: {reason}.")
    sys.exit(77)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=6)
    parser.add_argument("--folder", type=Path)
    options = parser.parse_args()
    require_strace()
    parts = ("kill-points",) if options.sample is not None else options.only
    programs = Programs(options.build.resolve())
    passed = failed = 0
    with tempfile.TemporaryDirectory(prefix="ddpm-faults-", dir=options.folder) as name:
        folder = Path(name).resolve()
        reference = references(programs, folder)
        for part in parts:
            start = time.monotonic()
            own = folder / part
            own.mkdir()
            print(f"{part}:", flush=True)
            if part == "kill-points":
                score = kill_points.prove(
                    programs, reference, own, options.processes, options.seed, options.sample
                )
            elif part == "power-loss":
                score = power_loss.prove(programs, reference, own, options.processes, options.seed)
            else:
                score = random_kills.prove(programs, own, options.seed)
            print(f"  {time.monotonic() - start:.0f} s", flush=True)
            passed += score.passed
            failed += score.failed
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Proves slowly what the tests prove in seconds: long jobs of ddpm-sample survive, in little memory.

    Tests/Python/sampling_job.py CHECKPOINT [--count 50000] [--kills 5] [--ranks 1] [--steps 10]

Draws --count images by ddim into an HDF5 file, an npz file and a folder, once without an interruption and
once killed (SIGKILL) --kills times at random moments and resumed; compares all files byte by byte, and
prints the largest resident memory of a rank. Exits with 1 where files differ or a rank had more than
300 MB. Needs the programs of .build/release and some disk in --folder (default: a temporary one).
"""

import argparse
import filecmp
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / ".build/release/ddpm-sample"
LIMIT = 300 * 1024  # kB


def processes(of):
    """A process and all that it has started."""
    found = [of]
    try:
        children = Path(f"/proc/{of}/task/{of}/children").read_text(encoding="ascii").split()
    except OSError:
        return found
    for child in children:
        found += processes(int(child))
    return found


def memory(of):
    """The largest resident memory in kB that a process of the job has had so far."""
    peak = 0
    for process in processes(of):
        try:
            lines = Path(f"/proc/{process}/status").read_text(encoding="ascii").splitlines()
        except OSError:
            continue
        if not any(line.startswith("Name:\tddpm-sample") for line in lines):
            continue
        for line in lines:
            if line.startswith("VmHWM:"):
                peak = max(peak, int(line.split()[1]))
    return peak


def draw(options, folder, end=None):
    """Runs the job; kills it after `end` seconds. Returns its exit code and its peak memory."""
    words = [str(PROGRAM), "--ckpt", options.checkpoint, "--count", str(options.count),
             "--sampler", "ddim", "--steps", str(options.steps), "--resume",
             "--out", "a.h5", "a.npz", "images/"]
    if options.ranks > 1:
        words = ["mpirun", "-n", str(options.ranks), "--bind-to", "none", *words]
    began, peak = time.monotonic(), 0
    with subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                          stdin=subprocess.DEVNULL) as job:
        os.set_blocking(job.stderr.fileno(), False)
        text = b""
        while job.poll() is None:
            peak = max(peak, memory(job.pid))
            text += job.stderr.read() or b""
            if end is not None and time.monotonic() - began > end:
                for process in processes(job.pid):
                    try:
                        os.kill(process, signal.SIGKILL)
                    except ProcessLookupError:
                        pass
            time.sleep(0.05)
        text += job.stderr.read() or b""
        if job.returncode not in (0, -signal.SIGKILL) and end is None:
            sys.exit(f"The job ended with {job.returncode}:\n{text.decode()}")
        return job.returncode, peak, time.monotonic() - began


def files(folder):
    return sorted(
        str(path.relative_to(folder)) for path in Path(folder).rglob("*")
        if path.is_file() and path.suffix != ".tmp")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("checkpoint")
    parser.add_argument("--count", type=int, default=50_000)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--ranks", type=int, default=1)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--folder")
    options = parser.parse_args()
    options.checkpoint = os.path.abspath(options.checkpoint)
    random.seed(1)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        whole, killed = Path(folder) / "whole", Path(folder) / "killed"
        whole.mkdir()
        killed.mkdir()
        _, peak, seconds = draw(options, whole)
        for _ in range(options.kills):
            code, more, _ = draw(options, killed, random.uniform(0.05, 0.9) * seconds / 2)
            peak = max(peak, more)
            there = len(list((killed / "images").rglob("*.png")))
            print(f"ended with {code}, {there} pictures are there")
        draw(options, killed)
        names = files(whole)
        if names != files(killed):
            sys.exit("The folders hold other files.")
        _, mismatch, errors = filecmp.cmpfiles(whole, killed, names, shallow=False)
        if mismatch or errors:
            sys.exit(f"Files differ: {(mismatch + errors)[:5]}")
    print(f"{len(names)} files are equal; {seconds:.0f} s without an interruption; "
          f"at most {peak / 1024:.0f} MB in a rank")
    if peak > LIMIT:
        sys.exit("That is more than 300 MB.")


main()

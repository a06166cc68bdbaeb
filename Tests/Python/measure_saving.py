#!/usr/bin/env python3
"""Measures how long training waits for a checkpoint, and how long its bytes take to the disk.

    Tests/Python/measure_saving.py FOLDER [--channels 256] [--checkpoints 6]

Trains a wide network on the embedded digits in FOLDER (which is removed at the end), with a
checkpoint after every second step. The wait is the time between the ends of two steps that is not
the second step's own: the gathering into the file, and what a save before has left over. The bytes are then
written to the same disk once more, with fsync, as a save that training waits for would do.
"""

import argparse
import json
import os
import pathlib
import shutil
import statistics
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--channels", type=int, default=256)
    parser.add_argument("--checkpoints", type=int, default=6)
    arguments = parser.parse_args()
    folder = arguments.folder
    folder.mkdir()
    try:
        measure(folder, arguments.channels, arguments.checkpoints)
    finally:
        shutil.rmtree(folder)


def measure(folder, channels, checkpoints):
    program = ROOT / ".build/release/ddpm-dist"
    run = folder / "run"
    subprocess.run(
        [program, "train", "--run", run, "--steps", str(2 * checkpoints + 1), "--set",
         f"channels={channels}", "batch=32", "checkpoint_every=2", "keep_checkpoints=2",
         "sample_every=0"],
        check=True, stderr=subprocess.DEVNULL)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    own = [32 / line["images_per_second"] for line in lines]
    gaps = [b["seconds"] - a["seconds"] for a, b in zip(lines, lines[1:])]
    waits = [gap - step for gap, step in zip(gaps, own[1:])]
    # The gap that begins at the end of an even step holds its save.
    saving = [wait for line, wait in zip(lines, waits) if line["step"] % 2 == 0]
    other = [wait for line, wait in zip(lines, waits) if line["step"] % 2 == 1]
    newest = sorted((run / "checkpoints").glob("step-*.h5"))[-1].read_bytes()
    writes = []
    for _ in range(3):
        began = time.monotonic()
        with open(folder / "copy", "wb") as file:
            file.write(newest)
            file.flush()
            os.fsync(file.fileno())
        writes.append(time.monotonic() - began)
        os.remove(folder / "copy")
    print(f"a step                           {statistics.median(own):8.3f} s")
    print(f"wait after a step with a save    {statistics.median(saving):8.3f} s"
          f"   ({', '.join(f'{wait:.3f}' for wait in saving)})")
    print(f"wait after a step without one    {statistics.median(other):8.3f} s")
    print(f"writing {len(newest) / 1e6:.0f} MB with fsync        {statistics.median(writes):8.3f} s")


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Compares what becomes of arrays of other programs with what NumPy says, number by number.

    Tests/Python/array_imports.py BUILD [--cases 60] [--seed 0]

BUILD is the folder of ddpm-dist and ddpm-sample. Writes arrays of all types, orders of axes and layouts by
h5py, imports them by `ddpm-dist dataset import hdf5`, and compares images, ranges, clipped numbers, classes and
attributes. Then a detector of 12 bits from end to end: import, training, bits per dimension of 4,096 levels,
samples of 16 bits. The last line reads "N passed, N failed".
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

passed = failed = 0
TYPES = ["u1", "u2", "i2", "i4", "f4", "f8", ">u2", ">i4", ">f8", "f2", "b1"]


def check(name, holds, seen=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"FAILED {name}: {seen}")


def run(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, text=True)


def usual_levels(largest: int) -> int:
    """docs/data.md: as many as there are of few, else the power of two from 256 on."""
    levels = max(largest + 1, 2) if largest < 128 else 256
    while levels <= largest:
        levels *= 2
    return levels


def numbers(rng, kind: str, shape) -> np.ndarray:
    if kind[-2] == "f":
        return (rng.normal(size=shape) * 10.0 ** rng.integers(-3, 4)).astype(kind)
    if kind == "b1":
        return rng.random(shape) < 0.5
    most = min(np.iinfo(kind).max, 70000)
    low = 0 if kind[-2] == "u" or rng.random() < 0.5 else -most // 2
    return rng.integers(low, rng.integers(2, most), shape).astype(kind)


def case(program: Path, folder: Path, rng, number: int):
    """One array, in one file, several, or pieces of a virtual dataset."""
    kind = TYPES[number % len(TYPES)]
    height, width, channels = (int(x) for x in rng.integers(5, 12, 3))
    channels = [1, 1, 2, 3][rng.integers(4)] if rng.random() < 0.7 else channels
    count = int(rng.integers(2, 40))
    images = numbers(rng, kind, (count, height, width, channels))
    order = ["NHW", "NHWC", "NCHW"][rng.integers(3)] if channels == 1 else ["NHWC", "NCHW"][rng.integers(2)]
    stored = {
        "NHW": images[..., 0], "NHWC": images, "NCHW": np.moveaxis(images, 3, 1)
    }[order]  # fmt: skip
    stored = np.ascontiguousarray(stored)
    parts = np.array_split(np.arange(count), [1, 2, 3][rng.integers(3)])
    parts = [part for part in parts if len(part)]
    options = {}
    if rng.random() < 0.5:
        options = {"chunks": (1, *stored.shape[1:]), "compression": "gzip", "shuffle": True}
    files = []
    for index, part in enumerate(parts):
        files.append(folder / f"{number}-{index}.h5")
        with h5py.File(files[-1], "w") as file:
            file.create_dataset("entry/data", data=stored[part], **options)
            file["entry/data"].attrs["units"] = "counts"
            file["entry/class"] = part % 5
    is_virtual = rng.random() < 0.3
    if is_virtual:
        layout = h5py.VirtualLayout(stored.shape, stored.dtype)
        for file, part in zip(files, parts, strict=True):
            shape = (len(part), *stored.shape[1:])
            layout[part[0] : part[-1] + 1] = h5py.VirtualSource(file.name, "entry/data", shape)
        files.insert(0, folder / f"{number}-all.h5")
        with h5py.File(files[0], "w") as file:
            file.create_virtual_dataset("entry/data", layout)
            file["entry/class"] = np.arange(count) % 5
    words = [program, "dataset", "import", "hdf5", *files, "--dataset", "/entry/data"]
    words += ["--labels", "entry/class"]
    if order != "NHW":
        words += ["--layout", order]
    # What NumPy says of the range.
    whole = images.astype("f8")
    is_integer = kind[-2] != "f"
    choice = rng.integers(4)
    levels = scaled = None
    if choice == 0:
        low, high = whole.min(), whole.max()
        if is_integer and low >= 0 and high <= 65535:
            levels = 256 if kind == "u1" else usual_levels(int(high))
    elif choice == 1:
        low, high = sorted(float(np.float32(x)) for x in np.quantile(whole, [0.2, 0.9]))
        low = 0.0 if rng.random() < 0.5 else low
        high = max(high, low + 1)
        if is_integer:
            low, high = float(round(low)), float(round(high))
        words += ["--range", f"{low!r},{high!r}"]
        if is_integer and low == 0 and 1 <= high <= 65535:
            levels = int(high) + 1
    elif choice == 2:
        low, high = np.percentile(whole, [5, 95])
        words += ["--range", "percentile:5,95"]
    else:
        ends = [np.percentile(whole[..., c], [1, 99]) for c in range(channels)]
        words += ["--range", "per-channel:1,99"]
        scaled = np.stack(
            [2 * (np.clip(whole[..., c], *ends[c]) - ends[c][0]) / (ends[c][1] - ends[c][0]) - 1
             for c in range(channels)], -1)  # fmt: skip
        low, high = -1.0, 1.0
    output = folder / f"{number}.out.h5"
    ended = run(*words, "--output", output)
    name = f"case {number}: {kind} {order} {stored.shape} {words[words.index('/entry/data') + 1:]}"
    if choice in (0, 2, 3) and (low >= high or scaled is not None and any(e[0] >= e[1] for e in ends)):
        return check(f"{name}, one number", ended.returncode == 65, ended)
    check(f"{name}, exit code", ended.returncode == 0, ended.stderr)
    if ended.returncode:
        return
    with h5py.File(output) as file:
        found = file["images"]
        if levels is not None:
            check(f"{name}, levels", found.attrs["levels"] == levels, found.attrs["levels"])
            check(f"{name}, type", found.dtype == (np.uint8 if levels <= 256 else np.uint16))
            wanted, close = np.clip(whole, 0, levels - 1), 0.0
        else:
            range_ = found.attrs["value_range"]
            width_ = high - low
            check(f"{name}, range", np.abs(range_ - [low, high]).max() < 1e-6 * width_, (range_, low, high))
            wanted = scaled if scaled is not None else np.clip(whole, *range_)
            close = 1e-5 if scaled is not None else 1e-6 * max(abs(low), abs(high))
        check(f"{name}, images", np.abs(found[...] - wanted).max() <= close)
        check(f"{name}, classes", np.array_equal(file["labels"], np.arange(count) % 5))
        check(f"{name}, units", is_virtual or file["source"].attrs["units"] in ("counts", b"counts"))
        if scaled is None:
            clipped = np.count_nonzero(wanted != whole) if levels else np.count_nonzero(
                (whole < found.attrs["value_range"][0]) | (whole > found.attrs["value_range"][1]))
            said = re.search(r"(\d+) of \d+ are beyond", ended.stdout)
            check(f"{name}, clipped", int(said[1] if said else 0) == clipped, (ended.stdout, clipped))
    inspected = run(program, "dataset", "inspect", output)
    check(f"{name}, inspect", inspected.returncode == 0, inspected.stderr)


def detector(build: Path, folder: Path):
    """A detector of 12 bits, from its file to samples in its units."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:16, :16]
    centres = rng.uniform(4, 12, (512, 2))
    rates = 30 + 3000 * np.exp(
        -((x - centres[:, :1, None]) ** 2 + (y - centres[:, 1:, None]) ** 2) / 8)
    counts = np.minimum(rng.poisson(rates), 4095).astype("u2")
    with h5py.File(folder / "detector.h5", "w") as file:
        file["entry/instrument/data"] = counts
        file["entry/instrument/data"].attrs["units"] = "counts"
    data, output = folder / "detector-set.h5", folder / "run"
    ended = run(build / "ddpm-dist", "dataset", "import", "hdf5", folder / "detector.h5", "--output", data)
    check("detector: one command imports it", "uint16, 4096 levels" in ended.stdout, ended)
    ended = run(
        build / "ddpm-dist", "train", "--data", data, "--run", output, "--steps", "300", "--batch", "16",
        "--set", "channels=16", "groups=4", "multipliers=[1,2]", "attention=[]", "validation=0.1",
        "sample_every=0")  # fmt: skip
    check("detector: training", ended.returncode == 0, ended.stderr[-300:])
    ended = run(
        build / "ddpm-dist", "evaluate", "--ckpt", output, "--data", data, "--count", "32",
        "--output", folder / "bound.json")  # fmt: skip
    check("detector: evaluation", ended.returncode == 0, ended.stderr[-300:])
    bound = json.loads((folder / "bound.json").read_text()) if ended.returncode == 0 else {}
    print("\n".join(line for line in ended.stdout.splitlines() if "bits" in line))
    check("detector: bits per dimension", "bits" in json.dumps(bound), bound)
    samples = folder / "samples.h5"
    ended = run(
        build / "ddpm-sample", "--ckpt", output, "--count", "16", "--sampler", "ddim", "--steps", "20",
        "--out", samples, folder / "samples.npz", folder / "samples.png")  # fmt: skip
    check("detector: sampling", ended.returncode == 0, ended.stderr[-300:])
    with h5py.File(samples) as file:
        drawn = file["samples"]
        check("detector: samples", drawn.dtype == np.uint16 and drawn.attrs["levels"] == 4096)
        check("detector: in its units", 200 < drawn[...].max() <= 4095, drawn[...].max())
        check("detector: npz", np.array_equal(np.load(folder / "samples.npz")["arr_0"], drawn[...]))
    ended = run(
        build / "ddpm-dist", "train", "--data", data, "--run", folder / "vdm", "--set", "model=vdm")
    check("detector: no softmax over 4,096 levels", ended.returncode == 64 and "1024" in ended.stderr, ended)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=Path)
    parser.add_argument("--cases", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    rng = np.random.default_rng(arguments.seed)
    with tempfile.TemporaryDirectory(prefix="ddpm-arrays-") as name:
        folder = Path(name)
        for number in range(arguments.cases):
            case(build / "ddpm-dist", folder, rng, number)
        detector(build, folder)
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
    main()

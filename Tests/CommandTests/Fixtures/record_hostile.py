#!/usr/bin/env python3
"""Writes hostile/crashing.h5 and hostile/endless.h5: datasets that libhdf5 1.10.8 cannot bear.

    record_hostile.py DDPM_DIST

A small dataset with strings of variable length, as h5py writes them, is mutated in its first 4 KiB
until `ddpm-dist __check-file`, the reader in a process of its own, dies of it: by SIGSEGV, and by
its limit of CPU time; also where it looks for nothing but the attribute `format`.
"""

import random
import subprocess
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np

hostile = Path(__file__).parent / "hostile"
hostile.mkdir(exist_ok=True)
with tempfile.TemporaryDirectory() as folder:
    seed = Path(folder) / "seed.h5"
    with h5py.File(seed, "w") as file:
        file.attrs["format"] = "ddpm-dataset"
        file.attrs["version"] = 1
        file.attrs["name"] = "numbers"
        file.attrs["origin"] = "a sentence that says where the images come from"
        file["images"] = np.zeros((8, 4, 4, 1), np.uint8)
        file["images"].attrs["layout"] = "NHWC"
        file["labels"] = np.arange(8)
        file["labels"].attrs["class_names"] = [f"class {k}" for k in range(8)]
    whole = seed.read_bytes()
    wanted = {-11: "crashing.h5", -24: "endless.h5"}
    for number in range(100_000):
        rng, data = random.Random(number), bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(4096)] = rng.randrange(256)
        path = Path(folder) / "mutated.h5"
        path.write_bytes(data)
        ends = set()
        for subject in (["dataset", "/"], ["content"]):
            if len(ends) < 2 and ends <= wanted.keys():
                words = [sys.argv[1], "__check-file", path, *subject]
                null = subprocess.DEVNULL
                ends.add(subprocess.run(words, stdout=null, stderr=null).returncode)
        if len(ends) == 1 and (name := wanted.pop(ends.pop(), None)):
            (hostile / name).write_bytes(data)
            print(number, name)
        if not wanted:
            break
    else:
        sys.exit(f"not found: {wanted}")

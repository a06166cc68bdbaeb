#!/usr/bin/env python3
"""Writes the embedded digits as two datasets, or a mask of their size.

    pip install numpy==2.4.6 h5py==3.16.0
    docs/course/split_digits.py FOLDER           FOLDER/digits-train.h5 and digits-test.h5
    docs/course/split_digits.py --mask FILE.png  8 x 8 pixels, the right half white

The first 1,438 images are those that a run with validation=0.2 trains on, the last 359 are held out.
"""

import struct
import sys
import zlib
from pathlib import Path

import h5py

DIGITS = Path(__file__).resolve().parents[2] / "Sources/Storage/Resources/digits.h5"
TRAINED = 1438


def split(folder):
    with h5py.File(DIGITS) as digits:
        for name, part in (("train", slice(0, TRAINED)), ("test", slice(TRAINED, None))):
            with h5py.File(Path(folder) / f"digits-{name}.h5", "w") as file:
                for key in ("images", "labels"):
                    data = file.create_dataset(key, data=digits[key][part])
                    for attribute, value in digits[key].attrs.items():
                        data.attrs[attribute] = value


def mask(path):
    """A PNG file of 8-bit grey, written by hand: no library is needed."""
    rows = b"".join(b"\0" + bytes([0] * 4 + [255] * 4) for _ in range(8))

    def chunk(kind, data):
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    Path(path).write_bytes(
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b""))


if len(sys.argv) == 3 and sys.argv[1] == "--mask":
    mask(sys.argv[2])
elif len(sys.argv) == 2:
    split(sys.argv[1])
else:
    sys.exit(__doc__)

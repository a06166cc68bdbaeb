#!/usr/bin/env python3
"""Makes captions.h5, groups of three images with good and bad captions, as h5py writes them.

    pip install -r Tests/Python/requirements.txt
    python3 make_caption_fixture.py
"""

import struct
from pathlib import Path

import h5py
import numpy as np
import xxhash

WORDS = [["one", "eine Eins"], ["zwei é", "two"], ["三", "two"]]
TEXT = h5py.string_dtype()


def checksum(captions):
    value = xxhash.xxh3_128()
    for row in captions:
        for text in row:
            value.update(text.encode() + b"\0")
    value.update(struct.pack("<2q", len(captions), len(captions[0])))
    return value.hexdigest()


def fixed(values):
    return np.char.encode(np.array(values), "utf-8")


firsts = [row[0] for row in WORDS]
with h5py.File(Path(__file__).with_name("captions.h5"), "w", libver="v108") as file:

    def group(name, captions, dtype=None, declared=None, **options):
        images = file.create_dataset(name + "/images", data=np.zeros((3, 2, 2, 1), np.uint8))
        images.attrs["layout"] = "NHWC"
        if captions is not None:
            data = file.create_dataset(name + "/captions", data=captions, dtype=dtype, **options)
            if declared:
                data.attrs["content_hash"] = declared

    group("variable", np.array(firsts, object), TEXT, checksum([[text] for text in firsts]))
    group("several", np.array(WORDS, object), TEXT, checksum(WORDS))
    group("fixed", fixed(firsts))
    group("packed", fixed(WORDS), chunks=(2, 1), compression="gzip", shuffle=True)
    group("none", None)
    group("control", np.array(["a\x1b[31m", "b\u202e", "c\nd"], object), TEXT)
    group("longest", np.array(["x", "y" * 4096, "z"]).astype("S"), compression="gzip")
    group("too-long", np.array(["x", "y" * 4097, "z"]).astype("S"), compression="gzip")
    group("not-utf8", np.array([b"a", b"b", b"\xff\xfe"]))
    group("blank", np.array([["a", "b"], ["c", " \t\u3000"], ["d", "e"]], object), TEXT)
    group("unwritten", np.array(["a", "", "c"], object), TEXT)
    group("two", np.array(["a", "b"], object), TEXT)
    group("numbers", np.arange(3))
    group("three-axes", np.array([[["a"]], [["b"]], [["c"]]], object), TEXT)
    group("too-many", np.full((3, 65), "a", object), TEXT)
    group("zero", np.zeros((3, 0), "S4"))
    group("changed", np.array(firsts, object), TEXT, "0" * 32)
    group("wide", np.array([b"a", b"b", b"c"]).astype("S70000"), compression="gzip")
    group(
        "coarse", np.full((3, 1), b"a" * 4000).astype("S4000"), chunks=(5000, 1),
        maxshape=(None, 1), compression="gzip")

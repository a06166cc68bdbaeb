"""Writes h5py.h5: what h5py makes of the kinds of objects that Python users store.

Run with numpy and h5py from PyPI: python make_h5py_fixture.py
"""

import os
import zlib

import h5py
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
with h5py.File("h5py.h5", "w") as file:
    file.attrs["text"] = "Zahl √2"
    file.attrs["fixed"] = np.bytes_("abc")
    file.attrs["texts"] = ["zero", "eins", "два"]
    file.attrs["integer"] = 17
    file.attrs["small"] = np.uint8(200)
    file.attrs["large"] = np.uint64(2**64 - 1)
    file.attrs["integers"] = np.array([-1, 2, 3], dtype=np.int16)
    file.attrs["double"] = 0.1
    file.attrs["doubles"] = np.array([0.5, -2.0], dtype=np.float32)
    file.attrs["flag"] = True
    file.attrs["nothing"] = h5py.Empty("f")
    file.attrs["matrix"] = np.eye(2)

    grid = np.arange(60, dtype=np.float32).reshape(5, 4, 3) / 8
    file["group/floats"] = grid
    file["group/big_endian"] = grid.astype(">f4")
    file["group/doubles"] = np.array([np.pi, -np.inf])
    file["group/half"] = grid.astype(np.float16)
    file["group/int16"] = np.arange(-3, 4, dtype=np.int16)
    file["group/flags"] = np.array([True, False])
    file["group/scalar"] = np.int64(7)
    file["group/empty"] = np.zeros((0, 3), dtype=np.uint8)
    file["group/texts"] = ["a", "", "größer"]
    file["group/fixed"] = np.array([b"ab", b"", b"abcd"])
    everything = {"shuffle": True, "compression": "gzip", "fletcher32": True}
    file.create_dataset("group/filtered", data=grid, chunks=(2, 4, 2), **everything)

    hostile = file.create_group("hostile")
    hostile.create_dataset("lzf", data=grid, chunks=(1, 4, 3), compression="lzf")
    hostile.create_dataset("unwritten", shape=(2**40, 8, 8, 1), dtype=np.uint8)
    hostile.create_dataset("overflow", shape=(2**62, 2**62), dtype=np.uint8)
    sparse = hostile.create_dataset("sparse", shape=(64, 8), chunks=(8, 8), dtype=np.uint8)
    sparse[:8] = 1
    bomb = hostile.create_dataset(
        "bomb", shape=(2**30,), chunks=(2**30,), dtype=np.uint8, compression="gzip")
    bomb.id.write_direct_chunk((0,), zlib.compress(bytes(1000)))
    hostile.create_dataset(
        "external", shape=(8,), dtype=np.uint8, external=[("/etc/passwd", 0, 8)])
    layout = h5py.VirtualLayout(shape=(5, 4, 3), dtype=np.float32)
    layout[:] = h5py.VirtualSource("h5py.h5", "group/floats", shape=(5, 4, 3))
    hostile.create_virtual_dataset("virtual", layout)
    hostile["soft"] = h5py.SoftLink("/group/floats")
    hostile["soft_group"] = h5py.SoftLink("/group")
    hostile["other_file"] = h5py.ExternalLink("h5py.h5", "/group/floats")
    hostile["type"] = np.dtype("f4")

"""Writes datasets.h5: a group for each way in which h5py users may write images.

Run with numpy and h5py from PyPI: python make_dataset_fixture.py
"""

import os

import h5py
import numpy as np

os.chdir(os.path.dirname(os.path.abspath(__file__)))
rng = np.random.default_rng(1)
bytes_last = rng.integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
floats = rng.random((6, 5, 4, 3), dtype=np.float32)

with h5py.File("datasets.h5", "w") as file:
    file.attrs["name"] = "h5py's"
    file["train/images"] = bytes_last
    file["train/labels"] = np.array([0, 1, 2, 0, 1, 2], dtype=np.uint8)
    file["train/labels"].attrs["class_names"] = ["a", "b", "c"]
    file["train/captions"] = [f"image {i}" for i in range(6)]
    file["first/images"] = np.ascontiguousarray(bytes_last.transpose(0, 3, 1, 2))
    file["first/images"].attrs["layout"] = "NCHW"
    file["floats/images"] = floats
    file["floats/images"].attrs["value_range"] = [0.0, 1.0]
    file["floats_first/images"] = np.ascontiguousarray(floats.transpose(0, 3, 1, 2))
    file["floats_first/images"].attrs["value_range"] = [0.0, 1.0]
    file["floats_first/images"].attrs["layout"] = "NCHW"

    file.create_dataset("lzf/images", data=bytes_last, chunks=True, compression="lzf")
    file.create_dataset("unwritten/images", shape=(2**40, 8, 8, 1), dtype=np.uint8)
    sparse = file.create_dataset("sparse/images", (64, 8, 8, 1), np.uint8, chunks=(8, 8, 8, 1))
    sparse[:8] = 1
    file.create_dataset(
        "external/images", (2, 8, 8, 1), np.uint8, external=[("/etc/passwd", 0, 128)])
    file["linked/images"] = h5py.SoftLink("/train/images")
    file["elsewhere/images"] = h5py.ExternalLink("other.h5", "/images")
    nan = floats.copy()
    nan[4, 0, 0, 0] = np.nan
    file["nan/images"] = nan
    file["nan/images"].attrs["value_range"] = [0.0, 1.0]
    infinite = floats.copy()
    infinite[1, 0, 0, 0] = np.inf
    file["infinite/images"] = infinite
    file["infinite/images"].attrs["value_range"] = [0.0, 1.0]
    outside = floats.copy()
    outside[5, 4, 3, 2] = 1.5
    file["outside/images"] = outside
    file["outside/images"].attrs["value_range"] = [0.0, 1.0]
    file["doubles/images"] = floats.astype(np.float64)
    file["int16/images"] = bytes_last.astype(np.int16)
    file["flags/images"] = bytes_last > 100

"""Makes the small inputs of the import and picture tests, and what NumPy and PIL read in them.

    pip install numpy pillow
    python make_import_fixtures.py      # writes beside itself

pictures.txt has a line per PNG file: name, height, width, channels, values in hexadecimal.
"""

import gzip
import io
import pathlib
import struct
import zipfile
import zlib

import numpy as np
from PIL import Image

here = pathlib.Path(__file__).parent
pictures = here / "pictures"
pictures.mkdir(exist_ok=True)
random = np.random.default_rng(20)
recorded = []


def record(name, expected):
    """Notes the values (height, width[, channels]) that must be read from a picture."""
    expected = expected if expected.ndim == 3 else expected[:, :, None]
    h, w, c = expected.shape
    recorded.append(f"{name} {h} {w} {c} {expected.astype(np.uint8).tobytes().hex()}")


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode(values, depth, color_type, interlaced=False):
    """A PNG file of values (height, width, channels), for the kinds that PIL does not write."""
    h, w, _ = values.shape

    def rows(part):
        if part.size == 0:
            return b""
        if depth == 16:
            return b"".join(b"\0" + row.astype(">u2").tobytes() for row in part)
        return b"".join(b"\0" + row.astype(np.uint8).tobytes() for row in part)

    if interlaced:  # Adam7: first column, first row, column step, row step
        passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4),
                  (1, 0, 2, 2), (0, 1, 1, 2)]
        data = b"".join(rows(values[y::dy, x::dx]) for x, y, dx, dy in passes)
    else:
        data = rows(values)
    header = struct.pack(">IIBBBBB", w, h, depth, color_type, 0, 0, int(interlaced))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(data))
            + chunk(b"IEND", b""))


grey = random.integers(0, 256, (5, 7), dtype=np.uint8)
color = random.integers(0, 256, (5, 7, 3), dtype=np.uint8)
opaque = np.full((5, 7, 1), 255, np.uint8)

Image.fromarray(grey).save(pictures / "grey8.png")
record("grey8.png", grey)
Image.fromarray(color).save(pictures / "rgb8.png")
record("rgb8.png", color)
bits = random.integers(0, 2, (5, 7)).astype(bool)
Image.fromarray(bits).save(pictures / "grey1.png")
record("grey1.png", bits * np.uint8(255))

palette = Image.fromarray(color).quantize(16)
palette.save(pictures / "palette.png", bits=4)
record("palette.png", np.array(palette.convert("RGB")))

grey16 = random.integers(0, 65536, (5, 7), dtype=np.uint16)
Image.fromarray(grey16).save(pictures / "grey16.png")
record("grey16.png", np.rint(grey16 / 257))
color16 = random.integers(0, 65536, (5, 7, 3), dtype=np.uint16)
(pictures / "rgb16.png").write_bytes(encode(color16, 16, 2))
record("rgb16.png", np.rint(color16 / 257))

(pictures / "interlaced.png").write_bytes(encode(color, 8, 2, interlaced=True))
record("interlaced.png", np.array(Image.open(pictures / "interlaced.png")))
assert (np.array(Image.open(pictures / "interlaced.png")) == color).all()

Image.fromarray(np.concatenate([color, opaque], 2)).save(pictures / "rgba-opaque.png")
record("rgba-opaque.png", color)
Image.fromarray(np.concatenate([grey[:, :, None], opaque], 2), "LA").save(
    pictures / "la-opaque.png")
record("la-opaque.png", grey)

see_through = opaque.copy()
see_through[3, 2] = 254
Image.fromarray(np.concatenate([color, see_through], 2)).save(pictures / "rgba-transparent.png")

# PIL's own conversion of colour to grey.
record("rgb8.png-as-grey", np.array(Image.fromarray(color).convert("L")))
(here / "pictures.txt").write_text("\n".join(recorded) + "\n")

# An .npz file without a time, so that its bytes can be compared.
images = np.arange(3 * 4 * 5 * 3, dtype=np.uint8).reshape(3, 4, 5, 3)
array = io.BytesIO()
np.lib.format.write_array(array, images, version=(1, 0))
with zipfile.ZipFile(here / "arange.npz", "w") as archive:
    archive.writestr(zipfile.ZipInfo("arr_0.npy"), array.getvalue())
assert (np.load(here / "arange.npz")["arr_0"] == images).all()

# IDX as MNIST comes: value 10 i + k at place k of image i, label i.
idx = np.array([[10 * i + k for k in range(6)] for i in range(4)], np.uint8)
for name, extents, values in [("images-idx3-ubyte", (4, 2, 3), idx),
                              ("labels-idx1-ubyte", (4,), np.arange(4, dtype=np.uint8))]:
    data = struct.pack(f">BBBB{len(extents)}I", 0, 0, 8, len(extents), *extents) + values.tobytes()
    (here / name).write_bytes(data)
    (here / f"{name}.gz").write_bytes(gzip.compress(data, mtime=0))

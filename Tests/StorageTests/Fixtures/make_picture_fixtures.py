"""Makes the small inputs of the tests of JPEG, TIFF, archives, arrays and resizing.

    pip install numpy pillow tifffile
    python make_picture_fixtures.py      # writes into imports/ beside itself

imports/expected.txt has a line per input: name, type, images, height, width, channels, and the bytes of all
values in hexadecimal, as Pillow, tifffile and NumPy read them.
"""

import io
import json
import pathlib
import tarfile
import zipfile

import numpy as np
import tifffile
from PIL import Image

here = pathlib.Path(__file__).parent / "imports"
here.mkdir(exist_ok=True)
random = np.random.default_rng(21)
recorded = []


def record(name, images):
    """Notes the values (images, height, width[, channels]) that must be read."""
    images = np.asarray(images)
    images = images if images.ndim == 4 else images[..., None]
    kind = images.dtype.newbyteorder("<")
    shape = " ".join(map(str, images.shape))
    recorded.append(f"{name} {kind.str[1:]} {shape} {images.astype(kind).tobytes().hex()}")


def colour(height, width):
    y, x = np.mgrid[0:height, 0:width]
    waves = [127 + 120 * np.sin(x * a + y * b) for a, b in [(0.3, 0.1), (0.1, 0.5), (0.7, 0.2)]]
    return np.rint(np.stack(waves, -1) + random.normal(0, 3, (height, width, 3))).clip(0, 255).astype(np.uint8)


for name, mode in [("colour.jpg", "RGB"), ("grey.jpg", "L")]:
    Image.fromarray(colour(9, 13)).convert(mode).save(here / name, quality=70)
    record(name, [np.array(Image.open(here / name))])
Image.fromarray(colour(9, 13)).convert("CMYK").save(here / "printed.jpg", quality=70)
(here / "cut.jpg").write_bytes((here / "colour.jpg").read_bytes()[:-60])

levels = random.integers(0, 4096, (3, 5, 7), dtype=np.uint16)
tifffile.imwrite(here / "stack16.tif", levels, byteorder=">", compression="zlib", photometric="minisblack")
record("stack16.tif", levels)
floats = random.normal(size=(2, 20, 18)).astype(np.float32)
tifffile.imwrite(here / "tiles.tif", floats, tile=(16, 16), compression="zlib", predictor=True)
record("tiles.tif", floats)
whole = random.integers(0, 17, (2, 5, 7, 3), dtype=np.int32)
whole[0, 0, 0, 0] = 16
tifffile.imwrite(here / "planes.tif", np.moveaxis(whole, -1, 1), photometric="rgb", planarconfig="separate")
record("planes.tif", whole.astype(np.uint8))
Image.fromarray(colour(5, 7)).save(here / "lzw.tif", compression="tiff_lzw")
record("lzw.tif", [np.array(Image.open(here / "lzw.tif"))])

pictures = {name: colour(4, 5) for name in ["ape/1.png", "ape/2.png", "bee/1.png"]}
files = {}
for name, pixels in pictures.items():
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    files[name] = file.getvalue()
captions = "\n".join(json.dumps({"file": name, "caption": f"this is {name}"}) for name in files)
with tarfile.open(here / "photos.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as archive:
    for name, content in {**files, "captions.jsonl": captions.encode(), ".hidden.png": b""}.items():
        info = tarfile.TarInfo("./photos/" + name)
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
record("photos.tar.gz", list(pictures.values()))
index = json.dumps({"labels": [["bee/1.png", 7], ["ape/1.png", 0], ["ape/2.png", 3]]})
with zipfile.ZipFile(here / "edm.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for name, content in {"dataset.json": index.encode(), **files}.items():
        archive.writestr(zipfile.ZipInfo(name), content)
record("edm.zip", list(pictures.values()))
with tarfile.open(here / "link.tar", "w") as archive:
    info = tarfile.TarInfo("a.png")
    info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
    archive.addfile(info)
with zipfile.ZipFile(here / "escaping.zip", "w") as archive:
    archive.writestr(zipfile.ZipInfo("../../../a.png"), files["ape/1.png"])

first = random.integers(0, 60_000, (2, 3, 4, 5), dtype=np.uint16)
first[0, 0, 0, 0] = 59_999
np.save(here / "nchw.npy", first)
record("nchw.npy", np.moveaxis(first, 1, -1))
np.save(here / "fortran.npy", np.asfortranarray(random.normal(size=(3, 4, 5)).astype(">f8")))
record("fortran.npy", np.load(here / "fortran.npy").astype(np.float32))
np.savez_compressed(here / "both.npz", x=levels.astype(np.int16), y=np.arange(3), z=np.zeros(2))
record("both.npz", levels)

for name, pixels, size in [
    ("shrunk8", colour(83, 101), (8, 8)), ("grown8", colour(7, 9), (16, 16)),
    ("shrunk16", random.integers(0, 65536, (83, 101), dtype=np.uint16), (12, 9)),
    ("shrunk32", random.normal(size=(83, 101)).astype(np.float32), (12, 9)),
]:
    h, w = pixels.shape[:2]
    height, width = size
    rows, columns = h, w
    if w * height > h * width:
        columns = (2 * h * width + height) // (2 * height)
    else:
        rows = (2 * w * height + width) // (2 * width)
    y, x = (h - rows) // 2, (w - columns) // 2
    picture = Image.fromarray(pixels.astype(np.int32) if pixels.dtype == np.uint16 else pixels)
    picture = picture.crop((x, y, x + columns, y + rows))
    resized = np.array(picture.resize((width, height), Image.Resampling.LANCZOS, reducing_gap=3))
    if pixels.dtype == np.uint16:
        resized = resized.clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(here / f"{name}.tif", pixels, compression="zlib", predictor=True)
    record(f"{name}.tif", resized[None])

(here / "expected.txt").write_text("\n".join(recorded) + "\n")

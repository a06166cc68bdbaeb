#!/usr/bin/env python3
"""Compares every import of pictures and arrays with Pillow, tifffile and NumPy, pixel by pixel.

    import_agreement.py BUILD [--damaged 60] [--seed 0] [--only WORD]

BUILD is the folder of ddpm-dist. Needs h5py, NumPy, Pillow 13, tifffile with imagecodecs, xxhash, and zstd.
Before that, so many damaged files of each kind are given to the command: each must end in 0 or 65, with
one line, in less than 100 MB, and leave nothing behind where it is refused. The last line reads "N passed,
N failed".
"""

import argparse
import io
import json
import os
import random
import shutil
import struct
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from pathlib import Path

import h5py
import numpy as np
import tifffile
from PIL import Image

from fuzz import mutate

KIB = 100 * 1000  # What a damaged file may cost of memory.
passed = failed = 0


def judge(name: str, fault: str | None):
    global passed, failed
    if fault is None:
        passed += 1
    else:
        failed += 1
        print(f"{name}: {fault}", flush=True)


class Program:
    """ddpm-dist."""

    def __init__(self, build: str, folder: Path):
        self.path, self.folder = str(Path(build).resolve() / "ddpm-dist"), folder

    def run(self, *words):
        return subprocess.run(
            [self.path, "dataset", *map(str, words)], capture_output=True, text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip

    def imported(self, *words):
        """What an import has made: images, labels, names of classes, captions, levels or range."""
        out = self.folder / "out.h5"
        out.unlink(missing_ok=True)
        run = self.run("import", *words, "--output", out)
        if run.returncode != 0:
            raise ValueError(f"exit code {run.returncode}: {run.stderr.strip()[-300:]}")
        with h5py.File(out) as file:
            images = file["images"]
            names = file["labels"].attrs.get("class_names") if "labels" in file else None
            return {
                "images": images[:],
                "labels": file["labels"][:] if "labels" in file else None,
                "names": None if names is None else [name.decode() for name in names],
                "captions": file["captions"][:] if "captions" in file else None,
                "levels": images.attrs.get("levels"),
                "range": images.attrs.get("value_range"),
                "hash": file.attrs["content_hash"],
            }


def difference(found: np.ndarray, expected: np.ndarray, most: float = 0) -> str | None:
    """Why two arrays are not equal; nil where they are."""
    if found.shape != expected.shape:
        return f"shape {found.shape} in the place of {expected.shape}"
    if found.dtype != expected.dtype:
        return f"type {found.dtype} in the place of {expected.dtype}"
    largest = np.abs(found.astype(np.float64) - expected.astype(np.float64)).max()
    return None if largest <= most else f"a value differs by {largest}"


def channels(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.ndim == 3 else pixels[:, :, None]


class Agreement:
    """Cases: each makes files, imports them and compares."""

    def __init__(self, program: Program, folder: Path, seed: int):
        self.program, self.folder = program, folder
        self.rng = np.random.default_rng(seed)
        self.count = 0

    def fresh(self) -> Path:
        self.count += 1
        path = self.folder / f"case-{self.count}"
        path.mkdir()
        return path

    def compare(self, name, expected, *words, most=0, **more):
        """Imports, and compares the images (N, H, W, C) and what else is said."""
        try:
            found = self.program.imported(*words)
            fault = difference(found["images"], np.stack([channels(e) for e in expected]), most)
            for key, value in more.items():
                if fault is None and not np.array_equal(found[key], value):
                    fault = f"{key} {found[key]} in the place of {value}"
        except (ValueError, KeyError, OSError) as error:
            fault = str(error)
        judge(name, fault)

    def smooth(self, height, width, depth=3, bits=8):
        """Waves and noise, over the whole scale."""
        y, x = np.mgrid[0:height, 0:width]
        waves = [
            np.sin(x * self.rng.uniform(0.01, 1.5) + y * self.rng.uniform(0.01, 1.5))
            for _ in range(depth)
        ]
        values = np.stack(waves, -1) * 0.5 + 0.5 + self.rng.normal(0, 0.1, (height, width, depth))
        values = np.clip(values, 0, 1)
        if bits == 32:
            return (values * 7 - 2).astype(np.float32)
        return np.rint(values * (2**bits - 1)).astype(np.uint8 if bits == 8 else np.uint16)

    # Decoders

    def png(self):
        for mode in ["L", "RGB", "P", "1", "LA", "RGBA"]:
            folder = self.fresh()
            pictures = [Image.fromarray(self.smooth(9, 13)).convert(mode) for _ in range(3)]
            for i, picture in enumerate(pictures):
                picture.save(folder / f"{i}.png")
            grey = mode in ("L", "LA", "1")
            expected = [np.array(p.convert("L" if grey else "RGB")) for p in pictures]
            self.compare(f"png {mode}", expected, "images", folder)
        folder = self.fresh()
        pictures = [self.rng.integers(0, 65536, (9, 13), dtype=np.uint16) for _ in range(3)]
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / f"{i}.png")
        self.compare("png 16 bits", pictures, "images", folder, levels=65536)

    def jpeg(self):
        for mode in ["RGB", "L"]:
            for quality in [30, 75, 95]:
                for subsampling in [0, 1, 2]:
                    for progressive in [False, True]:
                        folder = self.fresh()
                        expected = []
                        for i in range(3):
                            picture = Image.fromarray(self.smooth(37, 51)).convert(mode)
                            path = folder / f"{i}.jpg"
                            picture.save(
                                path, quality=quality, subsampling=subsampling,
                                progressive=progressive,
                            )  # fmt: skip
                            expected.append(np.array(Image.open(path)))
                        self.compare(
                            f"jpeg {mode} {quality} {subsampling} {progressive}", expected,
                            "images", folder,
                        )  # fmt: skip
        folder = self.fresh()
        picture = Image.fromarray(self.smooth(37, 51))
        picture.save(folder / "a.jpeg")
        decoded = Image.open(folder / "a.jpeg")
        self.compare(
            "jpeg as grey", [np.array(decoded.convert("L"))], "images", folder, "--channels", "1"
        )

    def tiff(self):
        kinds = [
            np.uint8, np.uint16, np.uint32, np.int8, np.int16, np.int32, np.float32, np.float64,
        ]  # fmt: skip
        options = [
            {}, {"compression": "zlib"}, {"compression": "lzw", "predictor": True},
            {"compression": "packbits"}, {"tile": (16, 16)}, {"rowsperstrip": 3},
            {"byteorder": ">"}, {"bigtiff": True},
        ]  # fmt: skip
        for kind in kinds:
            for option in options:
                for depth in [1, 3]:
                    if option.get("compression") == "packbits" and kind != np.uint8:
                        continue
                    self.stack(np.dtype(kind), option, depth)
        for planar in ["separate", "contig"]:
            self.stack(np.dtype(np.uint16), {"planarconfig": planar, "tile": (16, 32)}, 3)
            self.stack(np.dtype(np.float32), {"planarconfig": planar}, 3)
        folder = self.fresh()
        pictures = [self.smooth(9, 13), self.smooth(9, 13)]
        for i, picture in enumerate(pictures):
            Image.fromarray(picture).save(folder / f"{i}.tiff", compression="tiff_lzw")
        self.compare("tiff folder", pictures, "images", folder)
        folder = self.fresh()
        picture = Image.fromarray(self.smooth(9, 13)).convert("P")
        picture.save(folder / "p.tif")
        self.compare("tiff palette", [np.array(picture.convert("RGB"))], "images", folder)
        white = self.smooth(9, 13, 1)[:, :, 0]
        tifffile.imwrite(folder / "p.tif", white, photometric="miniswhite")
        self.compare("tiff white is zero", [255 - white], "images", folder)

    def stack(self, kind, option, depth):
        path = self.fresh() / "stack.tif"
        shape = (4, 33, 41) + ((3,) if depth == 3 else ())
        if kind.kind == "f":
            values = self.rng.normal(size=shape).astype(kind)
        else:
            info = np.iinfo(kind)
            top = min(info.max, 2**24)
            values = self.rng.integers(max(info.min, -(2**24)), top, shape, dtype=kind)
        tifffile.imwrite(
            path, values, photometric="rgb" if depth == 3 else "minisblack",
            **{"planarconfig": "contig", **option} if depth == 3 else option,
        )  # fmt: skip
        known = kind in (np.uint8, np.uint16)
        expected = values if known else values.astype(np.float32)
        more = {}
        if not known:
            more["range"] = [expected.min(), expected.max()]
        pages = list(expected)
        if option.get("planarconfig") == "separate":
            pages = [np.moveaxis(page, 0, -1) for page in np.moveaxis(expected, -1, 1)]
            tifffile.imwrite(
                path, np.moveaxis(values, -1, 1), photometric="rgb", **option
            )
        self.compare(f"tiff {kind} {option} {depth}", pages, "images", path, **more)

    def whole(self):
        """Whole numbers of 32 bits that are levels."""
        path = self.fresh() / "stack.tif"
        for top, kind, levels in [(17, np.uint8, 17), (300, np.uint16, 512), (65536, np.uint16, 65536)]:
            values = self.rng.integers(0, top, (4, 9, 11), dtype=np.int32)
            values[0, 0, 0] = top - 1
            tifffile.imwrite(path, values, photometric="minisblack")
            self.compare(
                f"int32 below {top}", list(values.astype(kind)), "images", path, levels=levels
            )

    # Sources

    def sources(self):
        folder = self.fresh()
        pictures = {}
        for label, name in enumerate(["ape", "bee", "çat"]):
            (folder / name).mkdir()
            for i in range(3):
                pictures[f"{name}/{i}.png"] = self.smooth(8, 8)
        for name, pixels in pictures.items():
            Image.fromarray(pixels).save(folder / name)
        names = sorted(pictures)
        lines = [json.dumps({"file": n, "caption": f"this is {n}"}) for n in reversed(names)]
        (folder / "captions.jsonl").write_text("\n".join(lines))
        expected = [pictures[name] for name in names]
        more = {
            "labels": [["ape", "bee", "çat"].index(n.split("/")[0]) for n in names],
            "names": ["ape", "bee", "çat"],
            "captions": [f"this is {n}".encode() for n in names],
        }
        self.compare("folder", expected, "images", folder, **more)
        for ending in ["zip", "tar", "tar.gz", "tgz", "tar.xz", "tar.bz2", "tar.zst"]:
            for top in ["", "photos/"]:
                path = self.folder / f"archive.{ending}"
                path.unlink(missing_ok=True)
                files = [(top + n, folder / n) for n in names + ["captions.jsonl"]]
                pack(path, files)
                self.compare(f"{ending} {top}", expected, "images", path, **more)
        labels = [[name, i % 5] for i, name in enumerate(names)]
        (folder / "dataset.json").write_text(json.dumps({"labels": labels}))
        more = {"labels": [label for _, label in labels], "captions": more["captions"]}
        self.compare("folder with dataset.json", expected, "images", folder, **more)
        path = self.folder / "edm.zip"
        pack(path, [(n, folder / n) for n in names + ["captions.jsonl", "dataset.json"]])
        self.compare("zip with dataset.json", expected, "images", path, **more)

    def numpy(self):
        kinds = "b1 u1 u2 u4 u8 i1 i2 i4 i8 f2 f4 f8".split()
        for kind in kinds:
            for order in "<>":
                dtype = np.dtype(order + kind)
                if dtype.kind == "f":
                    values = self.rng.normal(size=(5, 6, 7, 3)).astype(dtype)
                elif dtype.kind == "b":
                    values = self.rng.integers(0, 2, (5, 6, 7, 3)).astype(bool)
                else:
                    low = 0 if dtype.kind == "u" else -100
                    values = self.rng.integers(low, 120, (5, 6, 7, 3)).astype(dtype)
                    values[0, 0, 0, 0] = 119
                # Bytes have 256 levels, whatever the largest is.
                levels = 256 if dtype == np.uint8 else {"b": 2, "u": 120}.get(dtype.kind)
                expected = values.astype(np.uint8 if levels else np.float32)
                more = {"levels": levels} if levels else {
                    "range": [expected.min(), expected.max()]}  # fmt: skip
                path = self.fresh() / "x.npy"
                np.save(path, values)
                self.compare(f"npy {dtype}", list(expected), "npy", path, **more)
                np.save(path, np.asfortranarray(values))
                self.compare(f"npy Fortran {dtype}", list(expected), "npy", path, **more)
        values = self.rng.integers(0, 60000, (5, 6, 7, 3), dtype=np.uint16)
        values[0, 0, 0, 0] = 59999
        path = self.fresh() / "x.npy"
        np.save(path, np.moveaxis(values, -1, 1))
        self.compare("nchw", list(values), "npy", path, "--layout", "nchw", levels=65536)
        self.compare("nchw from the extents", list(values), "npy", path)
        np.save(path, values[..., 0])
        self.compare("no channels", list(values[..., 0]), "npy", path)
        for version in [(1, 0), (2, 0), (3, 0)]:
            with open(path, "wb") as file:
                np.lib.format.write_array(file, values, version)
            self.compare(f"version {version}", list(values), "npy", path)
        labels = self.rng.integers(0, 9, 5)
        np.save(path.with_name("y.npy"), labels)
        self.compare("labels", list(values), "npy", path, path.with_name("y.npy"), labels=labels)
        for save in [np.savez, np.savez_compressed]:
            both = path.with_name("both.npz")
            save(both, x_train=values, y_train=labels)
            self.compare(
                f"{save.__name__} keys", list(values), "npy", both, "--key", "x_train",
                "--label-key", "y_train", labels=labels,
            )  # fmt: skip

    # Resizing

    def resizing(self):
        sizes = [(100, 80), (33, 97), (640, 480), (250, 250), (1031, 777), (20, 31), (64, 64)]
        for height, width in sizes:
            for target in ["64", "32x48", "96x50", "7"]:
                h, w = map(int, target.split("x")) if "x" in target else (int(target),) * 2
                for crop in ["center", "none"]:
                    for bits, depth in [(8, 3), (8, 1), (16, 1), (32, 1)]:
                        self.resize(height, width, h, w, target, crop, bits, depth)

    def resize(self, height, width, h, w, target, crop, bits, depth):
        folder = self.fresh()
        pixels = self.smooth(height, width, depth, bits)
        pixels = pixels[:, :, 0] if depth == 1 else pixels
        if bits == 32:
            tifffile.imwrite(folder / "a.tif", pixels)
        else:
            Image.fromarray(pixels).save(folder / "a.png")
        picture = Image.fromarray(pixels.astype(np.int32) if bits == 16 else pixels)
        if crop == "center":
            columns, rows = width, height
            if width * h > height * w:
                columns = min(width, max(1, (2 * height * w + h) // (2 * h)))
            else:
                rows = min(height, max(1, (2 * width * h + w) // (2 * w)))
            left, top = (width - columns) // 2, (height - rows) // 2
            picture = picture.crop((left, top, left + columns, top + rows))
        resized = np.array(picture.resize((w, h), Image.Resampling.LANCZOS, reducing_gap=3))
        most = 1
        if bits == 16:
            resized = np.clip(resized, 0, 65535).astype(np.uint16)
        elif bits == 32:
            most = 1e-5
        self.compare(
            f"{bits} bits {height}x{width} to {target}, {crop}", [resized], "images", folder,
            "--size", target, "--crop", crop, most=most,
        )  # fmt: skip

    # Exports

    def exports(self):
        for name, values, attributes in [
            ("levels", self.rng.integers(0, 256, (30, 8, 9, 3), dtype=np.uint8), {"levels": 256}),
            ("few levels", self.rng.integers(0, 17, (30, 8, 9, 1), dtype=np.uint8), {"levels": 17}),
            ("16 bits", self.rng.integers(0, 65536, (30, 8, 9, 1), dtype=np.uint16), {"levels": 65536}),
            ("12 bits", self.rng.integers(0, 4096, (30, 8, 9, 3), dtype=np.uint16), {"levels": 4096}),
            ("floats", self.rng.uniform(-2, 3, (30, 8, 9, 1)).astype(np.float32),
             {"value_range": [-2.0, 3.0]}),
        ]:  # fmt: skip
            for labelled in [False, True]:
                self.export(f"export {name} {labelled}", values, attributes, labelled)

    def export(self, name, values, attributes, labelled):
        folder = self.fresh()
        data = folder / "data.h5"
        labels = self.rng.integers(0, 3, len(values))
        classes = ["zebra", "a/b", "ape"]
        with h5py.File(data, "w") as file:
            file["images"] = values
            file["images"].attrs.update(attributes)
            file["images"].attrs["layout"] = "NHWC"
            if labelled:
                file["labels"] = labels
                file["labels"].attrs["class_names"] = classes
                file["captions"] = [f"image {i}" for i in range(len(values))]
        for kind, out in [("images", "out"), ("zip", "out.zip"), ("npz", "out.npz")]:
            for target in [folder / out, folder / ("again-" + out)]:
                run = self.program.run("export", kind, data, "--range", "4:24", "--output", target)
                if run.returncode != 0:
                    return judge(f"{name} {kind}", run.stderr.strip()[-300:])
            same = contents(folder / out) == contents(folder / ("again-" + out))
            judge(f"{name} {kind} twice", None if same else "the bytes differ")
        part, expected = values[4:24], list(values[4:24])
        more = {"levels": attributes["levels"]} if "levels" in attributes else {}
        if labelled:
            more |= {"labels": labels[4:24], "names": classes,
                     "captions": [f"image {i}".encode() for i in range(4, 24)]}  # fmt: skip
        if "value_range" in attributes:
            expected = [np.rint((v.astype(np.float64) + 2) / 5 * 65535).astype(np.uint16) for v in part]
        self.compare(f"{name} images back", expected, "images", folder / "out", **more)
        self.compare(f"{name} zip back", expected, "images", folder / "out.zip", **more)
        arrays = np.load(folder / "out.npz")
        levels = attributes.get("levels", 0)
        stored = part
        if 0 < levels <= 256:
            stored = ((part.astype(int) * 255 + (levels - 1) // 2) // (levels - 1)).astype(np.uint8)
        judge(f"{name} npz", difference(arrays["arr_0"], stored))
        if labelled:
            judge(f"{name} npz labels", difference(arrays["arr_1"], labels[4:24]))
        # What another program sees.
        some = sorted((folder / "out").rglob("*.png"))[0]
        pixels = np.array(Image.open(some))
        judge(f"{name} picture", None if pixels.shape[:2] == (8, 9) else f"shape {pixels.shape}")


def pack(path: Path, files):
    """A zip or tar archive of files, by the names that they shall have."""
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, file in files:
                archive.write(file, name)
        return
    way = {"tar.gz": "gz", "tgz": "gz", "tar.xz": "xz", "tar.bz2": "bz2"}
    mode = way.get(path.name.split(".", 1)[1], "")
    with tarfile.open(path, "w:" + mode, format=tarfile.PAX_FORMAT) as archive:
        for name, file in files:
            archive.add(file, name)
    if path.name.endswith(".zst"):
        plain = path.with_suffix("")
        path.rename(plain)
        subprocess.run(["zstd", "-q", "--rm", "-f", str(plain), "-o", str(path)], check=True)


def blank_png(side: int) -> bytes:
    """A black square of a few kilobytes, whose rows would be many megabytes."""
    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(side + 1)) for _ in range(side)) + packer.flush()

    def chunk(name: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + checksum

    header = struct.pack(">2I5B", side, side, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(*part) for part in [(b"IHDR", header), (b"IDAT", rows), (b"IEND", b"")]
    )


class Zeros:
    """A file of zeros without an end."""

    def read(self, count: int) -> bytes:
        return bytes(count)


def contents(path: Path):
    if path.is_file():
        return path.read_bytes()
    return {str(f.relative_to(path)): f.read_bytes() for f in path.rglob("*") if f.is_file()}


class Damage:
    """Damaged files of each kind, given to the command."""

    def __init__(self, program: Program, folder: Path, seed: int):
        self.program, self.folder, self.seed = program, folder, seed
        self.largest, self.refused = 0, 0

    def seeds(self) -> dict[str, tuple[str, bytes]]:
        rng = np.random.default_rng(5)
        pixels = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        deep = rng.integers(0, 65536, (40, 40), dtype=np.uint16)

        def saved(save) -> bytes:
            file = io.BytesIO()
            save(file)
            return file.getvalue()

        def picture(format, **options):
            return saved(lambda f: Image.fromarray(pixels).save(f, format, **options))

        def zipped(method):
            def save(file):
                with zipfile.ZipFile(file, "w", method) as archive:
                    archive.writestr("a/0.png", picture("PNG"))
                    archive.writestr("b/1.jpg", picture("JPEG"))
                    archive.writestr("dataset.json", '{"labels": [["a/0.png", 1], ["b/1.jpg", 2]]}')
            return saved(save)

        def tarred(mode):
            def save(file):
                with tarfile.open(fileobj=file, mode="w:" + mode) as archive:
                    for name, content in [("a/0.png", picture("PNG")), ("b/1.jpg", picture("JPEG"))]:
                        info = tarfile.TarInfo(name)
                        info.size = len(content)
                        archive.addfile(info, io.BytesIO(content))
            return saved(save)

        def tiff(values, **options):
            return saved(lambda f: tifffile.imwrite(f, values, **options))

        stack = rng.integers(0, 4096, (3, 40, 40), dtype=np.uint16)
        return {
            "jpeg": ("f/a.jpg", picture("JPEG", quality=80)),
            "progressive jpeg": ("f/a.jpg", picture("JPEG", progressive=True)),
            "png": ("f/a.png", picture("PNG")),
            "png 16": ("f/a.png", saved(lambda f: Image.fromarray(deep).save(f, "PNG"))),
            "tiff": ("f/a.tif", picture("TIFF")),
            "tiff lzw": ("f/a.tif", picture("TIFF", compression="tiff_lzw")),
            "tiff jpeg": ("f/a.tif", picture("TIFF", compression="jpeg")),
            "tiff stack": ("a.tif", tiff(stack)),
            "tiff zlib tiles": ("a.tif", tiff(stack, compression="zlib", tile=(16, 16))),
            "tiff float": ("a.tif", tiff(stack.astype(np.float32), compression="lzw", predictor=True)),
            "zip": ("a.zip", zipped(zipfile.ZIP_STORED)),
            "zip deflated": ("a.zip", zipped(zipfile.ZIP_DEFLATED)),
            "tar": ("a.tar", tarred("")),
            "tar.gz": ("a.tar.gz", tarred("gz")),
            "tar.xz": ("a.tar.xz", tarred("xz")),
            "npy": ("x.npy", saved(lambda f: np.save(f, stack))),
            "npz": ("x.npz", saved(lambda f: np.savez_compressed(f, images=stack))),
        }

    def run(self, count: int):
        for kind, (name, content) in self.seeds().items():
            for number in range(-1, count):
                rng = random.Random(f"{self.seed} {kind} {number}")
                data = content if number < 0 else mutate(content, rng)
                self.give(f"damaged {kind} {number}", name, data, mustSucceed=number < 0)
        self.bombs()

    def bombs(self):
        """Small files that declare or unpack to much."""
        # Made piece by piece: the system counts this process's memory as that of those it starts.
        for side in [8_000, 30_000]:
            self.give(f"png bomb {side}", "f/a.png", blank_png(side), mustFail=True)
        for side in [2_000, 16_000]:
            blank = io.BytesIO()
            tifffile.imwrite(
                blank, (np.zeros((16, side), np.uint8) for _ in range(side // 16)),
                shape=(side, side), dtype=np.uint8, tile=(16, side), compression="zlib",
            )  # fmt: skip
            self.give(f"tiff bomb {side}", "f/a.tif", blank.getvalue(), mustFail=side > 2_000)
        for name in ["a.png", "dataset.json", "captions.jsonl"]:
            bomb = io.BytesIO()
            with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
                with archive.open(name, "w") as entry:
                    for _ in range(1 << 8):
                        entry.write(b"\0" * (1 << 20))
                archive.writestr("b.png", b"")
            self.give(f"zip bomb {name}", "a.zip", bomb.getvalue(), mustFail=True)
        bomb = io.BytesIO()
        with tarfile.open(fileobj=bomb, mode="w:xz", preset=0) as archive:
            info = tarfile.TarInfo("a.png")
            info.size = 1 << 26
            archive.addfile(info, Zeros())
        self.give("tar bomb", "a.tar.xz", bomb.getvalue(), mustFail=True)
        good = io.BytesIO()
        Image.new("L", (8, 8)).save(good, "PNG")
        for kind in ["symlink", "hard link", "device"]:
            bomb = io.BytesIO()
            with tarfile.open(fileobj=bomb, mode="w") as archive:
                info = tarfile.TarInfo("a.png")
                info.type = {
                    "symlink": tarfile.SYMTYPE, "hard link": tarfile.LNKTYPE,
                    "device": tarfile.CHRTYPE,
                }[kind]  # fmt: skip
                info.linkname = "/etc/passwd"
                archive.addfile(info)
            self.give(f"tar with a {kind}", "a.tar", bomb.getvalue(), mustFail=True)
        for name in ["../../escaped.png", "/tmp/escaped.png"]:
            bomb = io.BytesIO()
            with zipfile.ZipFile(bomb, "w") as archive:
                archive.writestr(name, good.getvalue())
            self.give(f"zip with {name}", "a.zip", bomb.getvalue(), mustSucceed=True)
            judge(f"{name} is not written", "it is" if Path("/tmp/escaped.png").exists() else None)
        header = b"\x93NUMPY\1\0"
        text = b"{'descr': '<f8', 'fortran_order': False, 'shape': (100000, 1000, 1000), }\n"
        data = header + len(text).to_bytes(2, "little") + text
        self.give("npy that declares much", "x.npy", data, mustFail=True)

    def give(self, what, name, data, mustSucceed=False, mustFail=False):
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
        out = folder / "out.h5"
        source = path.parent if name.startswith("f/") else path
        kind = "npy" if name.startswith("x.") else "images"
        words = [self.program.path, "dataset", "import", kind, str(source), "--output", str(out)]
        before = sorted(folder.rglob("*"))
        with tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err
            )
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = code = os.waitstatus_to_exitcode(status)
            err.seek(0)
            text = err.read().decode(errors="replace")
        lines = [line for line in text.split("\n") if line.lower().startswith("error:")]
        self.largest = max(self.largest, usage.ru_maxrss)
        self.refused += code == 65
        fault = None
        if code not in (0, 65):
            fault = f"exit code {code}: {text[-300:]!r}"
        elif code == 65 and len(lines) != 1:
            fault = f"{len(lines)} lines: {text[-300:]!r}"
        elif usage.ru_maxrss > KIB:
            fault = f"took {usage.ru_maxrss} KiB"
        elif code == 65 and sorted(folder.rglob("*")) != before:
            fault = "has left a file"
        elif mustSucceed and code != 0 or mustFail and code != 65:
            fault = f"exit code {code}: {text[-300:]!r}"
        judge(what, fault)
        shutil.rmtree(folder)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--damaged", type=int, default=60)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    if os.geteuid() == 0:
        os.environ["OMPI_ALLOW_RUN_AS_ROOT"] = os.environ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    with tempfile.TemporaryDirectory(prefix="ddpm-import-") as name:
        folder = Path(name)
        program = Program(arguments.build, folder)
        # First: the system counts the memory of this process, which grows, as that of those it starts.
        if arguments.only in "damaged":
            damage = Damage(program, folder, arguments.seed)
            damage.run(arguments.damaged)
            print(f"damaged: {damage.refused} refused; the largest took {damage.largest} KiB")
        agreement = Agreement(program, folder, arguments.seed)
        for part in ["png", "jpeg", "tiff", "whole", "sources", "numpy", "resizing", "exports"]:
            if arguments.only in part:
                before = failed
                getattr(agreement, part)()
                print(f"{part}: {'all as it should be' if failed == before else 'failures'}", flush=True)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

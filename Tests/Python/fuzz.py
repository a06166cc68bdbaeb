#!/usr/bin/env python3
"""Mutates files of every kind that the programs read, and lets the programs read them.

    fuzz.py BUILD [--count 2000] [--seed 0] [--processes 2] [--keep FOLDER] [--kind NAME]

BUILD is the folder of ddpm-dist and ddpm-sample; NAME is one kind of files, instead of all. Every
mutated file must end in one line and one of the exit codes 0, 64, 65, 66, within 5 seconds of CPU time
and 100 MB, and without a signal. What does not is kept in FOLDER (fuzz-findings), named by its kind and
number; equal seeds give equal files.

Most files are read by `ddpm-dist __read KIND FILE...`, many in one process by the functions that the
commands use, because the start of MPI takes longer than to read the file. A crash cannot hide there:
the file whose line is missing has killed the process. One file in PROGRAM_EVERY is given to the
command of its kind, as a user would. The last line reads "N passed, N failed".
"""

import argparse
import concurrent.futures
import gzip
import json
import os
import random
import resource
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import zlib
from pathlib import Path

import h5py
import numpy as np
import xxhash

GOOD_CODES = {0, 64, 65, 66}
# An output that is there and is not what it should be is not replaced.
GOOD_OUTPUT_CODES = {0, 73}
SECONDS = 5
KIB = 100 * 1000
BATCH = 50
PROGRAM_EVERY = 10


class Kind:
    """A kind of file: the reader of `__read`, the seeds that are mutated, and the command."""

    def __init__(self, reader, seeds, command=None):
        self.reader, self.seeds, self.command = reader, seeds, command


def fixtures(pattern: str) -> list[str]:
    """Files that the tests have."""
    return sorted(map(str, Path(__file__).resolve().parents[1].glob(pattern)))


def kinds(folder: Path, programs: Path) -> dict[str, Kind]:
    """The list that every new reader of files adds itself to."""
    dist, sample = programs / "ddpm-dist", programs / "ddpm-sample"
    files = Seeds(folder, dist, sample)

    def imports(*words):
        return lambda path, out: [dist, "dataset", "import", *words, path, "--output", out + ".h5"]

    def pictures(path, out):
        os.makedirs(out)
        shutil.copy(path, out + "/a.png")
        return [dist, "dataset", "import", "images", out, "--output", out + ".h5"]

    def train(path, out):
        return [dist, "train", "--config", path, "--run", out, "--steps", "1", "--batch", "8"]

    return {
        "dataset": Kind(
            "dataset", files.datasets(), lambda path, out: [dist, "dataset", "inspect", path]
        ),
        "captioned dataset": Kind(
            "dataset",
            files.captioned_datasets(),
            lambda path, out: [dist, "dataset", "inspect", path],
        ),
        "captions": Kind(
            "captions",
            files.captions(),
            lambda path, out: [
                dist, "dataset", "import", "csv", files.csv()[0], "--captions", path,
                "--output", out + ".h5",
            ],
        ),
        "captioned csv": Kind(
            "captioned csv", files.captioned_csv(), imports("csv", "--caption", "66")
        ),
        "checkpoint": Kind(
            "checkpoint",
            files.checkpoints(),
            lambda path, out: [sample, "--ckpt", path, "--count", "1", "--out", out + ".h5"],
        ),
        "evaluated checkpoint": Kind(
            "checkpoint",
            files.checkpoints(),
            lambda path, out: [dist, "evaluate", "--ckpt", path, "--count", "1"],
        ),
        "resealed checkpoint": Kind(
            "checkpoint",
            files.resealed_checkpoints(),
            lambda path, out: [dist, "checkpoint", "verify", path],
        ),
        "averages": Kind("averages", files.averages()),
        "noise": Kind(
            "noise",
            files.noise(),
            lambda path, out: [
                sample, "--ckpt", files.checkpoint, "--init", path, "--out", out + ".h5"
            ],
        ),
        "samples": Kind("output", files.samples()),
        "yaml": Kind("yaml", files.yaml(), train),
        "csv": Kind("csv", files.csv(), imports("csv")),
        "idx": Kind("idx", files.idx(), imports("idx")),
        "picture": Kind("picture", files.pictures(), pictures),
        "array": Kind("array", files.arrays(), imports("hdf5")),
        "deep picture": Kind("picture", fixtures("StorageTests/Fixtures/pictures/*16.png")),
        "jpeg": Kind("picture", files.imports("colour.jpg", "grey.jpg")),
        "tiff": Kind("archive", files.imports("stack16.tif", "tiles.tif", "planes.tif", "lzw.tif")),
        "archive": Kind("archive", files.archives(), imports("images")),
        "npy": Kind("npy", files.numpy_arrays(), imports("npy")),
        "safetensors": Kind("safetensors", fixtures("LayersTests/Fixtures/*.safetensors")),
        "diffusers network": Kind(
            "diffusers network", [files.pipeline("unet/config.json")],
            lambda path, out: files.damaged("unet/config.json", path, out),
        ),
        "diffusers scheduler": Kind(
            "diffusers scheduler", [files.pipeline("scheduler/scheduler_config.json")],
            lambda path, out: files.damaged("scheduler/scheduler_config.json", path, out),
        ),
        "diffusers weights": Kind(
            "safetensors", [files.pipeline("unet/diffusion_pytorch_model.safetensors")],
            lambda path, out: files.damaged(
                "unet/diffusion_pytorch_model.safetensors", path, out
            ),
        ),
        "vocabulary": Kind("vocabulary", fixtures("StorageTests/Fixtures/clip/tokenizer.json")),
    }


class Seeds:
    """Good files, made by the programs and by h5py."""

    def __init__(self, folder: Path, dist: Path, sample: Path):
        self.folder, self.dist, self.sample = folder, dist, sample
        rng = np.random.default_rng(1)
        self.pixels = rng.integers(0, 17, (20, 8, 8, 1), dtype=np.uint8)
        self.labels = np.arange(20) % 10
        self.run_folder = folder / "run"
        self.call(
            dist, "train", "--run", self.run_folder, "--steps", 2, "--batch", 8,
            "--set", "channels=4", "groups=2", "attention=[]", "average_lengths=[0.05]",
            "average_every=1", "diffusion_steps=20",
        )
        self.checkpoint = str(sorted((self.run_folder / "checkpoints").glob("step*.h5"))[-1])

    def call(self, *words):
        run = subprocess.run([str(word) for word in words], capture_output=True, text=True)
        if run.returncode != 0:
            sys.exit(f"fuzz.py: {words} ended with {run.returncode}: {run.stderr}")

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def datasets(self) -> list[str]:
        """Ours, with a trailer; and of h5py, with strings of variable length, chunks and gzip."""
        names = [self.path("ours.h5")]
        self.call(
            self.dist, "dataset", "import", "csv", self.csv()[0], "--output", names[0],
            "--class-names", "a,b,c,d,e,f,g,h,i,j", "--origin", "somewhere",
        )
        whole = open(names[0], "rb").read()
        names.append(self.path("bare.h5"))  # Without the trailer the HDF5 library reads it.
        open(names[-1], "wb").write(whole[:-32])
        for name, options in [
            ("variable.h5", {}),
            ("gzip.h5", {"chunks": (3, 8, 8, 1), "compression": "gzip", "shuffle": True}),
        ]:
            names.append(self.path(name))
            with h5py.File(names[-1], "w") as file:
                file.attrs["format"] = "ddpm-dataset"
                file.attrs["version"] = 1
                file.attrs["name"] = "numbers"
                file.attrs["origin"] = "a long sentence that says where the images come from"
                file.create_dataset("images", data=self.pixels, **options)
                file["images"].attrs["levels"] = 17
                file["images"].attrs["layout"] = "NHWC"
                file["labels"] = self.labels
                file["labels"].attrs["class_names"] = [f"class {k}" for k in range(10)]
        return names + [self.path("variable.h5") + "|sealed dataset"]

    def captioned_datasets(self) -> list[str]:
        """Ours, with its trailer and without; and of h5py, one caption and several of each image."""
        ours = self.path("scenes.h5")
        self.call(
            self.dist, "dataset", "make", "digit-scenes", "--count", 20, "--language", "chinese",
            "--output", ours,
        )
        names = [ours, ours + "|sealed dataset", self.path("bare-scenes.h5")]
        open(names[-1], "wb").write(open(ours, "rb").read()[:-32])
        words = np.array([[f"image {i}", f"两个{i}"] for i in range(20)], dtype=object)
        for name, captions, options in [
            ("variable-captions.h5", words, {"dtype": h5py.string_dtype()}),
            ("one-caption.h5", words[:, 0], {"dtype": h5py.string_dtype()}),
            ("packed-captions.h5", np.char.encode(words.astype(str)), {"compression": "gzip"}),
        ]:
            names.append(self.path(name))
            with h5py.File(names[-1], "w") as file:
                # First, so that what describes them is where mutations are.
                file.create_dataset("captions", data=captions, **options)
                file.create_dataset("images", data=self.pixels)
                file["images"].attrs["layout"] = "NHWC"
        return names

    def imports(self, *names: str) -> list[str]:
        """Fixtures of the imports of pictures and arrays, of the kinds that this build reads."""
        paths = [fixtures(f"StorageTests/Fixtures/imports/{name}")[0] for name in names]
        return [path for path in paths if self.reads(path)]

    def archives(self) -> list[str]:
        """A mutated file keeps the last ending of its seed, which must say what it is."""
        names = [self.path("photos.tgz"), self.path("photos.zip"), self.path("photos.tar")]
        shutil.copy(fixtures("StorageTests/Fixtures/imports/photos.tar.gz")[0], names[0])
        shutil.copy(fixtures("StorageTests/Fixtures/imports/edm.zip")[0], names[1])
        open(names[2], "wb").write(gzip.open(names[0]).read())
        return names

    def numpy_arrays(self) -> list[str]:
        names = [self.path(name) for name in ("a.npy", "fortran.npy", "a.npz")]
        np.save(names[0], self.pixels)
        np.save(names[1], np.asfortranarray(self.pixels.astype(">f8")))
        np.savez_compressed(names[2], images=self.pixels, other=self.labels)
        return names

    def reads(self, path: str) -> bool:
        kind = "picture" if path.endswith(".jpg") else "archive"
        words = [self.dist, "__read", kind, path]
        line = subprocess.run(list(map(str, words)), capture_output=True, text=True).stdout
        return "which this build does not read" not in line

    def captions(self) -> list[str]:
        """A file of each kind with the captions of 20 images."""
        names = [self.path(name) for name in ("a.txt", "list.jsonl", "object.jsonl", "words.h5")]
        words = [f"image {i} 两个" for i in range(20)]
        open(names[0], "w").write("\n".join(words) + "\n")
        open(names[1], "w").write("\n".join(json.dumps([text, "é"]) for text in words))
        open(names[2], "w").write("\n".join(json.dumps({"caption": text}) for text in words))
        with h5py.File(names[3], "w") as file:
            file["captions"] = words
        return names

    def captioned_csv(self) -> list[str]:
        lines = open(self.csv()[0]).read().split("\n")[:-1]
        text = "".join(f'{line},"image {i}, ""两个"""\n' for i, line in enumerate(lines))
        return self.packed("captioned.csv", text.encode())

    def checkpoints(self) -> list[str]:
        """With its trailer, and with a trailer that is made to fit after the mutation."""
        return [self.checkpoint, self.checkpoint + "|sealed"]

    def resealed_checkpoints(self) -> list[str]:
        """With strings of variable length too, as earlier programs wrote them: those crash HDF5."""
        return [self.checkpoint + "|sealed", self.with_variable_strings(self.checkpoint) + "|sealed"]

    def pipeline(self, name: str) -> str:
        """A file of an exported model."""
        folder = self.folder / "pipeline"
        if not folder.exists():
            self.call(self.dist, "export", "diffusers", self.checkpoint, folder)
        return str(folder / name)

    def damaged(self, name: str, path: str, out: str) -> list:
        """The command that imports the model with another file in the place of one."""
        shutil.copytree(self.folder / "pipeline", out)
        shutil.copy(path, f"{out}/{name}")
        return [self.dist, "import", "diffusers", out, "--output", out + ".h5"]

    def averages(self) -> list[str]:
        name = str(sorted((self.run_folder / "averages").glob("*.h5"))[-1])
        return [name, name + "|sealed", self.with_variable_strings(name) + "|sealed"]

    def with_variable_strings(self, original: str) -> str:
        """A copy of a checkpoint or a snapshot whose strings are kept in a heap."""
        name = self.path(f"variable-{Path(original).parent.name}.h5")
        with h5py.File(original) as file, h5py.File(name, "w") as copy:
            # First, so that they are where most mutations are.
            for key, value in file.attrs.items():
                copy.attrs[key] = value.decode() if isinstance(value, bytes) else value
            copy["tensors"] = file["tensors"].asstr()[:].astype(object)
            if "config" in file:
                copy["config"] = file["config"].asstr()[()]
            if "provenance" in file:
                group = copy.create_group("provenance")
                for key, value in file["provenance"].attrs.items():
                    group.attrs[key] = value.decode()
            for key in file:
                if key not in copy:
                    file.copy(key, copy)
            # Where chunks are, a structure says that is read with the elements only.
            for key in file["tensors"].asstr()[:][::2]:
                tensors = copy["averages/0.05"]
                values = tensors[key][:]
                del tensors[key]
                tensors.create_dataset(key, data=values, chunks=values.shape, compression="gzip")
        return name

    def noise(self) -> list[str]:
        name = self.path("noise.h5")
        with h5py.File(name, "w") as file:
            values = np.random.default_rng(2).standard_normal((3, 8, 8, 1))
            file["x_T"] = values.astype(np.float32)
            file.attrs["format"] = "ddpm-samples"
            file.attrs["grid"] = "uniform"
        return [name]

    def samples(self) -> list[str]:
        name = self.path("samples.h5")
        self.call(self.sample, "--ckpt", self.checkpoint, "--count", 4, "--out", name)
        return [name]

    def yaml(self) -> list[str]:
        name = self.path("a.yaml")
        text = "# settings\nchannels: 4\nmultipliers: [1, 2]\nattention: []\ngroups: 2\n"
        text += "learning_rate: 2e-4\nname: 'small \\e[31m'\nsteps: 1\nbatch: 8\n"
        text += "diffusion_steps: 2\nschedule: list\nbetas: [0.1, 0.2]\n"
        open(name, "w").write(text)
        return [name, str(self.run_folder / "config.yaml")]

    def csv(self) -> list[str]:
        rows = np.concatenate([self.pixels.reshape(20, 64), self.labels[:, None]], 1)
        text = "\n".join(",".join(map(str, row)) for row in rows) + "\n"
        return self.packed("a.csv", text.encode())

    def idx(self) -> list[str]:
        return self.packed("a.idx", struct.pack(">4B3I", 0, 0, 8, 3, 20, 8, 8) + self.pixels.tobytes())

    def arrays(self) -> list[str]:
        """Arrays of other programs: plain, in gzip'd chunks, of big-endian floats, and one of pieces."""
        names = [self.path(f"{name}.h5") for name in ("detector", "chunks", "floats", "pieces")]
        deep = np.random.default_rng(4).integers(0, 4096, (20, 8, 8), dtype=np.uint16)
        with h5py.File(names[0], "w") as file:
            file["entry/data/data"] = deep
            file["entry/data/data"].attrs["units"] = "counts"
        with h5py.File(names[1], "w") as file:
            file.create_dataset("x", data=deep, chunks=(3, 8, 8), compression="gzip", shuffle=True)
        with h5py.File(names[2], "w") as file:
            file["x"] = deep.astype(">f8")
        with h5py.File(names[3], "w") as file:
            layout = h5py.VirtualLayout((20, 8, 8), np.uint16)
            for index, image in enumerate(deep):
                file[f"frames/{index}"] = image
                layout[index] = h5py.VirtualSource(".", f"frames/{index}", (8, 8))
            file.create_virtual_dataset("virtual", layout)
        return names

    def packed(self, name: str, content: bytes) -> list[str]:
        plain, packed = self.path(name), self.path(name + ".gz")
        open(plain, "wb").write(content)
        open(packed, "wb").write(gzip.compress(content, mtime=0))
        return [plain, packed]

    def pictures(self) -> list[str]:
        def chunk(name: bytes, content: bytes) -> bytes:
            return struct.pack(">I", len(content)) + name + content + struct.pack(
                ">I", zlib.crc32(name + content)
            )

        names = []
        for kind, channels in [(0, 1), (2, 3), (6, 4)]:
            pixels = np.random.default_rng(3).integers(0, 256, (16, 16 * channels), dtype=np.uint8)
            if kind == 6:
                pixels[:, 3::4] = 255
            rows = b"".join(b"\0" + row.tobytes() for row in pixels)
            names.append(self.path(f"{kind}.png"))
            open(names[-1], "wb").write(
                b"\x89PNG\r\n\x1a\n"
                + chunk(b"IHDR", struct.pack(">2I5B", 16, 16, 8, kind, 0, 0, 0))
                + chunk(b"IDAT", zlib.compress(rows))
                + chunk(b"IEND", b"")
            )
            names.append(names[-1] + "|checked")  # The checksums of its chunks made to fit.
        return names


def mutate(content: bytes, rng: random.Random) -> bytes:
    """One of the ways in which disks, cables, programs and people spoil a file."""
    data = bytearray(content)
    way = rng.randrange(6)
    if way == 0:  # A bit anywhere.
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    elif way == 1:  # A bit in the first 4 KiB, where the structure is.
        data[rng.randrange(min(len(data), 4096))] ^= 1 << rng.randrange(8)
    elif way == 2:  # 2 to 11 bytes in the first 4 KiB.
        for _ in range(rng.randint(2, 11)):
            data[rng.randrange(min(len(data), 4096))] = rng.randrange(256)
    elif way == 3:  # Cut off.
        del data[rng.randrange(len(data)) :]
    elif way == 4:  # A block that is there twice, in place of others or between them.
        size = rng.randint(1, min(len(data), 512))
        start, end = rng.randrange(len(data) - size + 1), rng.randrange(len(data) - size + 1)
        data[end : end + rng.choice([0, size])] = data[start : start + size]
    else:  # A number that is far too large, or a control sequence.
        value = rng.choice([b"\xff" * 4, b"\xff" * 8, b"\x7f\xff\xff\xff", b"\0" * 8, b"\x1b[2J\x07"])
        start = rng.randrange(len(data))
        data[start : start + len(value)] = value
    return bytes(data)


def seal(data: bytes, mark: bytes) -> bytes:
    """A file whose trailer fits, as one that somebody made to do harm, or a program of ours wrongly."""
    has_trailer = data[-32:-24] == mark
    part = data[:-32] if has_trailer else data
    return part + struct.pack("<8sQ", mark, len(part)) + xxhash.xxh3_128(part).digest()


def check_chunks(data: bytes) -> bytes:
    """A PNG file whose checksums fit, so that libpng looks at what is in the chunks."""
    data, place = bytearray(data), 8
    while place + 12 <= len(data):
        size = struct.unpack(">I", data[place : place + 4])[0]
        end = place + 8 + size
        if end + 4 > len(data):
            break
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(data)


def repaired(data: bytes, repair: str) -> bytes:
    """The bytes after a seed's repair, which keeps checksums from refusing them."""
    if repair == "sealed":
        return seal(data, b"DDPMEND1")
    if repair == "sealed dataset":
        return seal(data, b"DDPMSET1")
    if repair == "checked":
        return check_chunks(data)
    return data


class Fuzzer:
    """Makes the files, lets them be read, and counts."""

    def __init__(self, arguments, folder: Path):
        self.folder, self.seed = folder, arguments.seed
        self.dist = str(Path(arguments.build) / "ddpm-dist")
        self.keep = Path(arguments.keep)
        known = kinds(folder, Path(arguments.build).resolve())
        # A build without a library reads no file of its kind.
        self.kinds = {name: kind for name, kind in known.items() if kind.seeds}
        for name in known.keys() - self.kinds.keys():
            print(f"{name}: not read by this build")
        if arguments.kind:
            self.kinds = {arguments.kind: self.kinds[arguments.kind]}
        self.lock = threading.Lock()
        self.passed = self.failed = 0
        self.codes: dict[tuple[str, int], int] = {}
        self.slowest = self.largest = 0

    def make(self, kind: str, number: int) -> str:
        """The file of a number, the same whenever it is made."""
        rng = random.Random(f"{self.seed} {kind} {number}")
        seed, _, repair = rng.choice(self.kinds[kind].seeds).partition("|")
        data = repaired(mutate(open(seed, "rb").read(), rng), repair)
        suffix = Path(seed).suffix
        path = self.folder / f"{kind.replace(' ', '-')}-{number}{suffix}"
        path.write_bytes(data)
        return str(path)

    def require_good_seeds(self):
        """What is not mutated is read: else mutations of it would be refused for another reason."""
        for kind in self.kinds.values():
            for number, seed in enumerate(kind.seeds):
                seed, _, repair = seed.partition("|")
                path = self.folder / f"seed-{number}{Path(seed).suffix}"
                path.write_bytes(repaired(open(seed, "rb").read(), repair))
                words = [self.dist, "__read", kind.reader, path]
                line = subprocess.run(words, capture_output=True, text=True).stdout
                if not line.startswith("0\t"):
                    sys.exit(f"fuzz.py: {seed} {repair} is not read: {line}")
                path.unlink()

    def judge(self, kind, path, code, fault=None):
        with self.lock:
            self.codes[kind, code] = self.codes.get((kind, code), 0) + 1
            good = GOOD_OUTPUT_CODES if self.kinds[kind].reader == "output" else GOOD_CODES
            if fault is None and code in good:
                self.passed += 1
            else:
                self.failed += 1
                self.keep.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, self.keep)
                print(f"{Path(path).name}: {fault or ''} exit code {code}", flush=True)
        os.unlink(path)

    def read(self, kind: str, paths: list[str]):
        """Reads files in one process after the other, until each has a line or has killed one."""
        reader = self.kinds[kind].reader
        before = 0
        while paths:
            with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
                try:
                    run = subprocess.run(
                        [self.dist, "__read", reader, *paths],
                        stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                        timeout=20 + 0.2 * len(paths),
                    )
                    status = run.returncode
                except subprocess.TimeoutExpired:
                    status = -signal.SIGALRM
                out.seek(0)
                lines = out.read().decode(errors="replace").split("\n")[:-1]
                err.seek(0)
                noise = err.read().decode(errors="replace")
            for line, path in zip(lines, paths):
                code, time_, own, child, message = line.split("\t", 4)
                fault = None
                if float(time_) > 1000 * SECONDS:
                    fault = f"took {float(time_) / 1000:.1f} s"
                if int(own) > KIB or int(child) > max(KIB, before):
                    fault = f"took {own} and {child} KiB"
                if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in message):
                    fault = f"message with control characters: {message!r}"
                before = max(before, int(child))
                with self.lock:
                    self.slowest = max(self.slowest, float(time_))
                    self.largest = max(self.largest, int(own), int(child))
                self.judge(kind, path, int(code), fault)
            paths = paths[len(lines) :]
            if paths:  # The next one has killed the process.
                self.judge(kind, paths[0], status, f"killed its reader; {noise[-200:]!r}")
                paths = paths[1:]

    def command(self, kind: str, path: str):
        """Gives a file to the command of its kind."""
        out = path + ".out"
        words = [str(word) for word in self.kinds[kind].command(path, out)]
        start = time.monotonic()
        with tempfile.TemporaryFile() as err:
            process = subprocess.Popen(
                words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=err,
                cwd=self.folder, env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
            watchdog = threading.Timer(4 * SECONDS, process.kill)
            watchdog.start()
            _, status, usage = os.wait4(process.pid, 0)
            watchdog.cancel()
            err.seek(0)
            text = err.read().decode(errors="replace")
        process.returncode = code = os.waitstatus_to_exitcode(status)
        fault = None
        lines = [line for line in text.split("\n") if line.lower().startswith("error:")]
        if code != 0 and len(lines) != 1:
            fault = f"{len(lines)} lines of errors: {text[-300:]!r}"
        # A user's machine is idle; here all cores are busy, and MPI starts too.
        if time.monotonic() - start > 2 * SECONDS:
            fault = "took too long"
        if any(c in text for c in "\x1b\x07"):
            fault = f"control characters: {text!r}"
        self.judge(kind, path, code, fault)
        shutil.rmtree(out, ignore_errors=True)
        for left in (out + ".h5",):
            if os.path.exists(left):
                os.unlink(left)

    def run(self, count: int, processes: int):
        def batch(kind, numbers):
            paths = []
            for number in numbers:
                path = self.make(kind, number)
                if number % PROGRAM_EVERY == 0 and self.kinds[kind].command:
                    self.command(kind, path)
                else:
                    paths.append(path)
            self.read(kind, paths)

        each = -(-count // len(self.kinds))
        with concurrent.futures.ThreadPoolExecutor(processes) as pool:
            work = [
                pool.submit(batch, kind, range(first, min(first + BATCH, each)))
                for first in range(0, each, BATCH)
                for kind in self.kinds
            ]
            for done in work:
                done.result()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--keep", default="fuzz-findings")
    parser.add_argument("--kind")
    arguments = parser.parse_args()
    if os.geteuid() == 0:
        os.environ["OMPI_ALLOW_RUN_AS_ROOT"] = os.environ["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    start = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ddpm-fuzz-") as folder:
        fuzzer = Fuzzer(arguments, Path(folder))
        fuzzer.require_good_seeds()
        fuzzer.run(arguments.count, arguments.processes)
    for (kind, code), number in sorted(fuzzer.codes.items()):
        print(f"  {kind:22} exit code {code:3} {number:7} times")
    print(
        f"{time.monotonic() - start:.0f} s; of the files read in one process the slowest took "
        f"{fuzzer.slowest / 1000:.2f} s, and the largest peak was {fuzzer.largest / 1000:.0f} MB"
    )
    print(f"{fuzzer.passed} passed, {fuzzer.failed} failed")
    sys.exit(1 if fuzzer.failed else 0)


if __name__ == "__main__":
    main()

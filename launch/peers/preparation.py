"""Files that some measures need, made by our programs in a folder that goes when all is measured.

Weights and pixels make no difference to the time, so images are random and training is short.
"""

import pathlib
import random
import subprocess

from measures import ROOT


class PreparationError(Exception):
    """Why there are no files; one line."""


def run(*words: str | pathlib.Path):
    """ddpm-dist, which must succeed."""
    command = [str(ROOT / "launch" / "run.sh"), "1", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise PreparationError(f"ddpm-dist {words[0]} ended with {done.returncode}: {lines[-1]}")


def random_images(path: pathlib.Path, count: int, rows: int, columns: int, channels: int):
    """Writes random bytes as images into a file of NumPy's."""
    shape = (count, rows, columns, channels)
    head = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    # The numbers begin at a multiple of 64 bytes: NumPy's format wants so.
    head += b" " * (-(len(head) + 11) % 64) + b"\n"
    pixels = random.Random(1).randbytes(count * rows * columns * channels)
    path.write_bytes(b"\x93NUMPY\1\0" + len(head).to_bytes(2, "little") + head + pixels)


def dataset(folder: pathlib.Path, count: int, rows: int, columns: int, channels: int) -> pathlib.Path:
    """A dataset of random images."""
    random_images(folder / "images.npy", count, rows, columns, channels)
    path = folder / "images.h5"
    run("dataset", "import", "npy", folder / "images.npy", "--output", path)
    return path


def train(configuration: str, data: pathlib.Path, folder: pathlib.Path, steps: int) -> pathlib.Path:
    """A short run of a configuration; its last checkpoint."""
    run(
        "train", "--config", ROOT / "configs" / configuration, "--data", data, "--run", folder,
        "--steps", str(steps), "--set", "sample_every=0", f"checkpoint_every={steps}",
    )  # fmt: skip
    return folder / "checkpoints" / f"step-{steps:08}.h5"


def cifar10(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Images of CIFAR-10's extents."""
    return {"data": dataset(folder, 256, 32, 32, 3)}


def mnist(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """A checkpoint of MNIST's network, and a folder of diffusers with the same weights."""
    data = dataset(folder, 256, 28, 28, 1)
    checkpoint = train("mnist.yaml", data, folder / "run", steps=3)
    run("export", "diffusers", checkpoint, folder / "pipeline")
    return {"checkpoint": checkpoint, "pipeline": folder / "pipeline"}


def scenes(folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """Scenes of digits with captions, and a checkpoint with the tokenizer of these."""
    data = folder / "scenes.h5"
    run("dataset", "make", "digit-scenes", "--output", data)
    return {"data": data, "checkpoint": train("digit-scenes.yaml", data, folder / "run", steps=1)}


KINDS = {"": lambda folder: {}, "cifar10": cifar10, "mnist": mnist, "scenes": scenes}


def files(kind: str, folder: pathlib.Path) -> dict[str, pathlib.Path]:
    """The files of a kind, by the names of the options that take them."""
    return KINDS[kind](folder)

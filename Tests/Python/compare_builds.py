"""Whether two builds of ddpm-dist train to the same bits: 20 steps of three networks on 1 and 4 ranks.

    python compare_builds.py NEW [OLD] [--mnist FILE] [--cifar10 FILE] [--set key=value ...]

NEW and OLD are folders of the programs. Prints, for each network and number of ranks, a digest of
the checkpoint's groups /model, /average, /optimizer and /progress: names, types, shapes, bytes and
attributes. With OLD the exit code is 1 where a digest differs. Without a dataset, noise of its
extents stands for it, which shows a changed bit as well. Digests of two kinds of CPU differ.
"""

import argparse
import hashlib
import os
import pathlib
import subprocess
import sys
import tempfile

import h5py
import numpy as np

GROUPS = ("model", "average", "optimizer", "progress")
STEPS = 20
CIFAR10 = ("channels=16", "multipliers=[1,2]", "blocks=1", "attention=[16]", "groups=8",
           "dropout=0.1", "flip=true", "batch=16", "diffusion_steps=1000", "schedule=linear")  # fmt: skip
MNIST = ("channels=16", "multipliers=[1,2,4]", "blocks=1", "attention=[7]", "groups=8", "batch=64",
         "diffusion_steps=1000", "schedule=linear", "variance=fixed_large")  # fmt: skip


def digest(checkpoint: pathlib.Path) -> str:
    """One number for everything that a step of training changes."""
    found = hashlib.sha256()

    def add(name: str, item) -> None:
        found.update(name.encode())
        for key in sorted(item.attrs):
            value = np.asarray(item.attrs[key])
            found.update(f"@{key} {value.dtype} {value.shape}".encode() + value.tobytes())
        if isinstance(item, h5py.Dataset):
            found.update(f"{item.dtype} {item.shape}".encode() + item[()].tobytes())

    with h5py.File(checkpoint) as file:
        for group in GROUPS:
            add(group, file[group])
            names: list[str] = []
            file[group].visit(names.append)
            for name in sorted(names):
                add(f"{group}/{name}", file[group][name])
    return found.hexdigest()[:32]


def noise(path: pathlib.Path, shape: tuple[int, ...]) -> pathlib.Path:
    """A dataset of random images."""
    with h5py.File(path, "w") as file:
        file["images"] = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
        file["images"].attrs["layout"] = "NHWC"
    return path


def train(programs: pathlib.Path, ranks: int, settings: tuple[str, ...]) -> str:
    """The digest after some steps."""
    with tempfile.TemporaryDirectory() as folder:
        run = pathlib.Path(folder) / "run"
        command = ["mpirun", "-n", ranks, "--bind-to", "none", programs / "ddpm-dist", "train",
                   "--run", run, "--steps", STEPS, "--workers", 1, "--set", "sample_every=0",
                   *settings]  # fmt: skip
        environment = os.environ | {
            "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
            "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
            "OPENBLAS_NUM_THREADS": "1"}  # fmt: skip
        done = subprocess.run(
            [str(word) for word in command], env=environment, capture_output=True, text=True,
            stdin=subprocess.DEVNULL, check=False)  # fmt: skip
        if done.returncode != 0:
            sys.exit(f"{' '.join(str(word) for word in command)}:\n{done.stderr}")
        return digest(run / "checkpoints" / f"step-{STEPS:08}.h5")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("programs", nargs="+", type=pathlib.Path, metavar="FOLDER")
    parser.add_argument("--mnist", type=pathlib.Path)
    parser.add_argument("--cifar10", type=pathlib.Path)
    parser.add_argument("--set", nargs="+", default=[], dest="settings")
    options = parser.parse_args()
    differing = 0
    with tempfile.TemporaryDirectory() as folder:
        own = pathlib.Path(folder)
        mnist = options.mnist or noise(own / "mnist.h5", (2000, 28, 28, 1))
        cifar10 = options.cifar10 or noise(own / "cifar10.h5", (1000, 32, 32, 3))
        for name, settings in [("digits", ()), ("mnist", (f"data={mnist}", *MNIST)),
                               ("cifar10", (f"data={cifar10}", *CIFAR10))]:  # fmt: skip
            for ranks in (1, 4):
                digests = [train(programs, ranks, (*settings, *options.settings))
                           for programs in options.programs]  # fmt: skip
                same = len(set(digests)) == 1
                differing += not same
                print(f"{name:8} {ranks} ranks  {' '.join(digests)}" + ("" if same else "  DIFFER"),
                      flush=True)  # fmt: skip
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()

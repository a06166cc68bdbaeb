#!/usr/bin/env python3
"""Runs every recipe of docs/python.md and docs/evaluation.md as it stands there, and the notebook.

    pip install torch==2.15.0 diffusers pandas matplotlib h5py astropy nbclient ipykernel torch-fidelity clean-fid
    Tests/Python/recipes.py BUILD

BUILD is the folder of ddpm-dist and ddpm-sample. Makes a small run with samples, an export and a dataset, and runs
the blocks of Python in a fresh process each, in that folder. The network of FID is one of random weights: its own
are a download. The last line reads "N passed, N failed".
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

DOCS = Path(__file__).resolve().parents[2] / "docs"
passed = failed = 0

# What stands before a block about FID: an Inception network without its weights.
INCEPTION = """
import cleanfid.fid, torch
torch.manual_seed(1)
network = torch.nn.Sequential(
    torch.nn.AdaptiveAvgPool2d(8), torch.nn.Flatten(), torch.nn.Linear(192, 16), torch.nn.ReLU())
cleanfid.fid.build_feature_extractor = lambda *words, **options: lambda x: network(x.float() / 255).detach()
"""


def check(name, holds, seen=""):
    global passed, failed
    passed, failed = passed + bool(holds), failed + (not holds)
    if not holds:
        print(f"FAILED {name}: {seen}")


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / page).read_text(), re.S)


def python(name: str, code: str, folder: Path):
    ended = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True)
    check(name, ended.returncode == 0, ended.stderr[-600:])


def prepare(build: Path, folder: Path):
    """A run of 40 steps, its samples and export, and a set of 12 bits."""

    def call(*words):
        ended = subprocess.run([str(word) for word in words], cwd=folder, capture_output=True, text=True)
        if ended.returncode:
            sys.exit(f"recipes.py: {words} ended with {ended.returncode}: {ended.stderr}")

    import h5py
    import numpy as np

    dist, sample = build / "ddpm-dist", build / "ddpm-sample"
    call(
        dist, "train", "--run", "runs/digits", "--steps", 40, "--set", "checkpoint_every=20", "sample_every=20",
        "validation=0.1", "validation_every=10", "batch=32",
    )  # fmt: skip
    call(sample, "--ckpt", "runs/digits", "--count", 80, "--steps", 10, "--out", "samples.h5", "samples/")
    call(dist, "export", "diffusers", "runs/digits", "digits-ddpm")
    with h5py.File(folder / "raw.h5", "w") as file:
        file["x"] = np.random.default_rng(1).integers(0, 4096, (64, 8, 8)).astype("u2")
    call(dist, "dataset", "import", "hdf5", "raw.h5", "--output", "scan.h5")
    call(dist, "dataset", "export", "images", "digits", "--output", "data")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=Path)
    build = parser.parse_args().build.resolve()
    os.environ.setdefault("HDF5_USE_FILE_LOCKING", "FALSE")
    with tempfile.TemporaryDirectory(prefix="ddpm-recipes-") as name:
        folder = Path(name)
        prepare(build, folder)
        import nbclient
        import nbformat
        import numpy as np
        import torch
        from astropy.io import fits

        sky = np.random.default_rng(2).normal(size=(20, 16, 16)).astype("f4")
        fits.PrimaryHDU(sky).writeto(folder / "sky.fits")
        for index, code in enumerate(blocks("python.md", "python")):
            python(f"docs/python.md, block {index + 1}", code, folder)
        os.environ["PATH"] = f"{build}:{os.environ['PATH']}"
        for code in blocks("python.md", "sh"):
            ended = subprocess.run(code, shell=True, cwd=folder, capture_output=True, text=True)
            check(f"docs/python.md: {code.strip()}", ended.returncode == 0, ended.stderr)
        notebook = nbformat.read(DOCS / "notebooks/read-a-run.ipynb", as_version=4)
        check("the notebook is kept without what it shows", not any(c.get("outputs") for c in notebook.cells))
        try:
            nbclient.NotebookClient(notebook, resources={"metadata": {"path": name}}, timeout=300).execute()
            pictures = sum(
                "image/png" in output.get("data", {})
                for cell in notebook.cells for output in cell.get("outputs", []))  # fmt: skip
            check("the notebook shows its pictures", pictures >= 6, pictures)
        except nbclient.exceptions.CellExecutionError as error:
            check("the notebook", False, str(error)[-800:])

        for code in blocks("evaluation.md", "python"):
            python("clean-fid", INCEPTION + code + "\nassert distance > 0, distance", folder)
            same = code.replace('"data"', '"samples"')
            python("clean-fid of the same", INCEPTION + same + "\nassert abs(distance) < 1e-3, distance", folder)
        import torch_fidelity.feature_extractor_inceptionv3 as inception

        torch.manual_seed(1)
        weights = folder / "weights.pth"
        inception.load_state_dict_from_url = lambda *words, **options: {}
        inception.FeatureExtractorInceptionV3.load_state_dict = lambda *words, **options: None
        network = inception.FeatureExtractorInceptionV3("", ["2048"])
        for parameter in network.parameters():
            if parameter.dim() == 4:  # Of the size at which features do not vanish.
                parameter.requires_grad_(False).normal_(0, (2 / parameter[0].numel()) ** 0.5)
        torch.save(network.state_dict(), weights)
        (line,) = [code for code in blocks("evaluation.md", "sh") if code.startswith("fidelity")]
        program = Path(sys.executable).parent / "fidelity"
        words = f"--feature-extractor-weights-path {weights} --kid-subset-size 50 --json"
        line = f"{line.strip().replace('fidelity', str(program), 1)} {words}"
        for other in ("data", "samples"):
            code = line.replace("--input2 data", f"--input2 {other}")
            ended = subprocess.run(code, shell=True, cwd=folder, capture_output=True, text=True)
            found = re.search(r'"frechet_inception_distance": ([-\d.e]+)', ended.stdout)
            distance = float(found[1]) if found else None
            holds = found and (distance > 1e-6 if other == "data" else abs(distance) < 1e-3)
            check(f"torch-fidelity, samples and {other}", holds, (distance, ended.stderr[-500:]))
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Proves linear models with latents against what is known of them, on the embedded digits.

    pip install numpy==2.4.6 h5py==3.16.0
    docs/course/linear.py FOLDER

With linear maps a VAE with a normal decoder is probabilistic PCA: trained, its bound is the likelihood
(M69), and with a fixed variance just the latents are active whose eigenvalues are larger. An autoencoder
with a squared error loses what principal components lose. Each of these is trained by ddpm-dist, in about
five minutes, and compared; the last line reads "N passed, N failed". FOLDER keeps the runs, and what is
there is not trained again. DDPM_BIN: another folder of the programs.
"""

import argparse
import csv
import json
import math
import os
import pathlib
import subprocess

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("DDPM_BIN", ROOT / ".build/release"))
DIGITS = ROOT / "Sources/Storage/Resources/digits.h5"
SETTINGS = [
    "hidden_layers=0", "decoder=normal", "learning_rate=0.01",
    "learning_rate_schedule=cosine", "clip_norm=1000000", "average_decay=0.999", "sample_every=0",
    "checkpoint_every=100000",
]  # fmt: skip


def run(*words):
    subprocess.run([str(word) for word in words], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)  # fmt: skip


def train(folder: pathlib.Path, steps: int, settings: list[str]):
    if not (folder / "done").exists():
        run(BIN / "ddpm-dist", "train", "--run", folder, "--steps", steps, "--set", *SETTINGS, *settings)
        (folder / "done").touch()


def evaluated(folder: pathlib.Path) -> tuple[float, int]:
    """The bound in nats of an image, and the active latents."""
    table, report = folder / "bound.csv", folder / "bound.json"
    run(BIN / "ddpm-dist", "evaluate", "--ckpt", folder, "--output", table, report)
    with table.open() as file:
        rows = {(row["estimate"], row["term"]): row for row in csv.DictReader(file)}
    tables = {entry["title"]: entry["rows"] for entry in json.loads(report.read_text())["tables"]}
    return float(rows["elbo", "total"]["nats"]), int(tables["active latents"][0][1])


def lost(folder: pathlib.Path) -> float:
    """The squared error of an image of an autoencoder, by its validation on all digits."""
    with (folder / "metrics.jsonl").open() as file:
        lines = [json.loads(line) for line in file]
    nats = [line["validation_terms"]["reconstruction"] for line in lines if "validation_terms" in line]
    return 2 * nats[-1] - 64 * math.log(2 * math.pi)


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)

    with h5py.File(DIGITS) as file:
        images = file["images"][:].reshape(-1, 64).astype(np.float64) / 8 - 1
    eigenvalues = np.linalg.eigvalsh(np.cov(images.T, bias=True))[::-1]
    results = []

    def compare(name: str, found: float, expected: float, tolerance: float):
        good = abs(found - expected) <= tolerance
        results.append(good)
        print(f"| {name} | {found:.5g} | {expected:.7g} | {'yes' if good else 'NO'} |", flush=True)

    print("| | trained | known | within the limit |\n| --- | ---: | ---: | --- |")
    for k in (8, 16):
        variance = eigenvalues[k:].mean()
        nats = 0.5 * (
            np.log(eigenvalues[:k]).sum() + (64 - k) * math.log(variance)
            + 64 * math.log(2 * math.pi) + 64
        )  # fmt: skip
        model = folder / f"vae-{k}"
        train(model, 12000, ["model=vae", f"latents=[{k}]", "decoder_deviation=shared", "batch=256"])
        compare(f"nats of an image, {k} latents", evaluated(model)[0], nats, 0.02)
    for variance, latents in ((1, 16), (0.5, 16), (0.1, 40), (0.05, 48)):
        model = folder / f"active-{variance}"
        train(
            model, 10000,
            ["model=vae", f"latents=[{latents}]", "decoder_deviation=fixed", "batch=1024",
             f"decoder_sigma={math.sqrt(variance)!r}"],
        )  # fmt: skip
        known = int((eigenvalues > variance).sum())
        compare(f"active latents, σ² = {variance}", evaluated(model)[1], known, 0)
    for k in (4, 8):
        model = folder / f"autoencoder-{k}"
        train(
            model, 10000,
            ["model=autoencoder", f"latents=[{k}]", "decoder_deviation=fixed", "decoder_sigma=1.0",
             "batch=1024", "validation=digits", "validation_images=1797",
             "validation_every=1000"],
        )  # fmt: skip
        compare(f"squared error of an image, {k} numbers", lost(model), eigenvalues[k:].sum(), 0.01)
    failed = results.count(False)
    print(f"{results.count(True)} passed, {failed} failed")
    raise SystemExit(failed > 0)


main()

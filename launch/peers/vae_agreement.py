#!/usr/bin/env python3
"""Trains the autoencoder of configs/mnist-vae.yaml and its twin in PyTorch, and compares their losses.

    launch/peers/vae_agreement.py .build/release mnist.h5 [--steps 3000] [--seeds 4]

Both see the same number of images in an order of their own, drawn black or white by random numbers of
their own, from weights of their own, with a constant learning rate: of each seed the mean of both terms over
the last tenth of the steps is compared. Needs what requirements.txt names, and h5py. The exit code is 0 only
if the means differ by less than three standard errors, or half a percent.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

import h5py
import torch
import yaml

from modes import Mode
from unet import Images
from vae import VAETraining

ROOT = pathlib.Path(__file__).resolve().parents[2]


def ours(program, data, steps, seed, folder):
    """The means of the terms, and of their sum."""
    run = folder / f"seed{seed}"
    words = [
        program, "train", "--config", ROOT / "configs/mnist-vae.yaml", "--data", data, "--run", run,
        "--steps", str(steps), "--seed", str(seed), "--set", "validation=none", "kl_warmup=0",
        "learning_rate_schedule=constant", "warmup_steps=1", "sample_every=0",
    ]  # fmt: skip
    subprocess.run(words, check=True, capture_output=True)
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    last = [line["terms"] for line in lines[-steps // 10 :]]
    return [statistics.fmean(line[term] for line in last) for term in ("reconstruction", "kl")]


def theirs(images, settings, steps, seed):
    """The same of the twin."""
    torch.manual_seed(seed)
    twin = VAETraining(settings, Images(28, 28, 1), Mode(), settings["batch"])
    order, terms = [], []
    for _ in range(steps):
        if len(order) < settings["batch"]:
            order = torch.randperm(len(images)).tolist()
        chosen, order = order[: settings["batch"]], order[settings["batch"] :]
        terms.append(twin.step(images[chosen]))
    return [statistics.fmean(term) for term in zip(*terms[-steps // 10 :], strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("data", type=pathlib.Path)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--seeds", type=int, default=4)
    options = parser.parse_args()
    settings = yaml.safe_load((ROOT / "configs/mnist-vae.yaml").read_text())
    with h5py.File(options.data) as file:
        pixels = file["images"][:].reshape(len(file["images"]), -1)
    images = torch.from_numpy(pixels).float() / 255
    with tempfile.TemporaryDirectory(prefix="ddpm-agreement-") as name:
        folder = pathlib.Path(name)
        own = [
            ours(options.build / "ddpm-dist", options.data, options.steps, seed, folder)
            for seed in range(1, options.seeds + 1)
        ]
    other = [theirs(images, settings, options.steps, seed) for seed in range(1, options.seeds + 1)]
    agree = True
    for place, term in enumerate(("reconstruction", "kl", "loss")):
        a, b = ([sum(run) if term == "loss" else run[place] for run in runs] for runs in (own, other))
        mean, spread = statistics.fmean(a) - statistics.fmean(b), statistics.variance(a) + statistics.variance(b)
        error = math.sqrt(spread / options.seeds)
        print(
            f"{term:15} ddpm-dist {statistics.fmean(a):8.3f}  PyTorch {statistics.fmean(b):8.3f}  "
            f"difference {mean:+.3f} ± {error:.3f} nats")
        agree &= abs(mean) < max(3 * error, 0.005 * statistics.fmean(b))
    sys.exit(not agree)


if __name__ == "__main__":
    main()

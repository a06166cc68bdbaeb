#!/usr/bin/env python3
"""Measures how good generated images are against real ones, and prints a Markdown table.

    pip install torch==2.13.0 numpy==2.4.6 h5py==3.16.0
    docs/course/quality.py --train mnist.h5 --test mnist-test.h5 --classifier mnist.pt --real \\
      twenty=ddim-20.h5 hundred=ddim-100.h5

A small convolutional network is trained to tell the classes of --train, a dataset with labels, and
kept in --classifier; later calls take it from there. The images' features are what its last layer
sees. For each file of samples of ddpm-sample the columns are

  - Fréchet distance: of two normal distributions with the means and covariances of the features, of
    the samples and of --test, |m - m'|^2 + tr(S + S' - 2 (S S')^(1/2)) (Heusel et al. 2017, eq. 6).
    Of few images it is too large: compare files with equal numbers of them, and with --real.
  - neighbour agrees: the share of samples whose class is the label of the training image with the
    nearest features. Images between the classes have a low one.
  - confidence: the mean probability of the likeliest class.
  - entropy: of the histogram of classes, in bits; log2 of their number if all are as frequent.

Where all files have /labels, as those of `ddpm-sample --class all` do, there are three more:

  - right class: the share of samples that the classifier takes for what they were told to show.
  - worst class: the same of the class where it is least.
  - variety: how far features scatter within a class, the sum of the variances, against --test.

--real adds rows of real images, as good as a model can be: one half of --test against the other,
and as many images as each file has against the rest. Distances of different classifiers cannot be
compared. Equal calls print equal tables on one machine.
"""

import argparse
import hashlib
import math
import os
import sys

import h5py
import numpy as np
import torch
from torch import nn

FEATURES, BATCH, STEPS, SEED = 64, 128, 1500, 1


def fail(sentence):
    sys.exit(f"quality.py: {sentence}")


def read(path, name):
    """Images as float32 (N, C, H, W) in [-1, 1], and int64 labels; None where there are none."""
    try:
        file = h5py.File(path)
    except OSError as error:
        fail(f"{path}: {error}")
    with file:
        if name not in file:
            fail(f"{path} has no /{name}.")
        data = file[name]
        if data.dtype == np.uint8:
            black, white = 0, int(data.attrs.get("levels", 256)) - 1
        else:
            black, white = data.attrs.get("value_range", (-1, 1))
        images = torch.from_numpy(2 * (data[:].astype(np.float32) - black) / (white - black) - 1)
        if not torch.isfinite(images).all():
            fail(f"{path} has images that are not finite.")
        if data.attrs.get("layout", b"NHWC") in (b"NHWC", "NHWC"):
            images = images.permute(0, 3, 1, 2).contiguous()
        told = torch.from_numpy(file["labels"][:].astype(np.int64)) if "labels" in file else None
        return images, told


class Classifier(nn.Module):
    """Two convolutions, each with half the resolution after it, and two linear layers."""

    def __init__(self, channels, classes):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(channels, 32, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.SiLU(), nn.MaxPool2d(2),
            nn.Flatten(), nn.LazyLinear(FEATURES), nn.SiLU())
        self.classes = nn.Linear(FEATURES, classes)

    def forward(self, images):
        return self.classes(self.features(images))

    @torch.no_grad()
    def look(self, images):
        """Features and probabilities of the classes, in Double."""
        self.eval()
        features = torch.cat([self.features(part) for part in images.split(1000)])
        return features.double(), self.classes(features).double().softmax(1)


def trained(images, labels, path):
    """The classifier of these images: the one of the file, or a new one, which is put there."""
    key = hashlib.sha256(images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()
    torch.manual_seed(SEED)
    classifier = Classifier(images.shape[1], int(labels.max()) + 1)
    classifier(images[:1])
    if os.path.exists(path):
        try:
            kept = torch.load(path, weights_only=True)
            same = kept["key"] == key
        except Exception:  # What torch.load throws depends on what the file is.
            fail(f"{path} is no classifier of this program; another --classifier will do.")
        if not same:
            fail(f"{path} was trained on other images; another --classifier will do.")
        classifier.load_state_dict(kept["weights"])
        return classifier
    optimizer = torch.optim.AdamW(classifier.parameters(), lr=2e-3, weight_decay=0.01)
    rate = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    for step in range(STEPS):
        chosen = torch.randint(len(images), (BATCH,))
        # All images of a step are moved by at most a pixel each way, or a few thousand are learned
        # by heart.
        dy, dx = (int(move) for move in torch.randint(3, (2,)))
        moved = nn.functional.pad(images[chosen], (1, 1, 1, 1), mode="replicate")
        moved = moved[:, :, dy:dy + images.shape[2], dx:dx + images.shape[3]]
        loss = nn.functional.cross_entropy(classifier(moved), labels[chosen])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        rate.step()
        if step % 100 == 99:
            print(f"step {step + 1} of {STEPS}: {loss.item():.4f}", file=sys.stderr)
    torch.save({"key": key, "weights": classifier.state_dict()}, path)
    return classifier


def root(matrix):
    """The square root of a symmetric matrix without negative eigenvalues, but for rounding."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp(min=0).sqrt() @ vectors.T


def frechet_distance(one, other):
    """tr (S S')^(1/2) is the sum of the roots of the eigenvalues of S^(1/2) S' S^(1/2)."""
    first, second = torch.cov(one.T), torch.cov(other.T)
    half = root(first)
    roots = torch.linalg.eigvalsh(half @ second @ half).clamp(min=0).sqrt().sum()
    return float(
        (one.mean(0) - other.mean(0)).square().sum() + first.trace() + second.trace() - 2 * roots)


def nearest(features, known):
    """For each row the index of the nearest one of `known`."""
    squares = known.square().sum(1)
    return torch.cat([
        (squares - 2 * part @ known.T).argmin(1) for part in features.split(500)])


def scatter(features, labels, classes):
    """The sum of the variances of the features within each class that has some images, and which."""
    present = [k for k in range(classes) if (labels == k).sum() > 1]
    return {k: float(features[labels == k].var(0).sum()) for k in present}


def told_columns(seen, labels, real, real_labels):
    """How well images show what they were told to."""
    features, probabilities = seen
    right = probabilities.argmax(1) == labels
    shares = [right[labels == k].double().mean() for k in labels.unique()]
    own = scatter(features, labels, probabilities.shape[1])
    others = scatter(real, real_labels, probabilities.shape[1])
    known = own.keys() & others.keys()
    variety = sum(own[k] for k in known) / max(sum(others[k] for k in known), 1e-30)
    return f" {right.double().mean():.4f} | {min(shares):.4f} | {variety:.3f} |"


def row(name, seen, real, train_features, train_labels):
    """A line of the table, of what the classifier sees in images and in real ones."""
    features, probabilities = seen
    confidence, classes = probabilities.max(1)
    agree = (train_labels[nearest(features, train_features)] == classes).double().mean()
    shares = torch.bincount(classes).double() / len(classes)
    entropy = -sum(p * math.log2(p) for p in shares.tolist() if p > 0)
    return (f"| {name} | {len(features)} | {frechet_distance(features, real):.3f} | {agree:.4f} "
            f"| {confidence.mean():.4f} | {entropy:.3f} |")


def main():
    parser = argparse.ArgumentParser(
        description="Measures how good generated images are against real ones.")
    parser.add_argument("--train", required=True, help="the dataset with labels that is learned")
    parser.add_argument("--test", required=True, help="real images with labels, not of --train")
    parser.add_argument(
        "--classifier", required=True, help="where the classifier is kept; made if it is missing")
    parser.add_argument("--real", action="store_true", help="add rows of the images of --test")
    parser.add_argument(
        "samples", nargs="*", metavar="[NAME=]FILE.h5", help="files that ddpm-sample wrote")
    options = parser.parse_args()
    if not options.samples and not options.real:
        parser.error("name files of samples, or --real.")
    # The order of sums depends on the number of threads.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    images, labels = read(options.train, "images")
    test_images, test_labels = read(options.test, "images")
    if labels is None or test_labels is None:
        fail("--train and --test need /labels.")
    named = []
    for argument in options.samples:
        name, _, path = argument.rpartition("=")
        named.append((name or os.path.basename(path), path, *read(path, "samples")))
    for path, others in [(options.test, test_images), *((p, s) for _, p, s, _ in named)]:
        if others.shape[1:] != images.shape[1:]:
            fail(f"the images of {path} have other extents than those of {options.train}.")
        if len(others) < 4:
            fail(f"{path} has too few images.")

    classifier = trained(images, labels, options.classifier)
    train_features, _ = classifier.look(images)
    real = features, probabilities = classifier.look(test_images)
    accuracy = (probabilities.argmax(1) == test_labels).double().mean()
    print(f"The classifier is right for {accuracy:.4f} of the {len(features)} test images.\n")
    are_told = bool(named) and all(told is not None for *_, told in named)
    print("| samples | images | Fréchet distance | neighbour agrees | confidence "
          f"| entropy (of {math.log2(probabilities.shape[1]):.3f}) |"
          + (" right class | worst class | variety |" if are_told else ""))
    print("| --- | ---: | ---: | ---: | ---: | ---: |" + " ---: |" * (3 if are_told else 0))
    for name, _, samples, told in named:
        seen = classifier.look(samples)
        print(row(name, seen, features, train_features, labels)
              + (told_columns(seen, told, features, test_labels) if are_told else ""))
    if options.real:
        # Any order would do, but that of the file may be by classes or by writers.
        order = torch.randperm(len(features), generator=torch.Generator().manual_seed(SEED))
        half = len(order) // 2
        counts = {min(len(samples), half) for _, _, samples, _ in named} | {half}
        for count in sorted(counts):
            chosen, rest = order[:count], order[count:]
            seen = tuple(part[chosen] for part in real)
            line = row("real", seen, features[rest], train_features, labels)
            if are_told:
                line += told_columns(seen, test_labels[chosen], features, test_labels)
            print(line)


main()

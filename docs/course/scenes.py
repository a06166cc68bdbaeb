#!/usr/bin/env python3
"""Measures how many pictures of digit scenes show what their captions say, and prints a Markdown table.

    pip install numpy==2.4.6 h5py==3.16.0
    ddpm-dist dataset make digit-scenes --output scenes.h5
    ddpm-dist dataset make digit-scenes --part held-out --count 1000 --output held-out.h5
    docs/course/scenes.py --train scenes.h5 --held-out held-out.h5 three=drawn-3.h5 five=drawn-5.h5

The files behind NAME= are samples of ddpm-sample, or datasets: 16 x 16 pixels in /samples or /images,
and in /captions what each should show, (N) or (N, M) strings of which the first counts. A caption must
stand in --train or --held-out, whose labels say what it means: 10 place + digit for one digit, 50 + 10
left + right, 150 + 10 top + bottom. The scenes of --train are those that were seen.

A picture is right if each digit that the caption names is, for the nearest of the 1,797 embedded digits,
the one in its place, and if at most a tenth of all ink is elsewhere. --shuffle gives every picture the
caption of another one: chance.
"""

import argparse
import sys
import unicodedata
from pathlib import Path

import h5py
import numpy as np

DIGITS = Path(__file__).resolve().parents[2] / "Sources/Storage/Resources/digits.h5"
SIDE, SIZE = 8, 16
CORNERS = [(0, 0), (0, 8), (8, 0), (8, 8), (4, 4)]
STRAY = 0.1


def fail(sentence):
    sys.exit(f"scenes.py: {sentence}")


def cells(label):
    """The digits of a scene, each with the row and column where it begins."""
    if label < 50:
        return [(label % 10, *CORNERS[label // 10])]
    if label < 150:
        return [((label - 50) // 10, 4, 0), (label % 10, 4, 8)]
    return [((label - 150) // 10, 0, 4), (label % 10, 8, 4)]


def texts(values):
    """Strings in the spelling that tokens are made of; one each, or one of several for each."""
    strings = (value.decode() if isinstance(value, bytes) else value for value in values.flat)
    spelled = [" ".join(unicodedata.normalize("NFC", text).split()) for text in strings]
    return np.array(spelled, dtype=object).reshape(values.shape)


def opened(path):
    try:
        return h5py.File(path)
    except OSError as error:
        fail(f"{path}: {error}")


def scenes(path):
    """What each caption of a dataset means: a label."""
    with opened(path) as file:
        if "captions" not in file or "labels" not in file:
            fail(f"{path} has no /captions and /labels; make it with dataset make digit-scenes.")
        captions, labels = texts(file["captions"][:]), file["labels"][:]
    captions = captions.reshape(len(labels), -1)
    return {text: int(label) for row, label in zip(captions, labels) for text in row}


def pictures(path):
    """Pictures (N, 16, 16) from 0 to 1, and the caption of each."""
    with opened(path) as file:
        name = next((name for name in ("samples", "images") if name in file), None)
        if name is None or "captions" not in file:
            fail(f"{path} has no pictures in /samples or /images, or no /captions.")
        data = file[name]
        if data.dtype == np.uint8:
            black, white = 0, int(data.attrs.get("levels", 256)) - 1
        else:
            black, white = data.attrs.get("value_range", (-1, 1))
        if data.shape[1:] != (SIZE, SIZE, 1):
            fail(f"{path} has pictures of {data.shape[1:]}, not of 16 x 16 pixels.")
        images = (data[:, :, :, 0].astype(np.float64) - black) / (white - black)
        captions = texts(file["captions"][:])
    return images, captions.reshape(len(images), -1)[:, 0]


def nearest():
    """Gives the classes of cells (N, 64), by the nearest of the embedded digits."""
    with h5py.File(DIGITS) as file:
        known = file["images"][:].reshape(-1, SIDE * SIDE) / 16
        labels = file["labels"][:]

    def classes(images):
        distances = (known**2).sum(1) - 2 * images @ known.T
        return labels[distances.argmin(1)]

    return classes


def judge(images, labels, classes):
    """For each picture whether its digits are right, and whether there is nothing else."""
    cut, owners, wanted = [], [], []
    inside = np.zeros(len(images))
    for number, (image, label) in enumerate(zip(images, labels)):
        for digit, y, x in cells(label):
            cell = image[y : y + SIDE, x : x + SIDE]
            inside[number] += cell.sum()
            cut.append(cell.ravel())
            owners.append(number)
            wanted.append(digit)
    right = np.ones(len(images), bool)
    np.logical_and.at(right, owners, classes(np.array(cut)) == wanted)
    total = images.sum((1, 2))
    return right, total - inside <= STRAY * total


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--train", required=True)
    parser.add_argument("--held-out")
    parser.add_argument("--shuffle", type=int, metavar="SEED")
    parser.add_argument("samples", nargs="+", metavar="NAME=FILE")
    arguments = parser.parse_args()
    meaning = scenes(arguments.train)
    seen = set(meaning.values())
    if arguments.held_out:
        meaning |= scenes(arguments.held_out)
    classes = nearest()
    print("| pictures | part | number | digits right | all right |")
    print("| --- | --- | ---: | ---: | ---: |")
    for word in arguments.samples:
        name, _, path = word.rpartition("=")
        images, captions = pictures(path)
        unknown = [text for text in captions if text not in meaning]
        if unknown:
            fail(f"{path} has the caption {unknown[0]!r}, which --train and --held-out do not know.")
        labels = np.array([meaning[text] for text in captions])
        if arguments.shuffle is not None:
            labels = np.random.default_rng(arguments.shuffle).permutation(labels)
        right, clean = judge(images, labels, classes)
        is_seen = np.array([label in seen for label in labels])
        for part, chosen in (("seen", is_seen), ("held out", ~is_seen)):
            if chosen.any():
                print(
                    f"| {name or path} | {part} | {chosen.sum()} | {right[chosen].mean():.3f} "
                    f"| {(right & clean)[chosen].mean():.3f} |")


main()

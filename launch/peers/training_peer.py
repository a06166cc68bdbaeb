"""Trains PyTorch's UNet on a dataset, as a whole program: with a line in RUN/metrics.jsonl a step.

    python training_peer.py --mode eager --config configs/cifar10.yaml --data cifar10.h5 --run RUN \
        --batch 2 --workers 2

The images are in memory, in an order drawn anew for each pass over them, and are not flipped. With
--begin it begins with the weights of a folder of diffusers, as --draw FOLDER makes one and ends. SIGUSR1
ends training behind a step: the moving average of the weights is in the folder RUN/pipeline then, as a
pipeline of diffusers.
"""

import argparse
import json
import pathlib
import signal
import time

import diffusers
import h5py
import torch

from conditions import Conditions
from modes import Mode
from training import Training
from unet import Images, read_configuration, unet


def read_images(path: pathlib.Path) -> torch.Tensor:
    """The images of a dataset in [-1, 1], (n, c, h, w)."""
    with h5py.File(path) as file:
        images, levels = file["images"][...], file["images"].attrs.get("levels", 256)
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() * (2 / (int(levels) - 1)) - 1


def scheduler(settings: dict) -> diffusers.DDPMScheduler:
    """The process of the settings."""
    if settings["schedule"] != "linear" or settings["prediction"] != "epsilon":
        raise ValueError("The twin knows the process of Ho et al. only.")
    return diffusers.DDPMScheduler(
        num_train_timesteps=settings["diffusion_steps"], beta_schedule="linear",
        beta_start=settings["beta_start"], beta_end=settings["beta_end"],
        variance_type=settings["variance"], prediction_type="epsilon",
    )  # fmt: skip


def save(model: diffusers.UNet2DModel, average: list[torch.Tensor], settings: dict, folder):
    """The moving average of the weights as a pipeline."""
    with torch.no_grad():
        for parameter, value in zip(model.parameters(), average, strict=True):
            parameter.copy_(value)
    diffusers.DDPMPipeline(model, scheduler(settings)).save_pretrained(folder)


class Batches:
    """Batches of images in random order, without end."""

    def __init__(self, images: torch.Tensor, size: int):
        self._images, self._size = images, size
        self._order = torch.empty(0, dtype=torch.long)

    def next(self) -> torch.Tensor:
        if len(self._order) < self._size:
            self._order = torch.randperm(len(self._images))
        chosen, self._order = self._order[: self._size], self._order[self._size :]
        return self._images[chosen]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", type=Mode.parsed, required=True)
    parser.add_argument("--config", type=pathlib.Path, required=True, help="a YAML file of ours")
    parser.add_argument("--data", type=pathlib.Path, required=True, help="a dataset of ours")
    wanted = parser.add_mutually_exclusive_group(required=True)
    wanted.add_argument("--run", type=pathlib.Path)
    wanted.add_argument("--draw", type=pathlib.Path)
    parser.add_argument("--batch", type=int, help="images of a step, if not the configuration's")
    parser.add_argument("--workers", type=int, required=True, help="threads")
    parser.add_argument("--begin", type=pathlib.Path, help="a folder of diffusers")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    stops = []
    signal.signal(signal.SIGUSR1, lambda *_: stops.append(True))

    begin = time.monotonic()
    torch.set_num_threads(given.workers)
    torch.manual_seed(given.seed)
    settings = read_configuration(given.config)
    images = read_images(given.data)
    batches = Batches(images, given.batch or settings["batch"])
    _, channels, rows, columns = images.shape
    if given.begin:
        model = diffusers.DDPMPipeline.from_pretrained(given.begin, local_files_only=True).unet
    else:
        model = unet(settings, Images(rows, columns, channels))
    if given.draw:
        return save(model, list(model.parameters()), settings, given.draw)
    training = Training(model, settings, given.mode, batches.next(), Conditions())
    given.run.mkdir(parents=True)
    with (given.run / "metrics.jsonl").open("w", buffering=1) as metrics:
        step = 0
        while not stops:
            rate = settings["learning_rate"] * min(1, (step + 1) / settings["warmup_steps"])
            loss = training.step(batches.next(), rate)
            step += 1
            line = {"step": step, "loss": loss, "seconds": time.monotonic() - begin}
            metrics.write(json.dumps(line) + "\n")
    save(training.model, training.average, settings, given.run / "pipeline")


if __name__ == "__main__":
    main()

"""The mean squared error of predicted noise, with fixed images, timesteps and noise.

    python validation.py noise DATASET CONFIGURATION --count 2048 --output noisy.h5
    python validation.py loss noisy.h5 prediction.h5

Between the two, `ddpm-dist predict --input noisy.h5` says what a model makes of them. `loss` prints an
object of JSON: the mean, and the standard error of it.
"""

import argparse
import json
import pathlib

import h5py
import numpy as np
import yaml


def noise(dataset: pathlib.Path, configuration: pathlib.Path, count: int, output: pathlib.Path):
    """Writes noisy images, their timesteps and the noise in them."""
    settings = yaml.safe_load(configuration.read_text())
    steps = settings["diffusion_steps"]
    if settings["schedule"] != "linear" or settings["prediction"] != "epsilon":
        raise ValueError("Only the process of Ho et al. is known here.")
    kept = np.cumprod(1 - np.linspace(settings["beta_start"], settings["beta_end"], steps))
    with h5py.File(dataset) as file:
        images, levels = file["images"][:count], int(file["images"].attrs.get("levels", 256))
    x0 = images * (2 / (levels - 1)) - 1
    rng = np.random.default_rng(1)
    # All timesteps equally often.
    t = (np.arange(len(x0)) * steps // len(x0)).astype(np.int64)
    drawn = rng.standard_normal(x0.shape)
    share = kept[t][:, None, None, None]
    with h5py.File(output, "w") as file:
        file["x_t"] = (np.sqrt(share) * x0 + np.sqrt(1 - share) * drawn).astype(np.float32)
        file["t"], file["noise"] = t, drawn.astype(np.float32)


def loss(noisy: pathlib.Path, prediction: pathlib.Path) -> dict[str, float]:
    """The error of a prediction."""
    with h5py.File(noisy) as known, h5py.File(prediction) as said:
        errors = (known["noise"][...].astype(float) - said["prediction"][...]) ** 2
    each = errors.reshape(len(errors), -1).mean(1)
    return {"loss": each.mean(), "error": each.std() / len(each) ** 0.5}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parts = parser.add_subparsers(dest="part", required=True)
    first = parts.add_parser("noise")
    first.add_argument("dataset", type=pathlib.Path)
    first.add_argument("configuration", type=pathlib.Path)
    first.add_argument("--count", type=int, required=True)
    first.add_argument("--output", type=pathlib.Path, required=True)
    second = parts.add_parser("loss")
    second.add_argument("noisy", type=pathlib.Path)
    second.add_argument("prediction", type=pathlib.Path)
    given = parser.parse_args()
    if given.part == "noise":
        noise(given.dataset, given.configuration, given.count, given.output)
    else:
        print(json.dumps(loss(given.noisy, given.prediction)))


if __name__ == "__main__":
    main()

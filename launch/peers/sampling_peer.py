"""Draws images by diffusers from a folder of weights into a picture, and ends: a whole program.

    python sampling_peer.py --mode eager --pipeline FOLDER --steps 20 --count 256 --batch 64 \
        --workers 2 --out samples.png
"""

import argparse
import math
import pathlib

import numpy as np
import torch
from diffusers import DDPMPipeline, DPMSolverMultistepScheduler
from PIL import Image

from modes import Mode


def load(folder: pathlib.Path, mode: Mode) -> DDPMPipeline:
    """The pipeline of a folder with the sampler of ddpm-sample --sampler dpm-solver++."""
    pipeline = DDPMPipeline.from_pretrained(str(folder), local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    # Second order and trailing steps, as ours. diffusers' solver does not clip: that is less work.
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(
        pipeline.scheduler.config, algorithm_type="dpmsolver++", solver_order=2,
        timestep_spacing="trailing", final_sigmas_type="zero",
    )  # fmt: skip
    unet = pipeline.unet.eval()
    if mode.channels_last:
        unet = unet.to(memory_format=torch.channels_last)
    if mode.compiled:
        torch._inductor.config.freezing = True
        unet.compile(dynamic=False)
    return pipeline


@torch.inference_mode()
def draw(pipeline: DDPMPipeline, mode: Mode, steps: int, count: int) -> np.ndarray:
    """Images in [0, 1], (n, h, w, c)."""
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mode.bfloat16):
        return pipeline(batch_size=count, num_inference_steps=steps, output_type="np").images


def save(images: np.ndarray, path: pathlib.Path):
    """A grid, as ddpm-sample writes it."""
    across = math.isqrt(len(images))
    rows = [np.concatenate(images[i : i + across], 1) for i in range(0, across * across, across)]
    grid = (np.concatenate(rows, 0) * 255).round().astype(np.uint8)
    Image.fromarray(grid[..., 0] if grid.shape[2] == 1 else grid).save(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", type=Mode.parsed, required=True)
    parser.add_argument("--pipeline", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--count", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--workers", type=int, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(given.workers)
    torch.set_flush_denormal(True)
    pipeline = load(given.pipeline, given.mode)
    counts = [min(given.batch, given.count - done) for done in range(0, given.count, given.batch)]
    drawn = [draw(pipeline, given.mode, given.steps, count) for count in counts]
    save(np.concatenate(drawn), given.out)


if __name__ == "__main__":
    main()

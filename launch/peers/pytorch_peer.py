"""Trains or evaluates PyTorch's UNet or autoencoder at the word of another program, as paced.py says.

    python pytorch_peer.py --mode eager --config configs/cifar10.yaml --images 32x32x3 --batch 16 \
        --workers 2 --steps 1 --parts step

It prints {"warming_up": true}, warms up, prints {"ready": true, ...}, and then answers each line
`step` or `evaluation` with a round of --steps of them. The modes are those of training.py.
"""

import argparse
import json
import pathlib
import resource
import sys
import time

import diffusers
import torch

from training import MODES, Training
from unet import Images, read_configuration, unet
from vae import VAETraining


def say(**message):
    print(json.dumps(message), flush=True)


def peak_memory() -> dict[str, int]:
    """The most memory that this process has had, in bytes."""
    return {"peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", choices=MODES, required=True)
    parser.add_argument("--config", type=pathlib.Path, required=True, help="a YAML file of ours")
    parser.add_argument("--images", type=Images.parsed, required=True, help="as in 32x32x3")
    parser.add_argument("--batch", type=int, required=True, help="images of a step")
    parser.add_argument("--workers", type=int, required=True, help="threads")
    parser.add_argument("--steps", type=int, default=1, help="steps of a round")
    parser.add_argument("--parts", choices=("step", "evaluation"), default="step")
    return parser.parse_args()


def main():
    given = arguments()
    torch.set_num_threads(given.workers)
    if given.parts == "evaluation" and given.mode == "compile":
        torch._inductor.config.freezing = True
    settings = read_configuration(given.config)
    if settings.get("model", "ddpm") == "vae":
        training = VAETraining(settings, given.images, given.mode, given.batch)
        model = training.model
    else:
        model = unet(settings, given.images)
        training = Training(model, settings, given.mode, given.batch)
    work = {"step": training.step, "evaluation": getattr(training, "evaluation", None)}[given.parts]

    say(warming_up=True)
    # bfloat16 can take minutes a step on a CPU that cannot compute with it.
    for _ in range(1 if given.mode == "bfloat16" else given.steps + 1):
        work()
    say(
        ready=True,
        program="pytorch",
        parameters=sum(p.numel() for p in model.parameters()),
        batch=given.batch,
        workers=given.workers,
        ranks=1,
        versions={
            "torch": torch.__version__,
            "diffusers": diffusers.__version__,
            "kernels": torch.backends.cpu.get_cpu_capability(),
        },
        **peak_memory(),
    )

    for line in sys.stdin:
        if line.strip() != given.parts:
            sys.exit(f"standard input: {line.strip()!r} is not {given.parts!r}.")
        begin = time.perf_counter()
        for _ in range(given.steps):
            work()
        seconds = time.perf_counter() - begin
        images = given.batch * given.steps
        say(
            part=given.parts,
            images=images,
            seconds=seconds,
            images_per_second=images / seconds,
            **peak_memory(),
        )


if __name__ == "__main__":
    main()

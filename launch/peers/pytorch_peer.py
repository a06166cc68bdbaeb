"""Trains or evaluates PyTorch's UNet or autoencoder at the word of another program, as paced.py says.

    python pytorch_peer.py --mode eager --config configs/cifar10.yaml --images 32x32x3 --batch 16 \
        --workers 2 --steps 1 --parts step

It prints {"warming_up": true}, warms up, prints {"ready": true, ...}, and then answers each line
`step` or `evaluation` with a round of --steps of them. The modes are those of modes.py.
"""

import argparse
import pathlib

import diffusers
import torch

from conditions import Captions, Classes, Conditions
from modes import Mode
from pacing import serve
from training import Training
from unet import Images, read_configuration, unet
from vae import VAETraining


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--mode", type=Mode.parsed, required=True)
    parser.add_argument("--config", type=pathlib.Path, required=True, help="a YAML file of ours")
    parser.add_argument("--images", type=Images.parsed, required=True, help="as in 32x32x3")
    parser.add_argument("--batch", type=int, required=True, help="images of a step")
    parser.add_argument("--workers", type=int, required=True, help="threads")
    parser.add_argument("--steps", type=int, default=1, help="steps of a round")
    parser.add_argument("--parts", choices=("step", "evaluation"), default="step")
    parser.add_argument("--set", nargs="*", default=[], help="other settings, as condition=class")
    parser.add_argument("--data", type=pathlib.Path, help="a dataset, whose captions are read")
    parser.add_argument("--checkpoint", type=pathlib.Path, help="one of ours, for its tokens")
    return parser.parse_args()


def training(given: argparse.Namespace) -> Training | VAETraining:
    """The network of the configuration, ready to be trained or evaluated."""
    settings = read_configuration(given.config, given.set)
    if settings.get("model", "ddpm") == "vae":
        return VAETraining(settings, given.images, given.mode, given.batch)
    conditions = Conditions()
    if settings.get("condition") == "text":
        from captions import captions_of
        from text import TextUNet

        captions, vocabulary = captions_of(given.data, given.checkpoint)
        conditions = Captions(captions, settings.get("caption_drop", 0.1))
        model = TextUNet(settings, given.images, vocabulary)
    else:
        if settings.get("condition") == "class":
            conditions = Classes(10, settings.get("label_drop", 0.1))
        model = unet(settings, given.images)
    extents = (given.batch, given.images.channels, given.images.rows, given.images.columns)
    images = torch.randn(extents)
    return Training(model, settings, given.mode, images, conditions, given.parts == "step")


def versions(mode: Mode) -> dict[str, str]:
    """What the numbers depend on; those of the extension's environment under names of their own."""
    if mode.extension:
        import intel_extension_for_pytorch as extension

        return {"extension": f"{extension.__version__} (torch {torch.__version__})"}
    return {
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
        "kernels": torch.backends.cpu.get_cpu_capability(),
    }


def main():
    given = arguments()
    torch.set_num_threads(given.workers)
    if given.parts == "evaluation" and given.mode.compiled:
        torch._inductor.config.freezing = True
    work = training(given)
    serve(
        getattr(work, given.parts), given.parts, given.batch, given.steps,
        # bfloat16 can take minutes a step on a CPU that cannot compute with it.
        warm_up=1 if given.mode.bfloat16 else given.steps + 1,
        program="pytorch", parameters=work.parameter_count, workers=given.workers,
        versions=versions(given.mode),
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Records a pipeline that diffusers has saved, and what its network answers, for DiffusersFolderTests.

    pip install -r ../../Python/requirements-diffusers.txt
    python record_diffusers.py

Writes diffusers/ beside this file: the pipeline's folder, and answers.safetensors with noisy images x
(n, h, w, c), timesteps t and labels (numbers as F32), and the network's output y (n, h, w, c). Two runs
with equal versions write equal files. Beside it, cifar10-diffusers.txt gets the names and extents of the
tensors of Ho's network for CIFAR-10.
"""

import pathlib
import shutil

import torch
from diffusers import DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors.torch import save_file

FOLDER = pathlib.Path(__file__).resolve().parent / "diffusers"


@torch.no_grad()
def main():
    torch.manual_seed(1)
    unet = UNet2DModel(
        sample_size=[8, 4], in_channels=2, out_channels=4, block_out_channels=(4, 8),
        down_block_types=("DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D"), layers_per_block=1, norm_num_groups=2,
        num_class_embeds=4,
        # What has another default in diffusers than in Ho's network.
        attention_head_dim=4, downsample_padding=0, flip_sin_to_cos=False, freq_shift=1,
        norm_eps=1e-6,
    )  # fmt: skip
    # Normalisations and biases begin as 1 and 0: mistakes there would not show.
    for parameter in unet.parameters():
        if parameter.ndim == 1:
            parameter += 0.3 * torch.randn_like(parameter)
    scheduler = DDPMScheduler(
        num_train_timesteps=30, beta_schedule="squaredcos_cap_v2", prediction_type="v_prediction",
        variance_type="learned_range",
    )  # fmt: skip
    shutil.rmtree(FOLDER, ignore_errors=True)
    DDPMPipeline(unet.eval(), scheduler).save_pretrained(FOLDER)
    x, t = torch.randn(8, 2, 8, 4), torch.tensor([0, 1, 5, 10, 15, 20, 28, 29])
    labels = torch.arange(8) % 4
    y = unet(x, t, class_labels=labels).sample
    last = {"x": x.permute(0, 2, 3, 1), "y": y.permute(0, 2, 3, 1), "t": t, "labels": labels}
    save_file(
        {name: tensor.float().contiguous() for name, tensor in last.items()},
        FOLDER / "answers.safetensors",
    )


def write_table():
    unet = UNet2DModel(
        sample_size=32, block_out_channels=(128, 256, 256, 256),
        down_block_types=("DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=None,
    )  # fmt: skip
    lines = [
        " ".join([name, *map(str, tensor.shape)]) for name, tensor in unet.state_dict().items()
    ]
    (FOLDER.parent / "cifar10-diffusers.txt").write_text("\n".join(sorted(lines)) + "\n")


if __name__ == "__main__":
    main()
    write_table()

"""diffusers' network of one of our configurations; it shares no code with ours."""

import dataclasses
import pathlib

import diffusers
import yaml


@dataclasses.dataclass(frozen=True)
class Images:
    """The extents of an image, as in 32x32x3."""

    rows: int
    columns: int
    channels: int

    @staticmethod
    def parsed(text: str) -> "Images":
        return Images(*(int(extent) for extent in text.split("x")))


def read_configuration(path: pathlib.Path) -> dict:
    """The settings of a configuration, which is flat."""
    return yaml.safe_load(path.read_text())


def unet(settings: dict, images: Images) -> diffusers.UNet2DModel:
    """The network of the settings."""
    if settings["heads"] != 1:
        raise ValueError("diffusers' network is ours with one head only.")
    widths = [settings["channels"] * multiplier for multiplier in settings["multipliers"]]
    attends = [images.rows >> level in settings["attention"] for level in range(len(widths))]
    return diffusers.UNet2DModel(
        sample_size=(images.rows, images.columns),
        in_channels=images.channels,
        out_channels=images.channels,
        block_out_channels=widths,
        layers_per_block=settings["blocks"],
        down_block_types=[("Attn" if a else "") + "DownBlock2D" for a in attends],
        up_block_types=[("Attn" if a else "") + "UpBlock2D" for a in reversed(attends)],
        norm_num_groups=settings["groups"],
        dropout=settings["dropout"],
        # The defaults of these five are other values, and give another network without an error.
        attention_head_dim=None,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
    )

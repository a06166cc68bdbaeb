"""diffusers' network of one of our configurations; it shares no code with ours."""

import dataclasses
import pathlib
import re

import diffusers
import yaml
from diffusers.models.attention_processor import Attention


@dataclasses.dataclass(frozen=True)
class Images:
    """The extents of an image, as in 32x32x3."""

    rows: int
    columns: int
    channels: int

    @staticmethod
    def parsed(text: str) -> "Images":
        return Images(*(int(extent) for extent in text.split("x")))


def read_configuration(path: pathlib.Path, changes: list[str] = ()) -> dict:
    """The settings of a configuration, which is flat, with some changed, as in `condition=class`."""
    settings = yaml.safe_load(path.read_text())
    for change in changes:
        key, _, value = change.partition("=")
        settings[key] = yaml.safe_load(value)
    return {key: number(value) for key, value in settings.items()}


def number(value: object) -> object:
    """A number that PyYAML takes for a text, such as 1e-8 without a point; others as they are."""
    if isinstance(value, str) and re.fullmatch(r"[-+]?\d+(\.\d*)?e[-+]?\d+", value):
        return float(value)
    return value


def unet(settings: dict, images: Images, classes: int = 10, **more) -> diffusers.UNet2DModel:
    """The network of the settings.

    - classes: How many there are, where the network is told classes.
    - more: Arguments of diffusers beside those that follow from the settings.
    """
    head_channels = settings.get("head_channels") or None
    widths = [settings["channels"] * multiplier for multiplier in settings["multipliers"]]
    attends = [images.rows >> level in settings["attention"] for level in range(len(widths))]
    resizes = settings.get("residual_resize", False)
    # Maps are made smaller and larger inside residual blocks (ADM), or by convolutions (Ho et al.).
    down, up = ("ResnetDownsample", "ResnetUpsample") if resizes else ("Down", "Up")
    if settings.get("condition") == "class":
        more["num_class_embeds"] = classes + 1
    model = diffusers.UNet2DModel(
        sample_size=(images.rows, images.columns),
        in_channels=images.channels,
        # A learned variance has channels of its own.
        out_channels=images.channels * (2 if settings.get("variance") == "learned" else 1),
        block_out_channels=widths,
        layers_per_block=settings["blocks"],
        down_block_types=[f"{'AttnDown' if a else down}Block2D" for a in attends],
        up_block_types=[f"{'AttnUp' if a else up}Block2D" for a in reversed(attends)],
        downsample_type="resnet" if resizes else "conv",
        upsample_type="resnet" if resizes else "conv",
        resnet_time_scale_shift="scale_shift" if settings.get("scale_shift") else "default",
        norm_num_groups=settings["groups"],
        # Where the time is scale and shift, the attention in the middle has no normalisation without it.
        attn_norm_num_groups=settings["groups"] if settings.get("scale_shift") else None,
        dropout=settings["dropout"],
        # The defaults of these five are other values, and give another network without an error.
        attention_head_dim=head_channels,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
        **more,
    )
    if not head_channels:
        # diffusers has a width for all heads, and no number of them; it changes no parameter.
        for module in model.modules():
            if isinstance(module, Attention):
                module.heads = settings.get("heads", 1)
    return model

"""Records PyTorch's answer for small UNets into the HDF5 files that LayersTests compares with.

    python record_unet.py                     writes unet-*.h5 and cifar10-tensors.txt beside itself
    python record_unet.py --check TABLE.txt   compares the names and shapes of the CIFAR-10
                                              configuration with a table of Ho's checkpoint, whose
                                              lines read "model/NAME (SHAPE) -> THEIRS (SHAPE)"

The network is diffusers' `UNet2DModel`, an implementation that shares no code with ours. Torch
computes in float64 from inputs and weights that float32 holds exactly, and results are rounded to
float32 once, when they are written: the reference has no rounding of its own to speak of.

Conventions of the files are this project's: images (N, H, W, C), convolutions (kh, kw, in, out),
1x1 convolutions and linear layers (in, out), names of Ho's TensorFlow code without `model/`.

    /config           attributes image_size, channels, base_channels, multipliers, blocks,
                      attention (resolutions), groups, classes (0: not told any), head_channels
                      (0: one head), residual_resize, scale_shift (1: yes)
    /model/<name>     weights; every one is random, also those that training starts at zero,
                      so that no term of the gradient hides behind a zero
    /x /t /target     input, time step counted from 0, and what the loss compares with
    /labels           the class of each image, K for none, where there are classes
    /output /loss     the prediction, and the mean of (output - target)^2 over all elements
    /gradient/<name>  d loss / d weight; that of a key's bias is zero but for rounding (a softmax
                      does not see what is added to all of its arguments), so compare it with
                      the scale of the whole gradient, not with itself
    /input_gradient   d loss / d x
"""

import argparse
import dataclasses
import math
import pathlib
import re

import diffusers
import h5py
import numpy as np
import torch

HERE = pathlib.Path(__file__).resolve().parent


@dataclasses.dataclass(frozen=True)
class Configuration:
    """The sizes of one UNet, in the words of this project's configuration."""

    image_size: int
    channels: int
    base_channels: int
    multipliers: tuple[int, ...]
    blocks: int
    attention: tuple[int, ...]
    groups: int
    # K; the network is then told classes, of which the last row of the table is "none".
    classes: int = 0
    # The width of a head; 0: one head.
    head_channels: int = 0
    # Residual blocks change the resolution, as Dhariwal and Nichol's.
    residual_resize: bool = False
    # The time is a scale and a shift behind the second normalisation, as Nichol and Dhariwal's.
    scale_shift: bool = False

    def widths(self) -> list[int]:
        return [self.base_channels * m for m in self.multipliers]

    def attends(self, level: int) -> bool:
        return self.image_size >> level in self.attention


# Ho et al. 2020, appendix B: 35,746,307 parameters.
CIFAR10 = Configuration(32, 3, 128, (1, 2, 2, 2), 2, (16,), 32)

RECORDED = {
    # An odd number of positions (7x7) at the bottom, with attention there.
    "28x28": Configuration(28, 1, 8, (1, 1, 2), 1, (7,), 4),
    # The smallest useful network: that of the 8x8 digits.
    "8x8": Configuration(8, 1, 8, (1, 2), 2, (4,), 4),
    # Ho's shape in small: colour, four levels, attention at the second, down to 2x2.
    "16x16": Configuration(16, 3, 6, (1, 2, 2, 2), 1, (8,), 3),
    # Nothing is a multiple of a vector register; attention on both levels, one of them odd; N = 3.
    "10x10": Configuration(10, 2, 6, (1, 2), 2, (10, 5), 2),
    # Told classes, one of the images none.
    "classes": Configuration(8, 1, 8, (1,), 1, (8,), 4, classes=3),
    # Dhariwal and Nichol's shape in small: heads of one width, which are more in the middle, and maps
    # that residual blocks halve and double, with attention beside them and without.
    "adm": Configuration(
        12, 2, 8, (1, 1, 2), 1, (6,), 4, classes=3, head_channels=4, residual_resize=True,
        scale_shift=True,
    ),
}


def unet(c: Configuration) -> diffusers.UNet2DModel:
    """diffusers' model of a configuration, with the five settings that make it Ho's network."""
    levels = range(len(c.multipliers))
    resize = "Resnet{}sampleBlock2D" if c.residual_resize else "{}Block2D"

    def types(way: str, levels) -> list[str]:
        return [f"Attn{way}Block2D" if c.attends(i) else resize.format(way) for i in levels]

    return diffusers.UNet2DModel(
        sample_size=c.image_size,
        in_channels=c.channels,
        out_channels=c.channels,
        block_out_channels=c.widths(),
        layers_per_block=c.blocks,
        down_block_types=types("Down", levels),
        up_block_types=types("Up", reversed(levels)),
        downsample_type="resnet" if c.residual_resize else "conv",
        upsample_type="resnet" if c.residual_resize else "conv",
        resnet_time_scale_shift="scale_shift" if c.scale_shift else "default",
        # Without it, the middle's attention has no normalisation where there is a scale and a shift.
        attn_norm_num_groups=c.groups if c.scale_shift else None,
        norm_num_groups=c.groups,
        add_attention=True,
        dropout=0.0,
        num_class_embeds=c.classes + 1 if c.classes else None,
        # The defaults of these five are other values, and give another network without an error.
        attention_head_dim=c.head_channels or None,
        downsample_padding=0,
        flip_sin_to_cos=False,
        freq_shift=1,
        norm_eps=1e-6,
    )


class TimeFeatures(torch.nn.Module):
    """concat[sin(t f), cos(t f)], f_i = exp(-i ln(10000) / (half - 1)), in float64.

    It stands in for diffusers' own, which computes in float32 and so loses four digits at t = 999.
    """

    def __init__(self, width: int, theirs: torch.nn.Module):
        super().__init__()
        self.half = width // 2
        self.theirs = theirs

    def forward(self, t: torch.Tensor) -> torch.Tensor:
        i = torch.arange(self.half, dtype=torch.float64)
        angle = t.double()[:, None] * torch.exp(-i * math.log(10000) / (self.half - 1))
        features = torch.cat([angle.sin(), angle.cos()], dim=1)
        assert torch.allclose(features, self.theirs(t).double(), rtol=0, atol=5e-4)
        return features


def tensor_names(c: Configuration) -> list[tuple[str, str]]:
    """Our name and diffusers' name of every tensor, in the order of the forward pass."""
    names: list[tuple[str, str]] = []

    def weight_and_bias(ours: str, theirs: str):
        names.append((f"{ours}/W", f"{theirs}.weight"))
        names.append((f"{ours}/b", f"{theirs}.bias"))

    def norm(ours: str, theirs: str):
        names.append((f"{ours}/gamma", f"{theirs}.weight"))
        names.append((f"{ours}/beta", f"{theirs}.bias"))

    def residual(ours: str, theirs: str, shortcut: bool):
        norm(f"{ours}/norm1", f"{theirs}.norm1")
        weight_and_bias(f"{ours}/conv1", f"{theirs}.conv1")
        weight_and_bias(f"{ours}/temb_proj", f"{theirs}.time_emb_proj")
        norm(f"{ours}/norm2", f"{theirs}.norm2")
        weight_and_bias(f"{ours}/conv2", f"{theirs}.conv2")
        if shortcut:
            weight_and_bias(f"{ours}/nin_shortcut", f"{theirs}.conv_shortcut")

    def attention(ours: str, theirs: str):
        norm(f"{ours}/norm", f"{theirs}.group_norm")
        for letter in "qkv":
            weight_and_bias(f"{ours}/{letter}", f"{theirs}.to_{letter}")
        weight_and_bias(f"{ours}/proj_out", f"{theirs}.to_out.0")

    def resize(ours: str, theirs: str):
        if c.residual_resize:
            residual(ours, theirs, shortcut=False)
        else:
            weight_and_bias(f"{ours}/conv", f"{theirs}.conv")

    weight_and_bias("temb/dense0", "time_embedding.linear_1")
    weight_and_bias("temb/dense1", "time_embedding.linear_2")
    if c.classes:
        names.append(("class_embedding/W", "class_embedding.weight"))
    weight_and_bias("conv_in", "conv_in")

    width = c.base_channels
    skips = [width]
    last = len(c.multipliers) - 1
    for level, out in enumerate(c.widths()):
        theirs = f"down_blocks.{level}"
        for j in range(c.blocks):
            residual(f"down_{level}/block_{j}", f"{theirs}.resnets.{j}", shortcut=width != out)
            if c.attends(level):
                attention(f"down_{level}/attn_{j}", f"{theirs}.attentions.{j}")
            width = out
            skips.append(width)
        if level != last:
            resize(f"down_{level}/downsample", f"{theirs}.downsamplers.0")
            skips.append(width)

    residual("mid/block_1", "mid_block.resnets.0", shortcut=False)
    attention("mid/attn_1", "mid_block.attentions.0")
    residual("mid/block_2", "mid_block.resnets.1", shortcut=False)

    for level in range(last, -1, -1):
        out = c.widths()[level]
        theirs = f"up_blocks.{last - level}"
        for j in range(c.blocks + 1):
            joined = width + skips.pop()
            residual(f"up_{level}/block_{j}", f"{theirs}.resnets.{j}", shortcut=joined != out)
            if c.attends(level):
                attention(f"up_{level}/attn_{j}", f"{theirs}.attentions.{j}")
            width = out
        if level != 0:
            resize(f"up_{level}/upsample", f"{theirs}.upsamplers.0")
    assert not skips

    norm("norm_out", "conv_norm_out")
    weight_and_bias("conv_out", "conv_out")
    return names


def our_layout(name: str, tensor: torch.Tensor) -> torch.Tensor:
    """(out, in, kh, kw) to (kh, kw, in, out), 1x1 and linear (out, in) to (in, out)."""
    if name == "class_embedding/W":
        return tensor
    if tensor.ndim == 4 and tensor.shape[2:] == (1, 1):
        return tensor[:, :, 0, 0].T
    if tensor.ndim == 4:
        return tensor.permute(2, 3, 1, 0)
    return tensor.T if tensor.ndim == 2 else tensor


def named_parameters(c: Configuration, model: diffusers.UNet2DModel) -> dict[str, torch.Tensor]:
    """Every parameter of the model under our name, in forward order; none is left out."""
    names = tensor_names(c)
    theirs = dict(model.named_parameters())
    assert {name for _, name in names} == set(theirs), "The names do not cover the model."
    assert len(names) == len(theirs), "A name occurs twice."
    return {ours: theirs[name] for ours, name in names}


def randomise(parameters: dict[str, torch.Tensor], generator: torch.Generator):
    """Draws every tensor so that activations stay of order one and no value is exactly zero."""

    def uniform(tensor: torch.Tensor, low: float, high: float):
        draw = torch.rand(tensor.shape, generator=generator, dtype=torch.float64)
        tensor.copy_((low + (high - low) * draw).float().double())

    with torch.no_grad():
        for name, tensor in parameters.items():
            if name.endswith("/W"):
                bound = math.sqrt(3 / (tensor.numel() / tensor.shape[0]))
                uniform(tensor, -bound, bound)
            elif name.endswith("/gamma"):
                uniform(tensor, 0.5, 1.5)
            else:
                uniform(tensor, -0.4, 0.4)


def write(file: h5py.File, path: str, values: np.ndarray):
    """Writes a dataset; makes its groups itself, for those made in passing are time-stamped."""
    parts = path.split("/")[:-1]
    for depth in range(len(parts)):
        group = "/".join(parts[: depth + 1])
        if group not in file:
            file.create_group(group)
    file[path] = values


def record(c: Configuration, path: pathlib.Path):
    """Runs one forward and one backward pass and writes everything that went in and came out."""
    generator = torch.Generator().manual_seed(20060 + c.image_size)
    model = unet(c).double().train()
    model.time_proj = TimeFeatures(c.base_channels, model.time_proj)
    parameters = named_parameters(c, model)
    randomise(parameters, generator)

    t = torch.tensor([0, 999, 371] if c.channels == 2 else [999, 17])
    shape = (len(t), c.channels, c.image_size, c.image_size)
    x, target = (
        torch.randn(shape, generator=generator, dtype=torch.float64).float().double()
        for _ in range(2)
    )
    x.requires_grad_(True)
    labels = torch.tensor([1, c.classes, 0][: len(t)]) if c.classes else None
    output = model(x, t, class_labels=labels).sample
    loss = torch.mean((output - target) ** 2)
    loss.backward()

    def stored(tensor: torch.Tensor) -> np.ndarray:
        return np.ascontiguousarray(tensor.detach().numpy().astype(np.float32))

    def images(tensor: torch.Tensor) -> np.ndarray:
        return stored(tensor.permute(0, 2, 3, 1))

    # The compact groups of format 1.8 keep 400 small tensors under 700 KB.
    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        file.attrs["format"] = "ddpm-unet-reference"
        file.attrs["origin"] = (
            f"diffusers {diffusers.__version__} UNet2DModel, torch {torch.__version__}, float64"
        )
        config = file.create_group("config")
        for field in dataclasses.fields(c):
            config.attrs[field.name] = np.array(getattr(c, field.name), dtype=np.int64)
        file["x"] = images(x)
        file["t"] = t.numpy().astype(np.int64)
        if labels is not None:
            file["labels"] = labels.numpy().astype(np.int64)
        file["target"] = images(target)
        file["output"] = images(output)
        file["loss"] = np.float64(loss.item())
        file["input_gradient"] = images(x.grad)
        for ours, parameter in parameters.items():
            write(file, f"model/{ours}", stored(our_layout(ours, parameter)))
            write(file, f"gradient/{ours}", stored(our_layout(ours, parameter.grad)))

    heard = [p for ours, p in parameters.items() if not ours.endswith("/k/b")]
    quietest = min(float(p.grad.abs().max()) for p in heard)
    assert quietest > 1e-6, "A gradient is zero everywhere: this configuration hides a mistake."
    count = sum(p.numel() for p in parameters.values())
    print(
        f"{path.name}: {len(parameters)} tensors, {count} parameters, "
        f"{path.stat().st_size / 1000:.0f} KB, output {float(output.detach().std()):.2f} (std), "
        f"loss {loss.item():.4f}, largest gradient in the quietest tensor {quietest:.1e}"
    )


def cifar10_tensors() -> dict[str, tuple[int, ...]]:
    """Our names and shapes for the CIFAR-10 configuration, checked by diffusers' own model."""
    with torch.device("meta"):
        model = unet(CIFAR10)
    parameters = named_parameters(CIFAR10, model)
    shapes = {name: tuple(our_layout(name, tensor).shape) for name, tensor in parameters.items()}
    count = sum(math.prod(shape) for shape in shapes.values())
    assert len(shapes) == 328 and count == 35_746_307, f"{len(shapes)} tensors, {count} parameters"
    return shapes


def check_against_table(table: pathlib.Path):
    """Stops where our names, their order or shapes, or diffusers' names differ from the table."""
    line = re.compile(r"model/(\S+) \(([\d, ]+)\) -> (\S+) \(([\d, ]+)\)")
    rows = [line.fullmatch(row) for row in table.read_text().splitlines() if row[:1] != "#"]
    assert rows and all(rows), "A line of the table does not read as one."

    def extents(text: str) -> tuple[int, ...]:
        return tuple(int(extent) for extent in text.split(",") if extent.strip())

    with torch.device("meta"):
        theirs = dict(unet(CIFAR10).named_parameters())
    ours = cifar10_tensors()
    expected = [(row[1], extents(row[2]), row[3], extents(row[4])) for row in rows]
    actual = [
        (name, ours[name], other, tuple(theirs[other].shape))
        for name, other in tensor_names(CIFAR10)
    ]
    for row, (e, a) in enumerate(zip(expected, actual, strict=True)):
        assert e == a, f"Tensor {row}: the table says {e}, the generated list {a}."
    print(f"{table.name}: {len(actual)} names and shapes agree, in order")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", type=pathlib.Path, metavar="TABLE", help="only compare")
    parser.add_argument("--output", type=pathlib.Path, default=HERE, help="folder to write into")
    arguments = parser.parse_args()
    if arguments.check:
        check_against_table(arguments.check)
        return
    torch.set_num_threads(1)  # one order of summation, so that a second run writes the same bytes
    for name, configuration in RECORDED.items():
        record(configuration, arguments.output / f"unet-{name}.h5")
    lines = [f"{name} {' '.join(map(str, shape))}\n" for name, shape in cifar10_tensors().items()]
    (arguments.output / "cifar10-tensors.txt").write_text("".join(lines))


if __name__ == "__main__":
    main()

"""Records PyTorch's answer for networks that read text into files that LayersTests compares with.

    python record_text.py [--output FOLDER]   writes unet-text.h5, clip-*.safetensors and clip-*.h5

`unet-text.h5` is a UNet as in record_unet.py, with an encoder of captions that learns beside it. The
encoder is made of `torch.nn.TransformerEncoderLayer`, cross-attention of `torch.nn.MultiheadAttention`;
each caption is encoded by itself, so that there is no padding and no mask in the reference. Beside what
record_unet.py explains, the file holds

    /config           attributes vocabulary, width, layers, heads, context too: of the encoder
    /captions         (N, context) tokens, -1 behind the end; a row of -1 alone is "no caption"
    /sequences        (N, context, width), zeros behind the end; of "no caption", the learned vector
    /pooled           (N, 4 base_channels)

`clip-*.safetensors` are transformers' `CLIPTextModel` with small random weights, in float32 with the
names of a whole CLIP model, and in float16 and bfloat16 with those of its text model alone; `clip-*.h5`
say what it answers:

    /tokens           (N, context), -1 behind the end
    /sequences        (N, context, width), zeros behind the end
    /summaries        (N, width)
    /heads            their number
"""

import argparse
import math
import pathlib

import h5py
import numpy as np
import safetensors.torch
import torch
import transformers

import record_unet
from record_unet import Configuration, TimeFeatures, our_layout, write

HERE = pathlib.Path(__file__).resolve().parent

NETWORK = Configuration(6, 1, 16, (1,), 1, (6,), 4)
VOCABULARY, WIDTH, LAYERS, HEADS, CONTEXT = 11, 32, 2, 2, 6
CAPTIONS = [[3, 1, 4, 1, 5], None, [9], [10, 2, 2, 0, 7, 8]]


class Encoder(torch.nn.Module):
    """The encoder of captions, one at a time."""

    def __init__(self, outputs: int):
        super().__init__()
        self.tokens = torch.nn.Parameter(torch.empty(VOCABULARY, WIDTH))
        self.positions = torch.nn.Parameter(torch.empty(CONTEXT, WIDTH))
        self.blocks = torch.nn.ModuleList(
            torch.nn.TransformerEncoderLayer(
                WIDTH, HEADS, 4 * WIDTH, dropout=0, activation="gelu", batch_first=True,
                norm_first=True,
            )
            for _ in range(LAYERS)
        )
        self.norm = torch.nn.LayerNorm(WIDTH)
        self.pooled = torch.nn.Linear(WIDTH, outputs)
        self.null_sequence = torch.nn.Parameter(torch.empty(WIDTH))
        self.null_pooled = torch.nn.Parameter(torch.empty(outputs))

    def forward(self, caption):
        if caption is None:
            return self.null_sequence[None], self.null_pooled
        e = (self.tokens[caption] + self.positions[: len(caption)])[None]
        for block in self.blocks:
            e = block(e)
        e = self.norm(e)[0]
        return e, self.pooled(e.mean(0))

    def named(self):
        """Our names, and views of the tensors in PyTorch's layout with their gradients."""
        yield "text/token_embedding", table(self.tokens)
        yield "text/position_embedding", table(self.positions)
        for i, block in enumerate(self.blocks):
            ours, heads = f"text/block_{i}", block.self_attn
            yield from normalization(f"{ours}/norm1", block.norm1)
            for j, letter in enumerate("qkv"):
                part = slice(j * WIDTH, (j + 1) * WIDTH)
                yield f"{ours}/{letter}/W", Part(heads.in_proj_weight, part)
                yield f"{ours}/{letter}/b", Part(heads.in_proj_bias, part)
            yield from linear(f"{ours}/proj_out", heads.out_proj)
            yield from normalization(f"{ours}/norm2", block.norm2)
            yield from linear(f"{ours}/dense0", block.linear1)
            yield from linear(f"{ours}/dense1", block.linear2)
        yield from normalization("text/norm_out", self.norm)
        yield "text/null_sequence", Part(self.null_sequence)
        yield "text/null_pooled", Part(self.null_pooled)
        yield from linear("text/pooled", self.pooled)


class CrossAttention(torch.nn.Module):
    """x + proj(attention(q(norm(x)), k(text_norm(H)), v(text_norm(H)))), a head."""

    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.channels = channels
        self.norm = torch.nn.GroupNorm(groups, channels, eps=1e-6)
        self.text_norm = torch.nn.LayerNorm(WIDTH)
        self.attention = torch.nn.MultiheadAttention(
            channels, 1, kdim=WIDTH, vdim=WIDTH, batch_first=True
        )

    def forward(self, x, sequences):
        pixels = self.norm(x).flatten(2).transpose(1, 2)
        results = [
            self.attention(pixels[n : n + 1], tokens, tokens, need_weights=False)[0]
            for n, tokens in enumerate(self.text_norm(s)[None] for s in sequences)
        ]
        return x + torch.cat(results).transpose(1, 2).reshape(x.shape)

    def named(self, ours):
        yield from normalization(f"{ours}/norm", self.norm)
        yield from normalization(f"{ours}/text_norm", self.text_norm)
        c, attention = self.channels, self.attention
        weights = attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight
        for j, letter in enumerate("qkv"):
            yield f"{ours}/{letter}/W", Part(weights[j])
            yield f"{ours}/{letter}/b", Part(attention.in_proj_bias, slice(j * c, (j + 1) * c))
        yield from linear(f"{ours}/proj_out", attention.out_proj)


class Part:
    """Some rows of a parameter, and of its gradient."""

    def __init__(self, parameter, rows=slice(None), is_table=False):
        self.parameter, self.rows, self.is_table = parameter, rows, is_table

    def layout(self, tensor):
        tensor = tensor.detach()[self.rows]
        return tensor if self.is_table else our_layout("", tensor)


def table(parameter):
    return Part(parameter, is_table=True)


def linear(ours, theirs):
    yield f"{ours}/W", Part(theirs.weight)
    yield f"{ours}/b", Part(theirs.bias)


def normalization(ours, theirs):
    yield f"{ours}/gamma", Part(theirs.weight)
    yield f"{ours}/beta", Part(theirs.bias)


def stored(tensor) -> np.ndarray:
    return np.ascontiguousarray(tensor.detach().numpy().astype(np.float32))


def padded(rows, context, fill, dtype) -> np.ndarray:
    """(N, context, …) of sequences of their own lengths."""
    rows = [np.asarray(row, dtype) for row in rows]
    result = np.full((len(rows), context, *rows[0].shape[1:]), fill, dtype)
    for n, row in enumerate(rows):
        result[n, : len(row)] = row
    return result


def record_unet_with_text(path: pathlib.Path):
    c = NETWORK
    generator = torch.Generator().manual_seed(20061)
    model = record_unet.unet(c).double().train()
    model.time_proj = TimeFeatures(c.base_channels, model.time_proj)
    encoder = Encoder(4 * c.base_channels).double()
    # Our names of the attention blocks, and theirs.
    places = {
        "down_0/cross_attn_0": model.down_blocks[0].attentions[0],
        "mid/cross_attn_1": model.mid_block.attentions[0],
        "up_0/cross_attn_0": model.up_blocks[0].attentions[0],
        "up_0/cross_attn_1": model.up_blocks[0].attentions[1],
    }
    crosses = {ours: CrossAttention(c.base_channels, c.groups).double() for ours in places}

    parts = {
        name: Part(tensor) for name, tensor in record_unet.named_parameters(c, model).items()
    }
    parts |= dict(encoder.named())
    for ours, cross in crosses.items():
        parts |= dict(cross.named(ours))
    with torch.no_grad():
        for name, part in parts.items():
            view = part.parameter[part.rows]
            if name.endswith("/W"):
                bound = math.sqrt(3 / view[0].numel())
                low, high = -bound, bound
            elif name.endswith("/gamma"):
                low, high = 0.5, 1.5
            else:
                low, high = -0.4, 0.4
            draw = torch.rand(view.shape, generator=generator, dtype=torch.float64)
            view.copy_((low + (high - low) * draw).float().double())

    encoded = [encoder(caption) for caption in CAPTIONS]
    sequences = [sequence for sequence, _ in encoded]
    pooled = torch.stack([vector for _, vector in encoded])
    model.time_embedding.register_forward_hook(lambda module, inputs, out: out + pooled)
    for ours, theirs in places.items():
        theirs.register_forward_hook(
            lambda module, inputs, out, cross=crosses[ours]: cross(out, sequences)
        )

    t = torch.tensor([0, 999, 371, 20])
    shape = (len(t), c.channels, c.image_size, c.image_size)
    x, target = (
        torch.randn(shape, generator=generator, dtype=torch.float64).float().double()
        for _ in range(2)
    )
    x.requires_grad_(True)
    output = model(x, t).sample
    loss = torch.mean((output - target) ** 2)
    loss.backward()

    def images(tensor) -> np.ndarray:
        return stored(tensor.permute(0, 2, 3, 1))

    with h5py.File(path, "w", libver=("v108", "v108")) as file:
        file.attrs["format"] = "ddpm-unet-text-reference"
        file.attrs["origin"] = f"torch {torch.__version__}, float64"
        config = file.create_group("config")
        settings = {
            "image_size": c.image_size, "channels": c.channels, "base_channels": c.base_channels,
            "multipliers": c.multipliers, "blocks": c.blocks, "attention": c.attention,
            "groups": c.groups, "vocabulary": VOCABULARY, "width": WIDTH, "layers": LAYERS,
            "heads": HEADS, "context": CONTEXT,
        }
        for name, value in settings.items():
            config.attrs[name] = np.array(value, dtype=np.int64)
        file["captions"] = padded([c or [] for c in CAPTIONS], CONTEXT, -1, np.int64)
        file["sequences"] = padded([stored(s) for s in sequences], CONTEXT, 0, np.float32)
        file["pooled"] = stored(pooled)
        file["x"] = images(x)
        file["t"] = t.numpy().astype(np.int64)
        file["target"] = images(target)
        file["output"] = images(output)
        file["loss"] = np.float64(loss.item())
        file["input_gradient"] = images(x.grad)
        for name, part in parts.items():
            write(file, f"model/{name}", stored(part.layout(part.parameter)))
            write(file, f"gradient/{name}", stored(part.layout(part.parameter.grad)))

    heard = {
        name: float(part.layout(part.parameter.grad).abs().max())
        for name, part in parts.items()
        if not name.endswith("/k/b")
    }
    quietest = min(heard, key=heard.get)
    assert heard[quietest] > 1e-6, f"The gradient of {quietest} is zero everywhere."
    print(
        f"{path.name}: {len(parts)} tensors, {path.stat().st_size / 1000:.0f} KB, output "
        f"{float(output.detach().std()):.2f} (std), loss {loss.item():.4f}, {quietest} is the "
        f"quietest tensor, {heard[quietest]:.1e}"
    )


def record_clip(folder: pathlib.Path, name: str, whole: bool, types, **sizes):
    """One model: its file, whose types take turns, and what it answers with these weights."""
    generator = torch.Generator().manual_seed(20062)
    vocabulary = sizes["vocab_size"]
    config = transformers.CLIPTextConfig(
        **sizes, hidden_act="quick_gelu", layer_norm_eps=1e-5, bos_token_id=vocabulary - 2,
        eos_token_id=vocabulary - 1, pad_token_id=vocabulary - 1, attn_implementation="eager",
    )
    model = transformers.CLIPTextModel(config).eval()
    tensors = {}
    with torch.no_grad():
        for i, (theirs, parameter) in enumerate(sorted(model.named_parameters())):
            draw = 2 * torch.rand(parameter.shape, generator=generator) - 1
            if theirs.endswith("norm.weight") or "layer_norm" in theirs and theirs.endswith("weight"):
                value = 1 + 0.5 * draw
            elif parameter.ndim == 2 and "embedding" not in theirs:
                value = math.sqrt(3 / parameter.shape[1]) * draw
            else:
                value = 0.4 * draw
            value = value.to(types[i % len(types)])
            parameter.copy_(value.float())
            theirs = theirs.removeprefix("text_model.")
            tensors[("text_model." if whole else "") + theirs] = value.contiguous()
    if whole:
        # What a whole model has beside: it is not read.
        tensors["text_model.embeddings.position_ids"] = torch.arange(sizes["max_position_embeddings"])
        tensors["logit_scale"] = torch.tensor(2.6592, dtype=torch.float64)
    safetensors.torch.save_file(tensors, folder / f"{name}.safetensors", metadata={"format": "pt"})

    model = model.double()
    captions = [
        [vocabulary - 2, 5, 3, 3, 9, vocabulary - 1],
        [vocabulary - 2, vocabulary - 1],
        [vocabulary - 2, *range(sizes["max_position_embeddings"] - 2), vocabulary - 1],
    ]
    answers = [model(torch.tensor([caption])) for caption in captions]
    context = sizes["max_position_embeddings"]
    with h5py.File(folder / f"{name}.h5", "w", libver=("v108", "v108")) as file:
        file.attrs["origin"] = f"transformers {transformers.__version__} CLIPTextModel, float64"
        file["tokens"] = padded(captions, context, -1, np.int64)
        sequences = [stored(answer.last_hidden_state[0]) for answer in answers]
        file["sequences"] = padded(sequences, context, 0, np.float32)
        file["summaries"] = np.stack([stored(a.pooler_output[0]) for a in answers])
        file["heads"] = np.int64(sizes["num_attention_heads"])
    size = (folder / f"{name}.safetensors").stat().st_size
    print(f"{name}: {len(tensors)} tensors, {size / 1000:.0f} KB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=pathlib.Path, default=HERE, help="folder to write into")
    folder = parser.parse_args().output
    torch.set_num_threads(1)  # one order of summation, so that a second run writes the same bytes
    record_unet_with_text(folder / "unet-text.h5")
    record_clip(
        folder, "clip-whole", True, [torch.float32], vocab_size=50, hidden_size=32,
        intermediate_size=48, num_hidden_layers=2, num_attention_heads=2,
        max_position_embeddings=16,
    )
    record_clip(
        folder, "clip-half", False, [torch.float16, torch.bfloat16], vocab_size=30, hidden_size=64,
        intermediate_size=64, num_hidden_layers=1, num_attention_heads=1,
        max_position_embeddings=12,
    )


if __name__ == "__main__":
    main()

"""Records PyTorch's answer for models with latents into latents.h5, that RecordedLatentTests compares with.

    python record_latent.py [--output FILE]

Each group of the file is one model, whose weights are random; it holds

    attributes    latents, hidden, depth, activation, network, form, inference, decoder, deviation, sigma,
                  levels (0: continuous), and those of a convolutional network
    names         an attribute: our names of the parameters, a line each
    counts        the number of scalars of each
    weights       all of them; linear maps are (inputs, outputs), kernels (k, k, c, o)
    gradients     the derivatives of the loss by each
    images        (N, H, W, C), 0 and 1 for bernoulli, else in [-1, 1]
    noise_1, ...  epsilon of each layer, (N, k) or (N, h, w, k)
    reconstruction, layer_1, ...  what each image costs, in nats, (N)

The loss is the mean over the images of the sum of all parts. Distributions are those of
torch.distributions; everything is computed in float64. It needs torch 2.13, numpy and h5py.
"""

import argparse
import math
import pathlib

import h5py
import numpy as np
import torch
import torch.nn.functional as F
from torch.distributions import Bernoulli, Normal, kl_divergence

torch.set_default_dtype(torch.float64)
HERE = pathlib.Path(__file__).resolve().parent
ROWS, COLUMNS, CHANNELS, COUNT = 4, 4, 2, 3
PIXELS = ROWS * COLUMNS * CHANNELS
WIDTH, MULTIPLIERS, GROUPS = 4, (1, 2), 2

CASES = {
    "vae_bernoulli": dict(latents=[3], decoder="bernoulli", activation="tanh"),
    "vae_normal": dict(latents=[3], decoder="normal", deviation="image", activation="gelu"),
    "vae_levels": dict(latents=[2], decoder="discretized_normal", deviation="shared"),
    "vae_logistic": dict(latents=[3], decoder="discretized_logistic", deviation="image"),
    "bottom_up": dict(latents=[4, 3, 2], hidden=[6, 5, 4], activation="leaky_relu"),
    "top_down": dict(latents=[4, 3, 2], hidden=[6, 5, 4], inference="top_down"),
    "convolutional": dict(latents=[3], network="convolutional"),
    "map": dict(latents=[2], network="convolutional", form="map", decoder="normal"),
}
DEFAULTS = dict(
    hidden=[6], depth=2, activation="silu", network="mlp", form="vector", inference="bottom_up",
    decoder="discretized_logistic", deviation="fixed", sigma=0.4,
)  # fmt: skip
ACTIVATIONS = {
    "silu": F.silu, "tanh": torch.tanh, "gelu": F.gelu,
    "leaky_relu": lambda x: F.leaky_relu(x, 0.1),
}  # fmt: skip


class Model:
    """One model; its parameters are made where they are asked for first."""

    def __init__(self, settings: dict, generator: torch.Generator):
        self.settings = DEFAULTS | settings
        self.levels = 0 if self.settings["decoder"] in ("normal", "bernoulli") else 17
        self.generator = generator
        self.parameters: dict[str, torch.Tensor] = {}

    def random(self, *shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=self.generator)

    def parameter(self, name: str, *shape: int, scale: float | None = None) -> torch.Tensor:
        if name not in self.parameters:
            fan = math.prod(shape[:-1]) if len(shape) > 1 else 25
            values = self.random(*shape) * (scale or fan**-0.5)
            # The test has them as float32.
            self.parameters[name] = values.float().double().requires_grad_()
        return self.parameters[name]

    def linear(self, name: str, x: torch.Tensor, outputs: int) -> torch.Tensor:
        return x @ self.parameter(f"{name}/W", x.shape[-1], outputs) + self.parameter(
            f"{name}/b", outputs
        )

    def dense(self, name: str, x: torch.Tensor, width: int) -> torch.Tensor:
        for layer in range(self.settings["depth"]):
            x = ACTIVATIONS[self.settings["activation"]](
                self.linear(f"{name}/dense{layer}", x, width)
            )
        return x

    def conv(self, name: str, x: torch.Tensor, outputs: int, stride: int = 1) -> torch.Tensor:
        """x is (n, h, w, c)."""
        kernel = self.parameter(f"{name}/W", 3, 3, x.shape[-1], outputs)
        maps = x.permute(0, 3, 1, 2)
        maps = F.pad(maps, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        maps = F.conv2d(
            maps, kernel.permute(3, 2, 0, 1), self.parameter(f"{name}/b", outputs), stride
        )
        return maps.permute(0, 2, 3, 1)

    def norm(self, name: str, x: torch.Tensor) -> torch.Tensor:
        gamma = self.parameter(f"{name}/gamma", x.shape[-1], scale=1)
        beta = self.parameter(f"{name}/beta", x.shape[-1])
        maps = F.group_norm(x.permute(0, 3, 1, 2), GROUPS, gamma, beta, eps=1e-6)
        return F.silu(maps).permute(0, 2, 3, 1)

    def block(self, name: str, x: torch.Tensor, outputs: int) -> torch.Tensor:
        shortcut = x
        if x.shape[-1] != outputs:
            shortcut = self.linear(f"{name}/nin_shortcut", x, outputs)
        h = self.conv(f"{name}/conv1", self.norm(f"{name}/norm1", x), outputs)
        return shortcut + self.conv(f"{name}/conv2", self.norm(f"{name}/norm2", h), outputs)

    def encode(self, x: torch.Tensor) -> torch.Tensor:
        if self.settings["network"] == "mlp":
            return self.dense("encoder_1", x.reshape(len(x), -1), self.settings["hidden"][0])
        h = self.conv("encoder_1/conv_in", x, WIDTH)
        for index, multiplier in enumerate(MULTIPLIERS):
            h = self.block(f"encoder_1/down_{index}/block_0", h, WIDTH * multiplier)
            if index < len(MULTIPLIERS) - 1:
                name = f"encoder_1/down_{index}/downsample/conv"
                h = self.conv(name, h, WIDTH * multiplier, stride=2)
        h = self.norm("encoder_1/norm_out", h)
        return h if self.settings["form"] == "map" else h.reshape(len(h), -1)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        if self.settings["network"] == "mlp":
            h = self.dense("decoder", z, self.settings["hidden"][0])
            return self.linear("decoder/out", h, PIXELS).reshape(-1, ROWS, COLUMNS, CHANNELS)
        width = WIDTH * MULTIPLIERS[-1]
        rows, columns = ROWS // 2, COLUMNS // 2
        outputs = width if self.settings["form"] == "map" else rows * columns * width
        h = self.linear("decoder/in", z, outputs).reshape(len(z), rows, columns, width)
        for index, multiplier in reversed(list(enumerate(MULTIPLIERS))):
            h = self.block(f"decoder/up_{index}/block_0", h, WIDTH * multiplier)
            if index > 0:
                h = h.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)
                h = self.conv(f"decoder/up_{index}/upsample/conv", h, WIDTH * multiplier)
        return self.conv("decoder/conv_out", self.norm("decoder/norm_out", h), CHANNELS)

    def bounded(self, raw: torch.Tensor) -> torch.Tensor:
        return -7 + F.softplus(raw + 7) - F.softplus(raw - 5)

    def normal(self, name: str, h: torch.Tensor, width: int) -> Normal:
        mean, raw = self.linear(name, h, 2 * width).split(width, dim=-1)
        return Normal(mean, self.bounded(raw).exp())

    def hidden(self, layer: int) -> int:
        widths = self.settings["hidden"]
        return widths[layer - 1] if len(widths) > 1 else widths[0]

    def prior(self, layer: int, above: torch.Tensor) -> Normal:
        h = self.dense(f"generator_{layer}", above, self.hidden(layer + 1))
        return self.normal(f"prior_{layer}", h, self.settings["latents"][layer - 1])

    def reconstruction(self, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
        mean, kind = self.decode(z), self.settings["decoder"]
        log_sigma = torch.full((len(x), 1, 1, 1), math.log(self.settings["sigma"]))
        if kind != "bernoulli" and self.settings["deviation"] == "shared":
            log_sigma = self.parameter("log_deviation", 1, scale=0.5).reshape(1, 1, 1, 1)
        if kind != "bernoulli" and self.settings["deviation"] == "image":
            h = self.dense("deviation", z.reshape(len(z), -1), self.hidden(1))
            log_sigma = self.bounded(self.linear("deviation/out", h, 1)).reshape(-1, 1, 1, 1)
        sigma = log_sigma.exp()
        if kind == "bernoulli":
            log_p = Bernoulli(logits=mean).log_prob(x)
        elif kind == "normal":
            log_p = Normal(mean, sigma).log_prob(x)
        else:
            half = 1 / (self.levels - 1)
            if kind == "discretized_normal":
                cdf = Normal(mean, sigma).cdf
            else:
                cdf = lambda v: torch.sigmoid((v - mean) / sigma)  # noqa: E731
            upper = torch.where(x > 1 - half, torch.ones_like(mean), cdf(x + half))
            lower = torch.where(x < half - 1, torch.zeros_like(mean), cdf(x - half))
            log_p = (upper - lower).log()
        return -log_p.flatten(1).sum(1)

    def costs(self, x: torch.Tensor, noise: list[torch.Tensor]) -> list[torch.Tensor]:
        """What the decoder leaves and what each layer costs, of each image."""
        latents = self.settings["latents"]
        layers = range(1, len(latents) + 1)
        standard = Normal(torch.zeros(()), torch.ones(()))
        z: dict[int, torch.Tensor] = {}
        divergences: dict[int, torch.Tensor] = {}
        if self.settings["inference"] == "bottom_up":
            posterior = {}
            for layer in layers:
                h = self.encode(x)
                if layer > 1:
                    h = self.dense(f"encoder_{layer}", z[layer - 1], self.hidden(layer))
                posterior[layer] = self.normal(f"posterior_{layer}", h, latents[layer - 1])
                z[layer] = posterior[layer].mean + posterior[layer].stddev * noise[layer - 1]
            for layer in layers:
                if layer == len(latents):
                    divergences[layer] = kl_divergence(posterior[layer], standard)
                else:
                    expected = -posterior[layer].entropy()
                    divergences[layer] = expected - self.prior(layer, z[layer + 1]).log_prob(
                        z[layer]
                    )
        else:
            h, seen = self.encode(x), {}
            for layer in layers:
                if layer > 1:
                    h = self.dense(f"encoder_{layer}", h, self.hidden(layer))
                seen[layer] = self.normal(f"posterior_{layer}", h, latents[layer - 1])
            for layer in reversed(layers):
                prior = standard if layer == len(latents) else self.prior(layer, z[layer + 1])
                q = seen[layer]
                if layer < len(latents):
                    precision = q.variance.reciprocal() + prior.variance.reciprocal()
                    mean = (q.mean / q.variance + prior.mean / prior.variance) / precision
                    q = Normal(mean, precision.rsqrt())
                z[layer] = q.mean + q.stddev * noise[layer - 1]
                divergences[layer] = kl_divergence(q, prior)
        parts = [self.reconstruction(x, z[1])]
        return parts + [divergences[layer].flatten(1).sum(1) for layer in layers]


def record(group: h5py.Group, settings: dict, seed: int):
    generator = torch.Generator().manual_seed(seed)
    model = Model(settings, generator)
    if model.settings["decoder"] == "bernoulli":
        x = torch.randint(2, (COUNT, ROWS, COLUMNS, CHANNELS), generator=generator).double()
    elif model.levels:
        x = torch.randint(model.levels, (COUNT, ROWS, COLUMNS, CHANNELS), generator=generator) / 8 - 1
    else:
        x = torch.rand(COUNT, ROWS, COLUMNS, CHANNELS, generator=generator) * 2 - 1
    x = x.float().double()
    noise = []
    for width in model.settings["latents"]:
        shape = (ROWS // 2, COLUMNS // 2, width) if model.settings["form"] == "map" else (width,)
        noise.append(model.random(COUNT, *shape).float().double())
    costs = model.costs(x, noise)
    sum(cost.mean() for cost in costs).backward()

    def write(name: str, values: torch.Tensor, dtype=np.float32):
        group.create_dataset(name, data=values.detach().numpy().astype(dtype))

    for key, value in model.settings.items():
        group.attrs[key] = np.int64(value) if key in ("latents", "hidden", "depth") else value
    group.attrs["levels"] = np.int64(model.levels)
    values = list(model.parameters.values())
    group.attrs["names"] = "\n".join(model.parameters)
    group.create_dataset("counts", data=np.array([value.numel() for value in values]))
    write("weights", torch.cat([value.detach().flatten() for value in values]))
    write("gradients", torch.cat([value.grad.flatten() for value in values]))
    write("images", x)
    for layer, value in enumerate(noise):
        write(f"noise_{layer + 1}", value)
    for name, value in zip(["reconstruction"] + [f"layer_{i + 1}" for i in range(len(noise))], costs):
        write(name, value, np.float64)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", type=pathlib.Path, default=HERE / "latents.h5")
    with h5py.File(parser.parse_args().output, "w", libver=("earliest", "v110")) as file:
        for seed, (name, settings) in enumerate(CASES.items()):
            record(file.create_group(name), settings, seed)


if __name__ == "__main__":
    main()

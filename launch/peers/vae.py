"""PyTorch's variational autoencoder of one of our configurations, and one step of its training.

The work is that of ours: pixels drawn black or white, two networks, the bound of one draw, backward,
clipping, Adam, moving average of the weights, each as fast as we can make it (see training.py). It
shares no code with ours.
"""

import torch

from modes import Mode
from unet import Images

ACTIVATIONS = {
    "tanh": torch.nn.Tanh, "silu": torch.nn.SiLU, "gelu": torch.nn.GELU,
}  # fmt: skip


class Autoencoder(torch.nn.Module):
    """Linear layers to the means and log deviations of the latents, and back to logits."""

    def __init__(self, settings: dict, images: Images):
        super().__init__()
        if settings["latent_network"] != "mlp" or settings["decoder"] != "bernoulli":
            raise ValueError("The twin is of linear layers with a Bernoulli decoder only.")
        pixels = images.rows * images.columns * images.channels
        [latents], [hidden] = settings["latents"], settings["hidden"]
        activation = ACTIVATIONS[settings["activation"]]

        def layers(inputs: int, outputs: int) -> torch.nn.Sequential:
            modules, width = [], inputs
            for _ in range(settings["hidden_layers"]):
                modules += [torch.nn.Linear(width, hidden), activation()]
                width = hidden
            return torch.nn.Sequential(*modules, torch.nn.Linear(width, outputs))

        self.encoder = layers(pixels, 2 * latents)
        self.decoder = layers(latents, pixels)
        for module in self.modules():
            if isinstance(module, torch.nn.Linear):
                torch.nn.init.xavier_uniform_(module.weight)
                torch.nn.init.zeros_(module.bias)

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The reconstruction and the divergence of a batch, each a mean over its images, in nats."""
        mean, raw = self.encoder(x).chunk(2, dim=1)
        softplus = torch.nn.functional.softplus
        # The soft bound on log deviations, as ours.
        spread = -7 + softplus(raw + 7) - softplus(raw - 5)
        z = mean + spread.exp() * noise
        reconstruction = torch.nn.functional.binary_cross_entropy_with_logits(
            self.decoder(z), x, reduction="sum"
        )
        divergence = 0.5 * (mean.square() + (2 * spread).exp() - 1 - 2 * spread).sum()
        return reconstruction / len(x), divergence / len(x)


class VAETraining:
    """A network with its optimizer, and random images to train it on."""

    def __init__(self, settings: dict, images: Images, mode: Mode, batch: int):
        torch.set_flush_denormal(True)
        self.model = Autoencoder(settings, images)
        self.parameter_count = sum(p.numel() for p in self.model.parameters())
        self._network = torch.compile(self.model, dynamic=False) if mode.compiled else self.model
        self._autocasts = mode.bfloat16
        self._latents = settings["latents"][0]
        self._parameters = list(self.model.parameters())
        self._average = [p.detach().clone() for p in self._parameters]
        self._average_share = 1 - settings["average_decay"]
        self._clip_norm = settings["clip_norm"]
        self._adam = torch.optim.Adam(
            self._parameters, lr=settings["learning_rate"], eps=settings.get("adam_epsilon", 1e-8),
            fused=True,
        )  # fmt: skip
        self._images = torch.rand(batch, images.rows * images.columns * images.channels)

    def step(self, images: torch.Tensor | None = None) -> tuple[float, float]:
        """One step of training on images in [0, 1], or on random ones; its two losses."""
        x = torch.bernoulli(self._images if images is None else images)
        noise = torch.randn(len(x), self._latents)
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._autocasts):
            reconstruction, divergence = self._network(x, noise)
        loss = reconstruction + divergence
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm, foreach=True)
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(self._average, self._parameters, self._average_share)
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss is not finite")
        return reconstruction.item(), divergence.item()

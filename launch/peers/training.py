"""One step of PyTorch's training and one evaluation of its network, as fast as we can make them.

The work is that of `Trainer.trainStep`: random timesteps and noise, forward, backward, clipping,
Adam, moving average of the weights. PyTorch has every advantage that we know of:

- Adam is the fused one, which took half of the time of `foreach=True` or less, and that two thirds
  of the time of a loop over the tensors. Clipping and the moving average take all tensors at once.
- Gradients are dropped, not zeroed. Images are not read from a file, nor flipped.
- Evaluation is under `inference_mode`; a compiled network has its weights frozen into it.
- Numbers too small for their format are flushed to zero.

Not here: another allocator (jemalloc, tcmalloc), which is for whoever starts the process, as for
ddpm-dist; Intel's extension of PyTorch, which has ended, and whose kernels PyTorch has itself.
"""

import diffusers
import torch

MODES = ("eager", "channels-last", "compile", "bfloat16")


class Training:
    """A network with its optimizer, and images to train it on."""

    def __init__(self, model: diffusers.UNet2DModel, settings: dict, mode: str, batch: int):
        torch.set_flush_denormal(True)
        self._layout = torch.contiguous_format if mode == "eager" else torch.channels_last
        self._model = model.to(memory_format=self._layout)
        self._network = torch.compile(model, dynamic=False) if mode == "compile" else model
        self._autocasts = mode == "bfloat16"

        self._parameters = list(model.parameters())
        self._average = [p.detach().clone() for p in self._parameters]
        self._average_share = 1 - settings["average_decay"]
        self._clip_norm = settings["clip_norm"]
        self._adam = torch.optim.Adam(self._parameters, lr=settings["learning_rate"], fused=True)

        # What the schedule is makes no difference to the time.
        self._diffusion_steps = settings["diffusion_steps"]
        betas = torch.linspace(1e-4, 0.02, self._diffusion_steps, dtype=torch.float64)
        kept = torch.cumprod(1 - betas, 0)
        self._signal = kept.sqrt().float()
        self._noise = (1 - kept).sqrt().float()
        size = model.config.sample_size
        self._x0 = self._random((batch, model.config.in_channels, *size))

    def _random(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.empty(shape, memory_format=self._layout).normal_()

    def _predict(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._autocasts):
            return self._network(x, t).sample

    def step(self):
        """One step of training."""
        self._model.train()
        t = torch.randint(self._diffusion_steps, (len(self._x0),))
        noise = self._random(self._x0.shape)
        signal_scale, noise_scale = (s[t][:, None, None, None] for s in (self._signal, self._noise))
        x = signal_scale * self._x0 + noise_scale * noise
        loss = torch.nn.functional.mse_loss(self._predict(x, t).float(), noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm, foreach=True)
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(self._average, self._parameters, self._average_share)
        if not torch.isfinite(loss):
            raise FloatingPointError("the loss is not finite")

    def evaluation(self):
        """One evaluation of the network, as sampling needs it at every timestep."""
        self._model.eval()
        with torch.inference_mode():
            t = torch.full((len(self._x0),), self._diffusion_steps // 2)
            self._predict(self._random(self._x0.shape), t)

"""One step of PyTorch's training and one evaluation of its network, as fast as we can make them.

The work is that of `Trainer.trainStep`: random timesteps and noise, forward, backward, clipping,
Adam, moving average of the weights. PyTorch has every advantage that we know of:

- Adam is the fused one, which took half of the time of `foreach=True` or less, and that two thirds
  of the time of a loop over the tensors. Clipping and the moving average take all tensors at once.
- Gradients are dropped, not zeroed. Images are not read from a file, nor flipped.
- Evaluation is under `inference_mode`; a compiled network has its weights frozen into it.
- Numbers too small for their format are flushed to zero.
- Intel's extension chooses the layouts of weights, fuses what it can and brings its own Adam.

Not here: another allocator (jemalloc, tcmalloc), which is for whoever starts the process, as for
ddpm-dist.
"""

import torch

from conditions import Conditions
from modes import Mode


class Training:
    """A network with its optimizer, and images to train it on."""

    def __init__(
        self, model: torch.nn.Module, settings: dict, mode: Mode, images: torch.Tensor,
        conditions: Conditions, trains: bool = True,
    ):  # fmt: skip
        """- images: A batch in [-1, 1], (n, c, h, w).
        - conditions: What each step tells the network beside noisy images.
        - trains: Whether it will be trained, or only evaluated."""
        torch.set_flush_denormal(True)
        self._layout = torch.channels_last if mode.channels_last else torch.contiguous_format
        self._autocasts = mode.bfloat16
        if mode.checkpointed:
            model.enable_gradient_checkpointing()
        model = model.to(memory_format=self._layout).train(trains)
        self.parameter_count = sum(p.numel() for p in model.parameters())
        self._adam = None
        if trains:
            # The extension takes the place of a plain Adam only.
            self._adam = torch.optim.Adam(
                model.parameters(), lr=settings["learning_rate"],
                eps=settings.get("adam_epsilon", 1e-8), fused=not mode.extension,
            )  # fmt: skip
        if mode.extension:
            import intel_extension_for_pytorch as extension

            kind = torch.bfloat16 if mode.bfloat16 else torch.float32
            if trains:
                model, self._adam = extension.optimize(
                    model, dtype=kind, optimizer=self._adam, inplace=True
                )
            else:
                model = extension.optimize(model, dtype=kind, inplace=True)
        self.model = model
        self._network = torch.compile(model, dynamic=False) if mode.compiled else model

        self._parameters = list(model.parameters())
        self._average_share = 1 - settings["average_decay"]
        self.average = [p.detach().clone() for p in self._parameters] if trains else []
        self._clip_norm = settings["clip_norm"]

        # What the schedule is makes no difference to the time.
        self._diffusion_steps = settings["diffusion_steps"]
        beta_range = settings.get("beta_start", 1e-4), settings.get("beta_end", 0.02)
        betas = torch.linspace(*beta_range, self._diffusion_steps, dtype=torch.float64)
        kept = torch.cumprod(1 - betas, 0)
        self._signal = kept.sqrt().float()
        self._noise = (1 - kept).sqrt().float()
        self._x0 = images.to(memory_format=self._layout)
        self._conditions = conditions

    def _random(self, shape: tuple[int, ...]) -> torch.Tensor:
        return torch.empty(shape, memory_format=self._layout).normal_()

    def _predict(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self._autocasts):
            return self._network(x, t, **self._conditions.drawn(len(x)), return_dict=False)[0]

    def step(self, images: torch.Tensor | None = None, learning_rate: float | None = None) -> float:
        """One step of training, on the same images each time where none are given; its loss."""
        x0 = self._x0 if images is None else images.contiguous(memory_format=self._layout)
        if learning_rate is not None:
            for group in self._adam.param_groups:
                group["lr"] = learning_rate
        t = torch.randint(self._diffusion_steps, (len(x0),))
        noise = self._random(x0.shape)
        signal_scale, noise_scale = (s[t][:, None, None, None] for s in (self._signal, self._noise))
        x = signal_scale * x0 + noise_scale * noise
        loss = torch.nn.functional.mse_loss(self._predict(x, t).float(), noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self._parameters, self._clip_norm, foreach=True)
        self._adam.step()
        self._adam.zero_grad(set_to_none=True)
        with torch.no_grad():
            torch._foreach_lerp_(self.average, self._parameters, self._average_share)
        value = loss.item()
        if value != value or value in (float("inf"), -float("inf")):
            raise FloatingPointError("the loss is not finite")
        return value

    def evaluation(self):
        """One evaluation of the network, as sampling needs it at every timestep."""
        with torch.inference_mode():
            t = torch.full((len(self._x0),), self._diffusion_steps // 2)
            self._predict(self._random(self._x0.shape), t)

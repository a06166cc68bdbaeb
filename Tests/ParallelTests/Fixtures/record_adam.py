"""Records steps of torch.optim.Adam with clip_grad_norm_ and a moving average, for AdamTests.

Run with any Python that has torch and numpy:  python record_adam.py > adam.json
"""

import json

import numpy
import torch

COUNT, STEPS, LIMIT, DECAY, RATE, WARM_UP = 37, 12, 1.0, 0.99, 2e-3, 5

random = numpy.random.default_rng(20200622)
initial = random.standard_normal(COUNT).astype(numpy.float32)
weights = torch.nn.Parameter(torch.from_numpy(initial.copy()))
average = weights.detach().clone()
adam = torch.optim.Adam([weights], lr=RATE, betas=(0.9, 0.999), eps=1e-8)

steps = []
for step in range(STEPS):
    # Sizes from far below the limit to far above it; some elements are tiny, where epsilon counts.
    gradient = random.standard_normal(COUNT).astype(numpy.float32)
    gradient *= numpy.float32(10.0 ** random.uniform(-3, 1))
    gradient[::5] *= numpy.float32(1e-7)
    weights.grad = torch.from_numpy(gradient.copy())
    norm = torch.nn.utils.clip_grad_norm_([weights], LIMIT)
    rate = RATE * min(1.0, (step + 1) / WARM_UP)
    for group in adam.param_groups:
        group["lr"] = rate
    adam.step()
    average.lerp_(weights.detach(), 1 - DECAY)
    steps.append({"gradient": gradient.tolist(), "rate": rate, "norm": norm.item()})

state = adam.state[weights]
print(json.dumps({
    "torch": torch.__version__,
    "limit": LIMIT,
    "emaDecay": DECAY,
    "initial": initial.tolist(),
    "steps": steps,
    "weights": weights.detach().tolist(),
    "first": state["exp_avg"].tolist(),
    "second": state["exp_avg_sq"].tolist(),
    "average": average.tolist(),
}))

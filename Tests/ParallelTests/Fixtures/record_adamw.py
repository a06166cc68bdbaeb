"""Records 100 steps of torch.optim.AdamW, for AdamTests: a linear warm-up, then a cosine down to 0.

Run with any Python that has torch and numpy:  python record_adamw.py > adamw.json
"""

import json

import numpy
import torch
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, SequentialLR

STEPS, RATE, WARM_UP, DECAY = 100, 2e-3, 10, 0.1
# The tensors of a buffer, one behind the other, and whether they decay; none fills a vector.
TENSORS = [(5, True), (3, False), (7, True), (2, False), (4, False)]

random = numpy.random.default_rng(20190506)
# Away from zero, so that errors can be compared with the weights.
initial = [
    (random.choice([-1, 1], n) * random.uniform(1, 2, n)).astype(numpy.float32) for n, _ in TENSORS
]
# In double precision, so that the rounding seen is that of the tested program alone.
weights = [torch.nn.Parameter(torch.from_numpy(w.astype(numpy.float64))) for w in initial]
adam = torch.optim.AdamW(
    [
        {"params": [w for w, (_, decays) in zip(weights, TENSORS) if decays]},
        {"params": [w for w, (_, decays) in zip(weights, TENSORS) if not decays],
         "weight_decay": 0.0},
    ],
    lr=RATE, betas=(0.9, 0.999), eps=1e-8, weight_decay=DECAY)  # fmt: skip
schedule = SequentialLR(
    adam,
    [
        LinearLR(adam, start_factor=1 / WARM_UP, total_iters=WARM_UP - 1),
        CosineAnnealingLR(adam, T_max=STEPS - WARM_UP),
    ],
    milestones=[WARM_UP - 1],
)

steps = []
for _ in range(STEPS):
    gradients = [random.integers(-99, 100, n) / 64 for n, _ in TENSORS]
    for w, gradient in zip(weights, gradients):
        w.grad = torch.from_numpy(gradient.copy())
    rates = {group["lr"] for group in adam.param_groups}
    assert len(rates) == 1
    steps.append({"gradient": numpy.concatenate(gradients).tolist(), "rate": rates.pop()})
    adam.step()
    schedule.step()

ends = numpy.cumsum([n for n, _ in TENSORS]).tolist()
print(json.dumps({
    "torch": torch.__version__,
    "rate": RATE,
    "warmUp": WARM_UP,
    "weightDecay": DECAY,
    "decaying": [[end - n, end] for end, (n, decays) in zip(ends, TENSORS) if decays],
    "initial": numpy.concatenate(initial).tolist(),
    "steps": steps,
    "weights": torch.cat([w.detach() for w in weights]).tolist(),
    "first": torch.cat([adam.state[w]["exp_avg"] for w in weights]).tolist(),
    "second": torch.cat([adam.state[w]["exp_avg_sq"] for w in weights]).tolist(),
}))

"""Samplers by the formulas of their papers, in float64, and what they are run on.

`record_samplers.py` compares them with those of diffusers. The schedule is Ho's linear one, and the
network a formula of x_t and t.
"""

import itertools
import math

import numpy as np

STEPS = 1000
START = [0.5, -1.25, 2.0]
SEED = 9

log_abar = np.cumsum(np.log1p(-np.linspace(1e-4, 0.02, STEPS)))


def network(x, t):
    """The output at step t, counted from 1."""
    return 0.8 * x - 0.2 * np.sin(x) + 0.1 * math.cos(t / 100)


def philox(key, counter):
    """Philox4x32-10: four words."""
    (k0, k1), (x0, x1, x2, x3) = key, counter
    for _ in range(10):
        p0, p1 = 0xD2511F53 * x0, 0xCD9E8D57 * x2
        x0, x1, x2, x3 = (
            p1 >> 32 ^ x1 ^ k0, p1 & 0xFFFFFFFF, p0 >> 32 ^ x3 ^ k1, p0 & 0xFFFFFFFF)
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return x0, x1, x2, x3


# Salmon et al. 2011, the known answer of the authors' library.
assert philox((0, 0), (0, 0, 0, 0)) == (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)


def normals(step, seed=SEED, purpose=8, image=0):
    """The first of z by Box and Muller, as the Float nearest to each; purpose 8 is `reverse`."""
    words = philox((seed & 0xFFFFFFFF, seed >> 32), (0, step, image, purpose << 24))
    drawn = []
    for first, second in (words[:2], words[2:]):
        radius = math.sqrt(-2 * math.log((first + 1) * 2.0 ** -32))
        angle = 2 * math.pi * 2.0 ** -32 * second
        drawn += [radius * math.cos(angle), radius * math.sin(angle)]
    return np.array(drawn[:len(START)], dtype=np.float32).astype(np.float64)


def time_of(level):
    """t of a sigma~: log abar = -log(1 + sigma~^2) is linear in t between two steps."""
    return float(np.interp(np.log1p(level * level), -log_abar, np.arange(1, STEPS + 1)))


def level_of(t):
    """alpha, sigma and lambda; the image's for t = 0."""
    abar = math.exp(log_abar[t - 1]) if t else 1.0
    sigma = math.sqrt(-math.expm1(log_abar[t - 1])) if t else 0.0
    return math.sqrt(abar), sigma, math.log(math.sqrt(abar) / sigma) if t else math.inf


def clean(x, t, prediction):
    """x_0 of what the network says."""
    (alpha, sigma, _), output = level_of(t), network(x, t)
    return {"epsilon": (x - sigma * output) / alpha, "clean": output,
            "v": alpha * x - sigma * output}[prediction]


def ancestral_step(before, after, x, m, z):
    """Ho et al. 2020, eq. 7, on the chain of the grid."""
    (alpha, sigma, _), (next_alpha, next_sigma, _) = before, after
    kept = (alpha / next_alpha) ** 2
    share = (1 - kept) / sigma ** 2
    return (next_alpha * share * m + math.sqrt(kept) * (next_sigma / sigma) ** 2 * x
            + next_sigma * math.sqrt(share) * z)


def dpm_step(levels, after, x, ms, bend):
    """Lu et al. 2022b, from the newest of `levels`; `bend` is 2 for h^2 m'', 1 as published."""
    (_, sigma, last), (alpha, next_sigma, target) = levels[0], after
    h = target - last
    e = math.expm1(-h)
    x = next_sigma / sigma * x - alpha * e * ms[0]
    if len(ms) == 1:
        return x
    r0 = (last - levels[1][2]) / h
    a = (ms[0] - ms[1]) / r0
    if len(ms) == 2:
        return x - 0.5 * alpha * e * a
    r1 = (levels[1][2] - levels[2][2]) / h
    b = (ms[1] - ms[2]) / r1
    slope, bent = a + r0 / (r0 + r1) * (a - b), bend * (a - b) / (r0 + r1)
    return x + alpha * (e / h + 1) * slope - alpha * ((e + h) / h ** 2 - 0.5) * bent


def sde_step(levels, after, x, ms, z):
    (_, sigma, last), (alpha, next_sigma, target) = levels[0], after
    h = target - last
    told = -math.expm1(-2 * h)
    half = 0.5 * (ms[0] - ms[1]) * h / (last - levels[1][2]) if len(ms) == 2 else 0
    return (next_sigma / sigma * math.exp(-h) * x + alpha * told * (ms[0] + half)
            + next_sigma * math.sqrt(told) * z)


def uni_step(levels, after, x, ms, end=None):
    """Zhao et al. 2023 with B(h) = e^h - 1; `end` is what the network sees at the end."""
    (_, sigma, last), (alpha, next_sigma, target) = levels[0], after
    h = last - target
    ratios = [(level[2] - last) / -h for level in levels[1:]] + ([] if end is None else [1.0])
    differences = [(m - ms[0]) / r for m, r in zip([*ms[1:], end], ratios)]
    b, g = [], math.expm1(h) / h - 1
    for k in range(1, len(ratios) + 1):
        b.append(g * math.factorial(k) / math.expm1(h))
        g = g / h - 1 / math.factorial(k + 1)
    weights = [0.5] if len(b) == 1 else np.linalg.solve(
        [[r ** k for r in ratios] for k in range(len(b))], b) if b else []
    rest = sum((w * d for w, d in zip(weights, differences)), ms[0])
    return next_sigma / sigma * x - alpha * math.expm1(h) * rest


def by_formula(sampler, order, times, prediction="epsilon"):
    """x after every step."""
    count, xs, x = len(times), [], np.array(START)
    levels = [level_of(t) for t in [*times, 0]]
    ms, last = [], None
    for i, t in enumerate(times):
        ms.insert(0, clean(x, t, prediction))
        if last:
            x = uni_step(*last, end=ms[0])
        left = count - i
        # Towards the end the order falls, in UniPC always to 1, in the others over few steps.
        most = left if sampler == "unipc" or left == 1 or count < 15 else order
        p = min(order, i + 1, most)
        history, z = levels[i::-1][:p], normals(left)
        if sampler == "unipc":
            last = (history, levels[i + 1], x, ms[:p])
            x = uni_step(*last)
        elif sampler == "ancestral":
            x = ancestral_step(levels[i], levels[i + 1], x, ms[0], z)
        elif sampler == "sde-dpm-solver++":
            x = sde_step(history, levels[i + 1], x, ms[:p], z)
        else:
            bend = 1 if sampler == "dpm-solver++-published" else 2
            x = dpm_step(history, levels[i + 1], x, ms[:p], bend)
        xs.append(x)
    return xs


def levels_by_formula(name, count):
    """Levels of Karras et al. 2022, eq. 5, and their algorithm 1 without churn."""
    most, least = (math.sqrt(math.expm1(-log_abar[i])) ** (1 / 7) for i in (-1, 0))
    levels = [(most + i / (count - 1) * (least - most)) ** 7 for i in range(count)]

    def slope(scaled, level):
        return network(scaled / math.hypot(1, level), time_of(level))

    xs, scaled = [], np.array(START) * math.hypot(1, levels[0])
    for level, following in itertools.pairwise([*levels, 0.0]):
        first = slope(scaled, level)
        trial = scaled + (following - level) * first
        if name == "heun" and following:
            trial = scaled + (following - level) * (first + slope(trial, following)) / 2
        scaled = trial
        xs.append(scaled / math.hypot(1, following))
    return levels, xs

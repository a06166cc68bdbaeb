"""Prints RecordedLearned.swift: schedules, learned variances and evaluated bounds by others.

    pip install numpy mpmath torch
    python record_learned.py > RecordedLearned.swift && swift format -i RecordedLearned.swift

Sources, none of which shares code with this project:
  Ho's      get_beta_schedule of hojonathanho/diffusion, diffusion_utils_2.py, in numpy float64
  Lin's     algorithm 1 of Lin et al. (2024), in numpy float64 and with 60 digits
  Nichol's  _vb_terms_bpd, p_mean_variance and SpacedDiffusion of openai/improved-diffusion, in
            float64, with the exact normal distribution function in the place of its tanh
  torch     derivatives of these by autograd
  mpmath    the discretised normal with 60 digits
"""

import math
import textwrap

import mpmath
import numpy as np
import torch

mpmath.mp.dps = 60
torch.set_default_dtype(torch.float64)


def table(doc, name, rows):
    """One static text; a row is a line of tokens, broken where it is long."""
    print(f"\n  /// {doc}")
    print(f'  static let {name} = """')
    for row in rows:
        tokens = " ".join(f"{x:.16g}" if isinstance(x, float) else str(x) for x in row)
        print(textwrap.fill(tokens, 98, initial_indent="    ", subsequent_indent="      "))
    print('    """')


# Schedules ----------------------------------------------------------------------------------


def warmup_beta(beta_start, beta_end, steps, fraction):
    betas = beta_end * np.ones(steps, dtype=np.float64)
    warmup_time = int(steps * fraction)
    betas[:warmup_time] = np.linspace(beta_start, beta_end, warmup_time, dtype=np.float64)
    return betas


def beta_schedule(name, steps, start=1e-4, end=0.02):
    if name == "linear":
        return np.linspace(start, end, steps, dtype=np.float64)
    if name == "quadratic":
        return np.linspace(start**0.5, end**0.5, steps, dtype=np.float64) ** 2
    if name == "constant":
        return end * np.ones(steps, dtype=np.float64)
    if name == "jsd":
        return 1.0 / np.linspace(steps, 1, steps, dtype=np.float64)
    if name == "warmup10":
        return warmup_beta(start, end, steps, 0.1)
    if name == "warmup50":
        return warmup_beta(start, end, steps, 0.5)
    assert name == "sigmoid"

    def gamma(t):
        def sigmoid(x):
            return 1 / (1 + math.exp(-x))

        first, last = sigmoid(-3.0), sigmoid(3.0)
        return (last - sigmoid(t * 6.0 - 3.0)) / (last - first)

    return np.array([
        min(1 - gamma((i + 1) / steps) / gamma(i / steps), 0.999) for i in range(steps)])


NAMES = ("linear", "quadratic", "constant", "jsd", "warmup10", "warmup50", "sigmoid")


def schedule_rows():
    for steps in (1000, 25):
        for name in NAMES:
            betas = beta_schedule(name, steps)
            bars = np.cumprod(1.0 - betas)
            for t in sorted({1, 2, steps // 10, steps // 10 + 1, steps // 2, steps // 2 + 1,
                             steps - 1, steps}):
                yield [name, steps, t, float(betas[t - 1]), float(bars[t - 1])]


def rescaled(betas):
    """Algorithm 1, as it is published."""
    roots = np.sqrt(np.cumprod(1.0 - betas))
    first, last = roots[0].copy(), roots[-1].copy()
    roots = (roots - last) * (first / (first - last))
    bars = roots**2
    alphas = np.concatenate([bars[0:1], bars[1:] / bars[:-1]])
    return 1 - alphas, bars


def rescaled_exactly(betas):
    roots, bar = [], mpmath.mpf(1)
    for beta in betas:
        bar *= 1 - mpmath.mpf(float(beta))
        roots.append(mpmath.sqrt(bar))
    first, last = roots[0], roots[-1]
    bars = [((r - last) * first / (first - last)) ** 2 for r in roots]
    return [1 - a / b for a, b in zip(bars, [mpmath.mpf(1)] + bars)], bars


def zero_terminal_rows():
    for name, steps in (("linear", 1000), ("sigmoid", 1000), ("warmup50", 25)):
        betas = beta_schedule(name, steps)
        published, exact = rescaled(betas), rescaled_exactly(betas)
        for t in sorted({1, 2, 3, steps // 2, steps - 2, steps - 1, steps}):
            yield [name, steps, t, float(exact[0][t - 1]), float(exact[1][t - 1]),
                   float(published[0][t - 1]), float(published[1][t - 1])]


# A process in Nichol's form -------------------------------------------------------------------


class Process:
    def __init__(self, betas):
        self.betas = betas
        alphas = 1.0 - betas
        self.bars = np.cumprod(alphas)
        before = np.append(1.0, self.bars[:-1])
        self.posterior_variance = betas * (1.0 - before) / (1.0 - self.bars)
        self.posterior_log_variance_clipped = np.log(
            np.append(self.posterior_variance[1], self.posterior_variance[1:]))
        self.fixed_large_log_variance = np.log(np.append(self.posterior_variance[1], betas[1:]))
        self.coef1 = betas * np.sqrt(before) / (1.0 - self.bars)
        self.coef2 = (1.0 - before) * np.sqrt(alphas) / (1.0 - self.bars)

    def spaced(self, steps):
        """The process over these steps, counted from 1."""
        betas, last = [], 1.0
        for t in steps:
            betas.append(1 - self.bars[t - 1] / last)
            last = self.bars[t - 1]
        return Process(np.array(betas))


def log_probability(x, mean, log_deviation, levels):
    """The discretised normal: log Φ of the upper end with what is missing below it."""
    half, deviation = 1 / (levels - 1), torch.exp(log_deviation)
    low, high = (x - half - mean) / deviation, (x + half - mean) / deviation
    low = torch.where(x < -1 + half, -torch.inf, low)
    high = torch.where(x > 1 - half, torch.inf, high)
    # The upper half is the lower one in a mirror.
    swap = (x - mean).detach() > 0
    low, high = torch.where(swap, -high, low), torch.where(swap, -low, high)
    finite_low = torch.where(torch.isinf(low), -1e6, low)
    finite_high = torch.where(torch.isinf(high), 30.0, high)
    upper, lower = (torch.special.log_ndtr(e) for e in (finite_high, finite_low))
    rest = torch.log(-torch.expm1(torch.where(torch.isinf(low), -torch.inf, lower - upper)))
    return upper + rest


def kl(mean1, logvar1, mean2, logvar2):
    return 0.5 * (-1.0 + logvar2 - logvar1 + torch.exp(logvar1 - logvar2)
                  + (mean1 - mean2) ** 2 * torch.exp(-logvar2))


def term(process, i, clean, noisy, mean, log_variance, levels):
    """The term of index i = t - 1 in nats, summed over the scalars."""
    if i > 0:
        true_mean = process.coef1[i] * clean + process.coef2[i] * noisy
        own = torch.tensor(process.posterior_log_variance_clipped[i])
        return kl(true_mean, own, mean, log_variance).sum()
    if levels is None:
        return 0.5 * (math.log(2 * math.pi) + log_variance
                      + (clean - mean) ** 2 * torch.exp(-log_variance)).sum()
    level = torch.round((clean + 1) / 2 * (levels - 1))  # without the rounding to Float
    x = -1 + 2 * level / (levels - 1)
    return -log_probability(x, mean, 0.5 * log_variance, levels).sum()


def learned_range(process, i, v):
    low = process.posterior_log_variance_clipped[i]
    high = np.log(process.betas[i])
    fraction = (v + 1) / 2
    return fraction * high + (1 - fraction) * low


def x0_of(process, i, kind, output, noisy):
    bar = process.bars[i]
    if kind == "epsilon":
        return math.sqrt(1 / bar) * noisy - math.sqrt(1 / bar - 1) * output
    if kind == "clean":
        return output
    if kind == "v":
        return math.sqrt(bar) * noisy - math.sqrt(1 - bar) * output
    return (output - process.coef2[i] * noisy) / process.coef1[i]


NOISE = [0.5, -1.25, 0.25, 2.0, -0.75, 1.0]
OUTPUT = [0.25, -1.0, 0.5, 1.5, -1.5, 1.25]
V = [0.0, -1.0, 1.0, 0.375, -2.5, 3.5]
CLEAN = {  # levels of K; the first and the last are open
    6: [-1.0, -0.6, 0.2, 0.6, 1.0, 1.0], 17: [-1.0, -0.625, 0.25, 0.625, 1.0, 0.0],
    256: [-1.0, 1 - 2 * 204 / 255, 1 - 2 * 96 / 255, 1 - 2 * 45 / 255, 1.0, -1 + 2 / 255],
    None: [-1.0, -0.625, 0.25, 0.625, 1.0, 0.0]}


def floats(values):
    return torch.tensor(np.array(values, dtype=np.float32).astype(np.float64))


def noised(process, i, clean, noise):
    x = math.sqrt(process.bars[i]) * clean + math.sqrt(1 - process.bars[i]) * noise
    return x.float().double()


def learned_rows():
    process = Process(beta_schedule("linear", 1000))
    for t in (1, 2, 500, 1000):
        i = t - 1
        for levels in (6, 17, 256, None) if t == 1 else (None,):
            clean = floats(CLEAN[levels])
            noisy = noised(process, i, clean, torch.tensor(NOISE))
            for kind in ("epsilon", "clean", "mean", "v"):
                output = torch.tensor(OUTPUT, requires_grad=True)
                v = torch.tensor(V, requires_grad=True)
                if kind == "mean":
                    mean = output
                else:
                    x0 = x0_of(process, i, kind, output, noisy)
                    mean = process.coef1[i] * x0 + process.coef2[i] * noisy
                nats = term(process, i, clean, noisy, mean, learned_range(process, i, v), levels)
                nats.backward()
                yield [t, kind, levels or 0, *noisy.tolist(), nats.item(), *output.grad.tolist(),
                       *v.grad.tolist()]


CHAINS = {"full": list(range(1, 1001)), "four": [1, 334, 667, 1000], "late": [3, 40, 1000]}


def evaluation_rows():
    whole = Process(beta_schedule("linear", 1000))
    clean = floats(CLEAN[17])
    output, v = torch.tensor(OUTPUT), torch.tensor(V)
    for name, steps in CHAINS.items():
        process = whole.spaced(steps) if name != "full" else whole
        for index in (1, 2, 500, 1000) if name == "full" else range(1, len(steps) + 1):
            i, t = index - 1, steps[index - 1]
            noisy = noised(whole, t - 1, clean, torch.tensor(NOISE))
            for kind in ("epsilon", "v"):
                for clip in (False, True):
                    x0 = x0_of(whole, t - 1, kind, output, noisy)
                    if clip:
                        x0 = x0.clamp(-1, 1)
                    mean = process.coef1[i] * x0 + process.coef2[i] * noisy
                    row = [name, index, kind, int(clip), *noisy.tolist()]
                    for log_variance in (
                            torch.full((6,), process.fixed_large_log_variance[i]),
                            torch.full((6,), process.posterior_log_variance_clipped[i]),
                            learned_range(process, i, v)):
                        row.append(
                            term(process, i, clean, noisy, mean, log_variance, 17).item())
                    yield row


# mpmath -------------------------------------------------------------------------------------


def deviation_slope(levels, k, deviation, mean):
    """d log P / d log σ as a difference of lower tails, so that nothing cancels."""
    sigma, half = mpmath.mpf(deviation), mpmath.mpf(1) / (levels - 1)
    centre = mpmath.mpf(-1) + 2 * k * half - mpmath.mpf(mean)
    low = -mpmath.inf if k == 0 else (centre - half) / sigma
    high = mpmath.inf if k == levels - 1 else (centre + half) / sigma
    if centre > 0:
        low, high = -high, -low

    def cdf(x):
        return mpmath.erfc(-x / mpmath.sqrt(2)) / 2

    def moment(x):
        if mpmath.isinf(x):
            return mpmath.mpf(0)
        return x * mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)

    return float((moment(low) - moment(high)) / (cdf(high) - cdf(low)))


def deviation_rows():
    for levels, deviation in ((2, 0.5), (6, 0.1), (17, 0.05), (256, 0.0074), (256, 0.2),
                              (256, 1.0), (65536, 0.0074)):
        for k in sorted({0, 1, levels // 3, levels - 2, levels - 1}):
            for z in (-40.0, -8.0, -1.0, -0.25, 0.0, 0.5, 1.0625, 3.0, 40.0):
                mean = -1 + 2 * k / (levels - 1) + z * deviation
                yield [levels, k, deviation, mean, deviation_slope(levels, k, deviation, mean)]


def swift_floats(values):
    return ", ".join(f"{x:.9g}" for x in values)


def main():
    print(f"""// What other implementations compute, printed by `record_learned.py`: do not edit.
//
// numpy {np.__version__}, mpmath {mpmath.__version__}, torch {torch.__version__}.
// Each text is read by `rows(of:)`.
enum RecordedLearned {{
  /// The raw outputs for the mean and for the variance.
  static let output: [Float] = [{swift_floats(OUTPUT)}]
  static let variance: [Float] = [{swift_floats(V)}]

  /// x_0 by the number of levels; 0: continuous.
  static let clean: [Int: [Float]] = [""")
    for levels, values in CLEAN.items():
        print(f"    {levels or 0}: [{swift_floats(np.float32(values))}],")
    print("  ]")
    table("Schedules, 1e-4 to 0.02: name, T, t, β, ᾱ.", "schedules", schedule_rows())
    table("ᾱ_T = 0: name, T, t, β and ᾱ of 60 digits, β and ᾱ in Double as published.",
          "zeroTerminal", zero_terminal_rows())
    table("Learned terms, linear, T = 1000: t, prediction, levels, x_t (6), nats, derivatives with "
          "respect to the output (6) and to v (6).", "learnedTerms", learned_rows())
    table("Evaluated terms of chains, 17 levels: chain, its step, prediction, clipping, x_t (6), "
          "nats of fixed_large, fixed_small, learned.", "evaluatedTerms", evaluation_rows())
    table("The discretised normal: levels, level, deviation, mean, d log P/d log σ.",
          "deviationSlopes", deviation_rows())
    print("}")


main()

"""Prints RecordedValues.swift: what other implementations compute.

    pip install numpy mpmath torch diffusers
    python record.py > RecordedValues.swift && swift format -i RecordedValues.swift

Four sources, none of which shares code with this project:
  Ho's      the formulas of hojonathanho/diffusion, diffusion_utils_2.py, in numpy float64
  Nichol's  betas_for_alpha_bar and space_timesteps of openai/improved-diffusion
  diffusers DDPMScheduler; its tables are float32, its step is run in float64
  mpmath    the discretised normal with 60 digits

Ho's code has no v: the bound's x_0 is α_t z_t - σ_t v there, Salimans & Ho (2022), section 4.
"""

import math
import textwrap

import diffusers
import mpmath
import numpy as np
import torch
from diffusers import DDPMScheduler


def table(doc, name, rows):
    """One static text; a row is a line of tokens, broken where it is long."""
    print(f"\n  /// {doc}")
    print(f'  static let {name} = """')
    for row in rows:
        tokens = " ".join(f"{x:.16g}" if isinstance(x, float) else str(x) for x in row)
        print(textwrap.fill(tokens, 98, initial_indent="    ", subsequent_indent="      "))
    print('    """')


# Ho's ---------------------------------------------------------------------------------------


class Ho:
    def __init__(self, betas):
        self.betas = betas
        alphas = 1.0 - betas
        self.alphas_cumprod = np.cumprod(alphas, axis=0)
        self.alphas_cumprod_prev = np.append(1.0, self.alphas_cumprod[:-1])
        a, p = self.alphas_cumprod, self.alphas_cumprod_prev
        self.sqrt_alphas_cumprod = np.sqrt(a)
        self.sqrt_one_minus_alphas_cumprod = np.sqrt(1.0 - a)
        self.sqrt_recip_alphas_cumprod = np.sqrt(1.0 / a)
        self.sqrt_recipm1_alphas_cumprod = np.sqrt(1.0 / a - 1)
        self.posterior_variance = betas * (1.0 - p) / (1.0 - a)
        self.posterior_log_variance_clipped = np.log(
            np.append(self.posterior_variance[1], self.posterior_variance[1:]))
        self.fixedlarge_log_variance = np.log(np.append(self.posterior_variance[1], betas[1:]))
        self.posterior_mean_coef1 = betas * np.sqrt(p) / (1.0 - a)
        self.posterior_mean_coef2 = (1.0 - p) * np.sqrt(alphas) / (1.0 - a)


def nichol_cosine(steps):
    def alpha_bar(t):
        return math.cos((t + 0.008) / 1.008 * math.pi / 2) ** 2

    return np.array([
        min(1 - alpha_bar((i + 1) / steps) / alpha_bar(i / steps), 0.999) for i in range(steps)])


def space_timesteps(num_timesteps, count):
    """improved_diffusion/respace.py with one section."""
    frac_stride = 1 if count <= 1 else (num_timesteps - 1) / (count - 1)
    cur_idx = 0.0
    taken_steps = []
    for _ in range(count):
        taken_steps.append(round(cur_idx))
        cur_idx += frac_stride
    return taken_steps


def table_rows(betas):
    ho = Ho(betas)
    for t in (1, 2, 3, len(betas) // 2, len(betas) - 1, len(betas)):
        i = t - 1
        yield [
            t, ho.betas[i], ho.alphas_cumprod[i], ho.posterior_variance[i],
            ho.posterior_mean_coef1[i], ho.posterior_mean_coef2[i],
            ho.posterior_log_variance_clipped[i], ho.fixedlarge_log_variance[i],
        ]


def normal_kl(mean1, logvar1, mean2, logvar2):
    return 0.5 * (-1.0 + logvar2 - logvar1 + np.exp(logvar1 - logvar2)
                  + (mean1 - mean2) ** 2 * np.exp(-logvar2))


# mpmath -------------------------------------------------------------------------------------

mpmath.mp.dps = 60


def discretised(levels, k, deviation, mean):
    """log P and d log P / d mean, as a difference of lower tails, so that nothing cancels."""
    sigma, half = mpmath.mpf(deviation), mpmath.mpf(1) / (levels - 1)
    centre = mpmath.mpf(-1) + 2 * k * half - mpmath.mpf(mean)
    low = -mpmath.inf if k == 0 else (centre - half) / sigma
    high = mpmath.inf if k == levels - 1 else (centre + half) / sigma
    sign = 1
    if centre > 0:
        low, high, sign = -high, -low, -1

    def cdf(x):
        return mpmath.erfc(-x / mpmath.sqrt(2)) / 2

    def pdf(x):
        return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)

    p = cdf(high) - cdf(low)
    return float(mpmath.log(p)), float(sign * (pdf(low) - pdf(high)) / (sigma * p))


CLEAN = [-1.0, -0.6, 0.2, 0.6, 1.0, 1.0]  # levels of K = 6, which are exact to Float's rounding
NOISE = [0.5, -1.25, 0.0, 2.0, -0.75, 0.25]
OUTPUT = [0.25, -1.0, 0.5, 1.5, -1.5, 1.25]


def bound_rows():
    clean = np.array(CLEAN, dtype=np.float32).astype(np.float64)
    noise, output = np.array(NOISE), np.array(OUTPUT)
    ho = Ho(np.linspace(1e-4, 0.02, 1000))
    for t in (1, 2, 500, 1000):
        i = t - 1
        noisy = ho.sqrt_alphas_cumprod[i] * clean + ho.sqrt_one_minus_alphas_cumprod[i] * noise
        noisy = noisy.astype(np.float32).astype(np.float64)
        for kind in ("epsilon", "clean", "mean", "v"):
            predicted = {
                "epsilon": ho.sqrt_recip_alphas_cumprod[i] * noisy
                - ho.sqrt_recipm1_alphas_cumprod[i] * output,
                "clean": output,
                "mean": None,
                "v": ho.sqrt_alphas_cumprod[i] * noisy
                - ho.sqrt_one_minus_alphas_cumprod[i] * output,
            }[kind]
            if kind == "mean":
                mean = output
            else:
                mean = ho.posterior_mean_coef1[i] * predicted + ho.posterior_mean_coef2[i] * noisy
            for variance in ("fixed_large", "fixed_small"):
                log_variance = (ho.fixedlarge_log_variance if variance == "fixed_large"
                                else ho.posterior_log_variance_clipped)[i]
                if t == 1:
                    deviation = math.exp(0.5 * log_variance)
                    nats = -sum(discretised(6, round((x + 1) / 2 * 5), deviation, m)[0]
                                for x, m in zip(clean, mean))
                else:
                    true_mean = (ho.posterior_mean_coef1[i] * clean
                                 + ho.posterior_mean_coef2[i] * noisy)
                    nats = normal_kl(true_mean, ho.posterior_log_variance_clipped[i],
                                     mean, log_variance).sum()
                yield [t, kind, variance, *map(float, noisy), float(nats)]


def discretised_rows():
    for levels, deviation in ((2, 0.5), (17, 0.05), (256, 0.0074), (256, 1.0), (65536, 0.0074)):
        for k in sorted({0, 1, levels // 3, levels - 1}):
            for mean in (-1 + 2 * k / (levels - 1) + 0.003, -0.35, 0.9, -6.0, 12.0):
                yield [levels, k, deviation, mean, *discretised(levels, k, deviation, mean)]


# diffusers ----------------------------------------------------------------------------------


class Rounded(torch.Tensor):
    """Has correctly rounded square roots; MKL's differ between processors in the last digit."""

    def __pow__(self, exponent):
        if exponent != 0.5:
            return super().__pow__(exponent)
        root = torch.tensor(math.sqrt(self.item()), dtype=torch.float64)
        return root.as_subclass(Rounded)


def scheduler_rows(**arguments):
    scheduler = DDPMScheduler(num_train_timesteps=1000, **arguments)
    for t in (1, 2, 10, 500, 999, 1000):
        yield [t, float(scheduler.betas[t - 1]), float(scheduler.alphas_cumprod[t - 1])]


def step_noise():
    """The noise that DDPMScheduler.step draws from this seed."""
    generator = torch.Generator().manual_seed(7)
    return torch.randn((1, 5), generator=generator, dtype=torch.float64)[0].tolist()


def step_rows():
    noisy = torch.tensor([[0.5, -1.0, 0.125, 1.5, -2.0]], dtype=torch.float64)
    output = torch.tensor([[0.25, -0.75, 0.0, 1.25, -1.5]], dtype=torch.float64)
    for prediction, ours in (("epsilon", "epsilon"), ("sample", "clean"), ("v_prediction", "v")):
        for variance in ("fixed_large", "fixed_small"):
            for clip in (True, False):
                scheduler = DDPMScheduler(
                    num_train_timesteps=1000, beta_start=1e-4, beta_end=0.02,
                    beta_schedule="linear", variance_type=variance,
                    prediction_type=prediction, clip_sample=clip)
                # Its tables in Double: in Float, 1 − ᾱ_2 has but four digits.
                scheduler.betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
                scheduler.alphas = 1.0 - scheduler.betas
                scheduler.alphas_cumprod = torch.cumprod(
                    scheduler.alphas, dim=0).as_subclass(Rounded)
                for t in (1, 2, 500, 1000):
                    step = scheduler.step(
                        output, t - 1, noisy, generator=torch.Generator().manual_seed(7))
                    yield [
                        ours, variance, clip, t, *step.prev_sample[0].tolist(),
                        *step.pred_original_sample[0].tolist()]


def main():
    print(f"""// What other implementations compute, printed by `record.py`: do not edit.
//
// numpy {np.__version__}, mpmath {mpmath.__version__}, torch {torch.__version__},
// diffusers {diffusers.__version__}. Each text is read by `rows(of:)`.
enum RecordedValues {{
  /// The fields of a schedule's step, by Ho's formulas.
  static let stepFields = [
    "t", "beta", "cumulativeAlpha", "posteriorVariance", "clean", "noisy", "logSmall", "logLarge",
  ]

  /// x_t, the raw output and z of `reverseSteps`.
  static let stepNoisy: [Float] = [0.5, -1.0, 0.125, 1.5, -2.0]
  static let stepOutput: [Float] = [0.25, -0.75, 0.0, 1.25, -1.5]
  static let stepNoise: [Float] = {step_noise()}

  /// x_0, of 6 levels, and the raw output of `boundTerms`.
  static let boundClean: [Float] = {CLEAN}
  static let boundOutput: [Float] = {OUTPUT}""")
    table("Linear, 1e-4 to 0.02, T = 1000: `stepFields`.", "linear",
          table_rows(np.linspace(1e-4, 0.02, 1000)))
    table("Cosine, T = 1000: `stepFields`.", "cosine", table_rows(nichol_cosine(1000)))
    table("Cosine, T = 50: `stepFields`.", "shortCosine", table_rows(nichol_cosine(50)))
    table("`DDPMScheduler`, linear, T = 1000, in Float's precision: t, β, ᾱ.", "schedulerLinear",
          scheduler_rows(beta_start=1e-4, beta_end=0.02, beta_schedule="linear"))
    table("`DDPMScheduler`, cosine, T = 1000, in Float's precision: t, β, ᾱ.", "schedulerCosine",
          scheduler_rows(beta_schedule="squaredcos_cap_v2"))
    table("`DDPMScheduler.step`: prediction, variance, clipping, t, x_{t−1} (5), x_0 (5).",
          "reverseSteps", step_rows())
    table("The discretised normal: levels, level, deviation, mean, log P, its derivative.",
          "discretized", discretised_rows())
    table("Terms of the bound, linear, T = 1000: t, prediction, variance, x_t (6), nats.",
          "boundTerms", bound_rows())
    table("Evenly strided steps by `space_timesteps`: T, 10, the 10 network times.", "subsets",
          ([steps, 10, *space_timesteps(steps, 10)] for steps in (10, 50, 1000, 4000)))
    print("}")


main()

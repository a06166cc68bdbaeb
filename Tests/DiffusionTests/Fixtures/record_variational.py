"""Prints RecordedVariational.swift: terms and steps of variational diffusion models by PyTorch.

    pip install torch
    python record_variational.py > RecordedVariational.swift && swift format -i RecordedVariational.swift

Written from the formulas of Kingma et al. (2021), in float64, with derivatives by autograd; nothing is
shared with this project. The decoder is computed from z_0 over all levels, as log_softmax.
"""

import math
import textwrap

import torch

torch.set_default_dtype(torch.float64)


def table(doc, name, rows):
    """One static text; a row is a line of tokens, broken where it is long."""
    print(f"\n  /// {doc}")
    print(f'  static let {name} = """')
    for row in rows:
        tokens = " ".join(f"{x:.16g}" if isinstance(x, float) else str(x) for x in row)
        print(textwrap.fill(tokens, 98, initial_indent="    ", subsequent_indent="      "))
    print('    """')


def alpha_sigma(gamma):
    return torch.sqrt(torch.sigmoid(-gamma)), torch.sqrt(torch.sigmoid(gamma))


def decoder_rows():
    for levels in (2, 17, 256):
        values = -1 + 2 * torch.arange(levels) / (levels - 1)
        for start in (-13.861, -8.3178, -4.0, 0.0, 3.0):
            for level in sorted({0, 1, levels // 3, levels - 1}):
                for noise in (-4.5, -1.0, 0.0, 0.375, 2.5):
                    gamma = torch.tensor(start, requires_grad=True)
                    alpha, sigma = alpha_sigma(gamma)
                    z = alpha * values[level] + sigma * noise
                    logits = -0.5 * torch.exp(-gamma) * (z / alpha - values) ** 2
                    nats = -torch.log_softmax(logits, 0)[level]
                    nats.backward()
                    yield [levels, start, level, noise, nats.item(), gamma.grad.item()]


IMAGE = [-1.0, -0.625, 0.25, 0.625, 1.0, 0.0]


def prior_rows():
    x = torch.tensor(IMAGE)
    for end in (-2.0, 0.5, 5.0, 9.0):
        gamma = torch.tensor(end, requires_grad=True)
        alpha, sigma = alpha_sigma(gamma)
        own = torch.distributions.Normal(alpha * x, sigma.expand_as(x))
        nats = torch.distributions.kl_divergence(own, torch.distributions.Normal(0.0, 1.0)).sum()
        nats.backward()
        yield [end, nats.item(), gamma.grad.item()]


def step_rows():
    """z_s from z_t, the predicted noise, and fresh noise."""
    for low, high in ((-8.3, -8.2), (-2.0, 1.0), (4.0, 5.0), (-13.3, 5.0)):
        s, t = torch.tensor(low), torch.tensor(high)
        (alpha_s, sigma_s), (alpha_t, sigma_t) = alpha_sigma(s), alpha_sigma(t)
        c = -torch.expm1(s - t)
        for z, epsilon, fresh in ((0.5, 0.25, -1.0), (-1.25, -1.5, 0.5), (2.0, 2.0, 1.5)):
            result = alpha_s / alpha_t * (z - sigma_t * c * epsilon) + sigma_s * torch.sqrt(c) * fresh
            x = (z - sigma_t * epsilon) / alpha_t
            yield [low, high, z, epsilon, fresh, x.item(), result.item()]


def coin_rows():
    """The diffusion term of a fair coin x = ±1 with its best denoiser, by the trapezoidal rule.

    E tanh(v + √v ξ) is an integral over a normal; mmse(v) = 1 − it.
    """
    xi = torch.linspace(-12, 12, 4001)
    density = torch.exp(-0.5 * xi**2) / math.sqrt(2 * math.pi)
    def mmse(snr):
        value = torch.tanh(snr + math.sqrt(snr) * xi) * density
        return 1 - torch.trapezoid(value, xi).item()
    for steps in (8, 32, 128, 512):
        total = 0.0
        for i in range(1, steps + 1):
            t, s = (-5 + 10 * i / steps), (-5 + 10 * (i - 1) / steps)
            total += 0.5 * (math.exp(-s) - math.exp(-t)) * mmse(math.exp(-t))
        yield [steps, total]


def main():
    print(f"""// What PyTorch computes, printed by `record_variational.py`: do not edit.
//
// torch {torch.__version__}. Each text is read by `rows(of:)`.
enum RecordedVariational {{
  /// x of the prior's rows.
  static let image: [Float] = [{", ".join(str(x) for x in IMAGE)}]""")
    table("The decoder: levels, γ_0, level, ε, nats, derivative with respect to γ_0.", "decoder",
          decoder_rows())
    table("The prior: γ_1, nats, derivative.", "prior", prior_rows())
    table("A reverse step: γ_s, γ_t, z_t, ε̂, ξ, x̂, z_s.", "steps", step_rows())
    table("A fair coin, γ from -5 to 5: T, the diffusion term.", "coin", coin_rows())
    print("}")


main()

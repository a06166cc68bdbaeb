"""Prints RecordedFlow.swift: log densities of probability flows by SciPy's solve_ivp.

    pip install numpy==2.4.6 scipy==1.17.1
    python record_flow.py > RecordedFlow.swift && swift format -i RecordedFlow.swift

The network is three lines of arithmetic that depend on x_t and on its timestep:

    eps(x, k) = s x + g(k) tanh(A x + b),    g(k) = 0.4 + 0.2 sin(k / 3),    s = sqrt(1 - abar)

Nothing of it is a gradient of a density: A is not symmetric. The flow is written as dx~/dsigma~ =
eps, with log N(x~_T; 0, 1 + sigma~_T^2) plus the integral of the trace; ours is in other variables.
Between two steps, log abar is interpolated by numpy. The right side is integrated from each step to
the next, where its derivative jumps.
"""

import sys

import numpy as np
import scipy
from scipy.integrate import solve_ivp

STEPS, FIRST, LAST = 12, 0.001, 0.6
A = np.array([[0.7, -0.4, 0.2], [0.3, -0.5, 0.6], [-0.1, 0.8, 0.25]])
B = np.array([0.1, -0.2, 0.3])
IMAGES = np.array([
    [0.5, -1.0, 0.125], [0.0, 0.0, 0.0], [-0.75, 0.25, 1.0], [1.0, 1.0, -1.0]])

log_abar = np.cumsum(np.log1p(-np.linspace(FIRST, LAST, STEPS)))
# sigma~ rises with t, and with it 1/abar = 1 + sigma~^2.
levels = np.sqrt(np.expm1(-log_abar))


def right_side(level, state):
    """d(x~, log p)/dsigma~."""
    log_signal = -np.log1p(level * level)
    t = 1 + np.interp(-log_signal, -log_abar, np.arange(STEPS))
    signal, noise = np.exp(log_signal / 2), np.sqrt(-np.expm1(log_signal))
    x = signal * state[:3]
    gain = 0.4 + 0.2 * np.sin((t - 1) / 3)
    hidden = np.tanh(A @ x + B)
    trace = 3 * noise + gain * np.sum((1 - hidden ** 2) * np.diag(A))
    return np.append(noise * x + gain * hidden, signal * trace)


def log_density(image):
    """log p(x~) at the first step."""
    state = np.append(image, 0.0)
    for low, high in zip(levels, levels[1:]):
        solved = solve_ivp(
            right_side, (low, high), state, method="RK45", rtol=1e-11, atol=1e-12)
        assert solved.success
        state = solved.y[:, -1]
    variance = 1 + levels[-1] ** 2
    end = state[:3]
    prior = -0.5 * (3 * np.log(2 * np.pi * variance) + end @ end / variance)
    return [prior + state[3], *(end / np.sqrt(variance))]


def array(values):
    return "[" + ", ".join(f"{x:.12g}" for x in values) + "]"


print("// What SciPy's solve_ivp computes, printed by `record_flow.py`: do not edit.")
print("//")
print(f"// numpy {np.__version__}, scipy {scipy.__version__}.")
print("enum RecordedFlow {")
print("  /// The schedule: linear.")
print(f"  static let (steps, first, last) = ({STEPS}, {FIRST}, {LAST})")
print("  /// A, row by row, and b.")
print(f"  static let matrix = {array(A.ravel())}")
print(f"  static let bias = {array(B)}")
print("  /// x̃ at the first step.")
print("  static let images: [[Double]] = [")
for image in IMAGES:
    print(f"    {array(image)},")
print("  ]")
print("  /// log p(x̃) in nats, and x_T.")
print("  static let values: [[Double]] = [")
for image in IMAGES:
    print(f"    {array(log_density(image))},")
print("  ]")
print("}")
sys.stdout.flush()

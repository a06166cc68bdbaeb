"""Prints RecordedSamplers.swift: whole runs of the schedulers of diffusers.

    pip install torch==2.13.0 diffusers==0.42.1 numpy==2.4.6
    python record_samplers.py > RecordedSamplers.swift && swift format -i RecordedSamplers.swift

A run begins at x_T and ends at x_0, on Ho's linear schedule, for three scalars, without clipping.
The network is a formula, so that another program can ask it too: at a step t its output is

    F(x, t) = 0.8 x - 0.2 sin(x) + 0.1 cos(t / 100)

whatever it stands for: eps, x_0 or v. Times are ours, which count from 1: diffusers' timestep + 1.
All is float64, with tables in float64; diffusers' own are float32, to which it also casts images.
Noise is ours, of image 0: what RandomStream draws for z of step i, where K is the first of K steps
and 1 the last.

Runs are recorded where diffusers computes what the papers say, and each is made once more by the
formulas of the papers, in `sampler_formulas.py`, which must agree:

  - The grids are trailing ones, with K that divides T. For DDPM it is linspace, since at the end of
    a grid that does not visit the first step diffusers adds noise of deviation 1e-10. (linspace of
    the multistep solvers is another grid: K + 1 points, of which the last is left out.)
  - The third order of DPM-Solver++ has half of the second derivative that a Taylor series has, here
    as everywhere. It is recorded as "dpm-solver++-published"; "dpm-solver++" of order 3 is by those
    formulas, with the derivative whole.
  - Euler's and Heun's methods go through Karras' levels, of which diffusers tells the network times
    at which log sigma~ is linear between steps. Here it is told ours, where log abar is. There runs
    are in x~ = x / sqrt(abar); x is recorded.
"""

import itertools
import math
import textwrap

import diffusers
import numpy as np
import torch
from diffusers.schedulers import (
    scheduling_ddpm, scheduling_dpmsolver_multistep, scheduling_euler_discrete,
    scheduling_heun_discrete, scheduling_unipc_multistep)

from sampler_formulas import (
    SEED, START, STEPS, by_formula, levels_by_formula, network, normals, time_of)

SCHEDULE = {
    "num_train_timesteps": STEPS, "beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear"}
PREDICTIONS = {"epsilon": "epsilon", "clean": "sample", "v": "v_prediction"}


class Doubles:
    """torch or numpy, where float32 is float64."""

    def __init__(self, module):
        self.module = module

    def __getattr__(self, name):
        return getattr(self.module, "float64" if name == "float32" else name)


torch.set_default_dtype(torch.float64)
for module in (scheduling_ddpm, scheduling_dpmsolver_multistep, scheduling_euler_discrete,
               scheduling_heun_discrete, scheduling_unipc_multistep):
    module.torch, module.np = Doubles(torch), Doubles(np)


def tensor(x):
    return torch.from_numpy(np.asarray(x, dtype=np.float64))[None]


def run(scheduler, noises=None):
    """x after every step of a scheduler whose x is ours; the network is asked at whole steps."""
    xs = [np.array(START)]
    for i, time in enumerate(scheduler.timesteps):
        noise = {} if noises is None else {"variance_noise": tensor(noises[i])}
        step = scheduler.step(
            tensor(network(xs[-1], int(time) + 1)), time, tensor(xs[-1]), **noise)
        assert step.prev_sample.dtype == torch.float64
        xs.append(step.prev_sample[0].numpy())
    return [int(time) + 1 for time in scheduler.timesteps], xs[1:]


def ancestral(count, spacing):
    scheduler = scheduling_ddpm.DDPMScheduler(
        **SCHEDULE, variance_type="fixed_small", clip_sample=False, timestep_spacing=spacing)
    scheduler.set_timesteps(count)
    steps = iter(range(count, 0, -1))
    scheduling_ddpm.randn_tensor = lambda *_, **__: tensor(normals(next(steps)))
    return run(scheduler)


def dpm_solver(count, order, prediction="epsilon", algorithm="dpmsolver++"):
    scheduler = scheduling_dpmsolver_multistep.DPMSolverMultistepScheduler(
        **SCHEDULE, algorithm_type=algorithm, solver_order=order, solver_type="midpoint",
        prediction_type=PREDICTIONS[prediction], timestep_spacing="trailing",
        lower_order_final=True, final_sigmas_type="zero")
    scheduler.set_timesteps(count)
    return run(scheduler, [normals(i) for i in range(count, 0, -1)])


def uni_pc(count, order):
    """Each x is the predictor's, at which the network is asked next; correcting it comes later."""
    scheduler = scheduling_unipc_multistep.UniPCMultistepScheduler(
        **SCHEDULE, solver_order=order, solver_type="bh2", predict_x0=True,
        timestep_spacing="trailing", lower_order_final=True, final_sigmas_type="zero")
    scheduler.set_timesteps(count)
    return run(scheduler)


def noise_level_run(scheduler, count):
    """Times, levels and x after every step."""
    scheduler.set_timesteps(count)
    scheduler.set_begin_index(0)
    levels = scheduler.sigmas.tolist()
    scaled = tensor(START) * math.hypot(1, levels[0])
    ends = {}
    for i, time in enumerate(scheduler.timesteps):
        level, following = levels[i], levels[i + 1]
        x = scheduler.scale_model_input(scaled, time)[0].numpy()
        scaled = scheduler.step(tensor(network(x, time_of(level))), time, scaled).prev_sample
        assert scaled.dtype == torch.float64
        # Heun's method comes to a level twice, and goes on from the second time.
        ends[following] = scaled[0].numpy() / math.hypot(1, following)
    levels = list(dict.fromkeys(levels[:-1]))
    return [time_of(level) for level in levels], levels, list(ends.values())


def noise_level_runs(count):
    options = {**SCHEDULE, "use_karras_sigmas": True, "timestep_spacing": "linspace"}
    yield "euler", noise_level_run(
        scheduling_euler_discrete.EulerDiscreteScheduler(**options), count)
    yield "heun", noise_level_run(scheduling_heun_discrete.HeunDiscreteScheduler(**options), count)


def table(doc, name, rows):
    """One static text; a row is a line of tokens, broken where it is long."""
    for line in textwrap.wrap(doc, 94):
        print(f"  /// {line}")
    print(f'  static let {name} = """')
    for row in rows:
        tokens = " ".join(f"{x:.16g}" if isinstance(x, float) else str(x) for x in row)
        print(textwrap.fill(
            tokens, 98, initial_indent="    ", subsequent_indent="      ",
            break_on_hyphens=False))
    print('    """')


def runs():
    """Sampler, order, prediction, and the run of diffusers."""
    yield "ancestral", 1, "epsilon", ancestral(10, "linspace")
    for order, count in itertools.product((1, 2, 3), (5, 10, 20)):
        name = "dpm-solver++-published" if order == 3 else "dpm-solver++"
        yield name, order, "epsilon", dpm_solver(count, order)
    for prediction in ("clean", "v"):
        yield "dpm-solver++", 2, prediction, dpm_solver(10, 2, prediction)
    for count in (5, 10, 20):
        yield "sde-dpm-solver++", 2, "epsilon", dpm_solver(
            count, 2, algorithm="sde-dpmsolver++")
    for order, count in itertools.product((1, 2, 3), (5, 10)):
        yield "unipc", order, "epsilon", uni_pc(count, order)


def run_rows():
    for name, order, prediction, (times, xs) in runs():
        formula = by_formula(name, order, times, prediction)
        assert np.abs(np.array(xs) - formula).max() < 1e-10, (name, order, len(times))
        yield [name, order, prediction, len(times), *times, *np.concatenate(xs).tolist()]
        if name == "dpm-solver++-published":
            whole = by_formula("dpm-solver++", order, times)
            yield ["dpm-solver++", order, prediction, len(times), *times,
                   *np.concatenate(whole).tolist()]


def noise_level_rows(count):
    for name, (times, levels, xs) in noise_level_runs(count):
        formula, expected = levels_by_formula(name, count)
        assert np.allclose(levels, formula, rtol=1e-10, atol=0) and len(xs) == count
        assert np.abs(np.array(xs) - expected).max() < 1e-10, name
        yield [name, count, *times, *levels, *np.concatenate(xs).tolist()]


def main():
    print(f"""// What diffusers' schedulers compute, printed by `record_samplers.py`: do not edit.
//
// numpy {np.__version__}, torch {torch.__version__}, diffusers {diffusers.__version__},
// in float64.
enum RecordedSamplers {{
  /// x_T of image 0.
  static let start: [Float] = {START}
  /// The seed of z.
  static let seed: UInt64 = {SEED}
""")
    table("Linear, 1e-4 to 0.02, T = 1000, the output 0.8 x − 0.2 sin x + 0.1 cos(t/100): sampler, "
          "order, prediction, K, the K times, x after each of the K steps (3 each), with unipc "
          "before it is corrected.", "runs", run_rows())
    print()
    table("The same, prediction epsilon, through Karras' levels: sampler, K, the K times, σ̃ of "
          "each, x after each of the K steps (3 each).", "noiseLevelRuns", noise_level_rows(10))
    print()
    table("z of image 0: i, which is K for the first of K steps and 1 for the last, and the first "
          "three.", "noise", ([i, *normals(i).tolist()] for i in (20, 10, 5, 2, 1)))
    print("}")


main()

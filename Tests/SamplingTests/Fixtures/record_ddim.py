"""Prints RecordedDDIM.swift: steps and time grids of diffusers' DDIMScheduler.

    pip install torch==2.13.0 diffusers==0.42.1 numpy==2.4.6
    python record_ddim.py > RecordedDDIM.swift && swift format -i RecordedDDIM.swift

The steps run in float64, with tables in float64 too: diffusers' own are float32. A clipped x_0
gives eps anew (use_clipped_model_output), and the last step ends at abar = 1 (set_alpha_to_one).
Times are ours, which count from 1: diffusers' timestep + 1, and 0 after the last step.

diffusers takes t - T // K for the previous timestep, which is its own grid's only where K divides
T: steps are recorded for such K alone, grids for others too. Rounding of half a step is to even.
"""

import math
import textwrap

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler

STEPS = 1000
NOISY = [0.5, -1.0, 0.125, 1.5, -2.0]
OUTPUT = [0.25, -0.75, 0.0, 1.25, -1.5]
# `stepNoise` of DiffusionTests' record.py, as the Float nearest to each.
NOISE = torch.randn(
    (1, 5), generator=torch.Generator().manual_seed(7), dtype=torch.float64).float()[0].numpy()
PREDICTIONS = {"epsilon": "epsilon", "sample": "clean", "v_prediction": "v"}
GRIDS = ((1000, 10), (1000, 4), (1000, 3), (1000, 7), (50, 20), (10, 10))


class Rounded(torch.Tensor):
    """Has correctly rounded square roots; MKL's differ between processors in the last digit."""

    def __pow__(self, exponent):
        if exponent != 0.5:
            return super().__pow__(exponent)
        root = torch.tensor(math.sqrt(self.item()), dtype=torch.float64)
        return root.as_subclass(Rounded)


def table(doc, name, rows):
    """One static text; a row is a line of tokens, broken where it is long."""
    for line in textwrap.wrap(doc, 94):
        print(f"  /// {line}")
    print(f'  static let {name} = """')
    for row in rows:
        tokens = " ".join(f"{x:.16g}" if isinstance(x, float) else str(x) for x in row)
        print(textwrap.fill(tokens, 98, initial_indent="    ", subsequent_indent="      "))
    print('    """')


def scheduler(prediction, clip):
    """The linear schedule on a trailing grid, with tables in Double."""
    made = DDIMScheduler(
        num_train_timesteps=STEPS, beta_start=1e-4, beta_end=0.02, beta_schedule="linear",
        prediction_type=prediction, clip_sample=clip, clip_sample_range=1.0,
        set_alpha_to_one=True, timestep_spacing="trailing")
    made.betas = torch.linspace(1e-4, 0.02, STEPS, dtype=torch.float64)
    made.alphas = 1.0 - made.betas
    made.alphas_cumprod = torch.cumprod(made.alphas, dim=0).as_subclass(Rounded)
    made.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64).as_subclass(Rounded)
    return made


def step_rows(count):
    """The first step of the grid, the one after its middle and the last."""
    assert STEPS % count == 0, "diffusers steps to its grid's next time only if K divides T."
    noisy, output = (torch.tensor([x], dtype=torch.float64) for x in (NOISY, OUTPUT))
    noise = torch.from_numpy(NOISE.astype(np.float64))[None]
    for prediction, ours in PREDICTIONS.items():
        for clip in (True, False):
            ddim = scheduler(prediction, clip)
            ddim.set_timesteps(count)
            times = [*ddim.timesteps.tolist(), -1]
            for eta in (0.0, 0.5, 1.0):
                for i in (0, count // 2, count - 1):
                    step = ddim.step(
                        output, times[i], noisy, eta=eta, use_clipped_model_output=True,
                        variance_noise=noise)
                    assert step.prev_sample.dtype == torch.float64
                    yield [
                        count, times[i] + 1, times[i + 1] + 1, ours, eta, clip,
                        *step.prev_sample[0].tolist(), *step.pred_original_sample[0].tolist()]


def grid_rows(spacing):
    for steps, count in GRIDS:
        ddim = DDIMScheduler(
            num_train_timesteps=steps, timestep_spacing=spacing, steps_offset=0)
        ddim.set_timesteps(count)
        times = (ddim.timesteps + 1).tolist()
        assert len(times) == count
        yield [steps, count, *times]


def main():
    print(f"""// What diffusers' DDIMScheduler computes, printed by `record_ddim.py`: do not edit.
//
// numpy {np.__version__}, torch {torch.__version__}, diffusers {diffusers.__version__},
// in float64.
enum RecordedDDIM {{
  /// x_t, the raw output and z of `steps`.
  static let stepNoisy: [Float] = {NOISY}
  static let stepOutput: [Float] = {OUTPUT}
  static let stepNoise: [Float] = [{", ".join(map(str, NOISE))}]
""")
    table("Linear, 1e-4 to 0.02, T = 1000, trailing grids: K, t, the time stepped to, prediction, "
          "η, clipping, x of that time (5), x_0 as used (5).", "steps",
          (row for count in (10, 4) for row in step_rows(count)))
    print()
    table("Trailing grids: T, K, the K times in the order of sampling.", "trailingGrids",
          grid_rows("trailing"))
    print()
    table("Leading grids, whose offset is 0: T, K, the K times in the order of sampling.",
          "leadingGrids", grid_rows("leading"))
    print("}")


main()

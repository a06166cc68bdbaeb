"""What launch/compare.sh measures: the work, who does it, and the ratio that is asked for."""

import dataclasses
import pathlib
import re
from collections.abc import Callable

from competitors import (
    BFLOAT16, CHANNELS_LAST, CHECKPOINTED, COMPILED, COMPILED_BFLOAT16, EAGER, EAGER_BFLOAT16,
    EXTENSION, EXTENSION_BFLOAT16, FLOAT32, ONE_RANK, OPENVINOS, OPENVINOS_BFLOAT16, OURS,
    OURS_BFLOAT16, OURS_LESS, OURS_NORMAL, TWO_RANKS, WITHOUT_MPIRUN, Competitor, pytorch,
)  # fmt: skip

ROOT = pathlib.Path(__file__).resolve().parents[2]

CORES = 2
"""The cores that every speed is measured on, as worker threads or as ranks."""


@dataclasses.dataclass(frozen=True)
class Quantity:
    """What of a round is compared."""

    unit: str
    more_is_better: bool
    of: Callable[[dict, int], float]
    """Its value in a competitor's answer to a round, and the steps of the round."""


THROUGHPUT = Quantity("images/s", True, lambda answer, steps: answer["images"] / answer["seconds"])
RATE = Quantity("steps/s", True, lambda answer, steps: steps / answer["seconds"])
MEMORY = Quantity("GB", False, lambda answer, steps: answer["peak_memory_bytes"] / 1e9)
SECONDS = Quantity("s", False, lambda answer, steps: answer["seconds"])


@dataclasses.dataclass(frozen=True)
class Bar:
    """A ratio, ours/theirs, that must be reached, and one that we aim at."""

    against: str
    others: tuple[Competitor, ...]
    """The best of these counts; none: our figure itself must reach the bar."""
    bar: float
    aim: float
    ours: tuple[Competitor, ...] = (OURS,)
    """The best of these counts."""


@dataclasses.dataclass(frozen=True)
class Measure:
    """Work that several competitors do in turn."""

    name: str
    title: str
    part: str
    """step, evaluation, sampling or start-up: what programs.py knows to start."""
    configuration: str
    images: str
    """Rows x columns x channels."""
    batch: int
    """Images of a step for each rank, or of a program that draws."""
    steps: int
    """Of a round: enough for a second or so; of sampling, the sampler's."""
    workers: int
    """Threads of a process."""
    ours: tuple[Competitor, ...]
    """The first is what the table's ratios are of; of some rows a bar takes the fastest."""
    peers: tuple[Competitor, ...]
    bars: tuple[Bar, ...]
    quantity: Quantity = THROUGHPUT
    shard_for_each_worker: bool = False
    """Whether our batch is cut into as many shards as threads work on it; else as the configuration
    says. Eight images a core are one shard of eight then, and not eight of one image."""
    settings: tuple[str, ...] = ()
    """Settings beside the configuration's, ours and the peers'."""
    needs: str = ""
    """The files that preparation.py makes for it: their kind."""
    is_large: bool = False
    """Whether two programs at a time could take more memory than there is: each runs all its rounds
    alone then."""
    is_default: bool = True
    """Whether it is measured where nothing is said."""


def large_measures(configurations: pathlib.Path = ROOT / "configs") -> tuple[Measure, ...]:
    """One for each configuration of large images that there is, as large64.yaml of 64x64 pixels."""
    sizes = {
        int(found[1]): path.name
        for path in configurations.glob("large*.yaml")
        if (found := re.fullmatch(r"large(\d+)\.yaml", path.name))
    }
    return tuple(
        Measure(
            f"large{size}",
            f"Training step, images of {size}x{size} pixels",
            "step", name, f"{size}x{size}x3", batch=1, steps=1, workers=CORES,
            # Their configurations say less, which recomputes as none of the peers but one.
            ours=(OURS_NORMAL, OURS_LESS), peers=(*FLOAT32, CHECKPOINTED, *BFLOAT16), bars=(),
            # The loss of the others, which the peers have.
            shard_for_each_worker=True, settings=("variance=fixed_large", "objective=simple"),
            is_large=True, is_default=False,
        )
        for size, name in sorted(sizes.items())
    )  # fmt: skip


BEST = "the best mode of PyTorch"
BEST_FLOAT32 = "the best Float32 mode of PyTorch and of Intel's extension"
BEST_BFLOAT16 = "the best bfloat16 mode of PyTorch and of Intel's extension"
ALL = (*FLOAT32, *BFLOAT16)
EITHER = (OURS, OURS_BFLOAT16)
"""Ours against those in bfloat16: the faster one."""

SAMPLERS = (
    pytorch("eager, batch 64", "eager", batch=64),
    pytorch("eager, batch 256", "eager", batch=256),
    pytorch("channels last, batch 64", "channels-last", batch=64),
    pytorch("channels last, batch 256", "channels-last", batch=256),
    pytorch("compiled, batch 256", "channels-last+compiled", batch=256),
)
SMALLEST = (EAGER, CHANNELS_LAST, EAGER_BFLOAT16)

MEASURES = (
    Measure(
        "cifar10-step",
        "Training step, CIFAR-10 UNet",
        "step", "cifar10.yaml", "32x32x3", batch=16, steps=1, workers=CORES,
        ours=EITHER, peers=(*ALL, EXTENSION, EXTENSION_BFLOAT16),
        shard_for_each_worker=True,
        bars=(
            Bar(BEST_FLOAT32, (*FLOAT32, EXTENSION), 2.4, aim=2.6),
            Bar(BEST_BFLOAT16, (*BFLOAT16, EXTENSION_BFLOAT16), 1.3, aim=1.8, ours=EITHER),
        ),
    ),
    Measure(
        "cifar10-evaluation",
        "Evaluation of the network (sampling), CIFAR-10 UNet",
        "evaluation", "cifar10.yaml", "32x32x3", batch=16, steps=2, workers=CORES,
        ours=EITHER,
        peers=(*ALL, EXTENSION, EXTENSION_BFLOAT16, *OPENVINOS, *OPENVINOS_BFLOAT16),
        bars=(
            Bar(
                f"{BEST_FLOAT32}, and OpenVINO", (*FLOAT32, EXTENSION, *OPENVINOS), 2.3, aim=2.4
            ),
            Bar(
                f"{BEST_BFLOAT16}, and OpenVINO",
                (*BFLOAT16, EXTENSION_BFLOAT16, *OPENVINOS_BFLOAT16), 1.35, aim=1.8, ours=EITHER,
            ),
        ),
    ),
    Measure(
        "digits-step",
        "Training step, digits",
        "step", "digits.yaml", "8x8x1", batch=128, steps=20, workers=CORES,
        ours=EITHER, peers=ALL, bars=(Bar(BEST, ALL, 3.2, aim=5.0, ours=EITHER),),
    ),
    Measure(
        "mnist-step",
        "Training step, MNIST",
        "step", "mnist.yaml", "28x28x1", batch=64, steps=6, workers=CORES,
        ours=EITHER, peers=ALL, bars=(Bar(BEST, ALL, 3.0, aim=4.0, ours=EITHER),),
    ),
    Measure(
        "class-step",
        "Training step, MNIST with classes",
        "step", "mnist.yaml", "28x28x1", batch=64, steps=6, workers=CORES,
        ours=EITHER, peers=ALL, bars=(Bar(BEST, ALL, 2.5, aim=3.5, ours=EITHER),),
        settings=("condition=class",),
    ),
    Measure(
        "text-step",
        "Training step, scenes of digits with captions",
        "step", "digit-scenes.yaml", "16x16x1", batch=64, steps=6, workers=CORES,
        ours=EITHER, peers=ALL, bars=(Bar(BEST, ALL, 2.5, aim=3.5, ours=EITHER),),
        needs="scenes",
    ),
    Measure(
        "sampling",
        "256 samples of MNIST by 20 steps of DPM-Solver++, the whole program",
        "sampling", "mnist.yaml", "28x28x1", batch=256, steps=20, workers=CORES,
        ours=(OURS,), peers=SAMPLERS, bars=(Bar("the fastest of diffusers", SAMPLERS, 3.0, aim=5.0),),
        needs="mnist",
    ),
    Measure(
        "vae-step",
        "Training step, variational autoencoder of MNIST",
        "step", "mnist-vae.yaml", "28x28x1", batch=128, steps=100, workers=CORES,
        ours=(OURS,), peers=(EAGER, COMPILED, EAGER_BFLOAT16, COMPILED_BFLOAT16),
        bars=(
            Bar(BEST, (EAGER, COMPILED, EAGER_BFLOAT16, COMPILED_BFLOAT16), 3.0, aim=3.0),
        ),
    ),
    Measure(
        "cifar10-scaling",
        "Weak scaling of a training step, CIFAR-10 UNet",
        "step", "cifar10.yaml", "32x32x3", batch=8, steps=1, workers=1,
        ours=(TWO_RANKS,), peers=(ONE_RANK,),
        shard_for_each_worker=True,
        bars=(Bar("1 rank (efficiency)", (ONE_RANK,), 0.96, aim=0.98, ours=(TWO_RANKS,)),),
        quantity=RATE,
    ),
    Measure(
        "cifar10-memory",
        "Peak memory of a process that trains, CIFAR-10 UNet",
        "step", "cifar10.yaml", "32x32x3", batch=8, steps=1, workers=1,
        ours=(OURS, OURS_LESS), peers=(*SMALLEST, CHECKPOINTED),
        shard_for_each_worker=True,
        bars=(
            Bar("PyTorch's smallest process", SMALLEST, 0.7, aim=0.6),
            Bar(
                "PyTorch's smallest process without recomputation", SMALLEST, 0.5, aim=0.35,
                ours=(OURS_LESS,),
            ),
        ),
        quantity=MEMORY,
    ),
    Measure(
        "start-up",
        "From the start of a program that trains to its first step, CIFAR-10 UNet",
        "start-up", "cifar10.yaml", "32x32x3", batch=2, steps=4, workers=CORES,
        ours=(OURS, WITHOUT_MPIRUN), peers=(EAGER,), bars=(Bar("", (), 1.5, aim=0.7),),
        quantity=SECONDS, needs="cifar10",
    ),
    *large_measures(),
)  # fmt: skip

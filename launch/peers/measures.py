"""What launch/compare.sh measures: the work, who does it, and the ratio that is asked for."""

import dataclasses
import pathlib
from collections.abc import Callable

ROOT = pathlib.Path(__file__).resolve().parents[2]

CORES = 2
"""The cores that every speed is measured on, as worker threads or as ranks."""


@dataclasses.dataclass(frozen=True)
class Competitor:
    """One program in one mode; a measure compares its first with the others."""

    name: str
    mode: str | None = None
    """A mode of pytorch_peer.py; None: ddpm-dist."""
    ranks: int = 1


OURS = Competitor("ddpm-dist")
ONE_RANK = Competitor("ddpm-dist, 1 rank")
TWO_RANKS = Competitor("ddpm-dist, 2 ranks", ranks=2)
EAGER = Competitor("PyTorch", mode="eager")
CHANNELS_LAST = Competitor("PyTorch, channels last", mode="channels-last")
COMPILED = Competitor("PyTorch, compiled", mode="compile")
BFLOAT16 = Competitor("PyTorch, bfloat16 autocast", mode="bfloat16")
FLOAT32 = (EAGER, CHANNELS_LAST, COMPILED)


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


@dataclasses.dataclass(frozen=True)
class Bar:
    """A ratio, ours/theirs, that must be reached, and one that we aim at."""

    against: str
    others: tuple[Competitor, ...]
    """The best of these counts."""
    bar: float
    aim: float


@dataclasses.dataclass(frozen=True)
class Measure:
    """Work that several competitors do in turn."""

    name: str
    title: str
    part: str
    """step or evaluation."""
    configuration: str
    images: str
    """Rows x columns x channels."""
    batch: int
    """Images of a step, for each rank."""
    steps: int
    """Of a round: enough for a second or so."""
    workers: int
    """Threads of a process."""
    competitors: tuple[Competitor, ...]
    bars: tuple[Bar, ...]
    quantity: Quantity = THROUGHPUT
    shard_for_each_worker: bool = False
    """Whether our batch is cut into as many shards as threads work on it; else as the configuration
    says. Eight images a core are one shard of eight then, and not eight of one image."""

    def command(self, competitor: Competitor, python: str) -> list[str]:
        """What starts a competitor, as a program that paced.py can drive."""
        size = ["--config", str(ROOT / "configs" / self.configuration)]
        size += ["--images", self.images, "--batch", str(self.batch * competitor.ranks)]
        size += ["--workers", str(self.workers), "--steps", str(self.steps), "--parts", self.part]
        if competitor.mode is None:
            run = [str(ROOT / "launch" / "run.sh"), str(competitor.ranks)]
            if self.shard_for_each_worker:
                size += ["--set", f"shards={competitor.ranks * self.workers}"]
            return [*run, "benchmark", "--paced", *size]
        peer = pathlib.Path(__file__).with_name("pytorch_peer.py")
        return [python, str(peer), "--mode", competitor.mode, *size]


def float32_bar(bar: float, aim: float) -> Bar:
    return Bar("PyTorch's best Float32 mode", FLOAT32, bar, aim)


MEASURES = (
    Measure(
        "cifar10-step",
        "Training step, CIFAR-10 UNet",
        "step", "cifar10.yaml", "32x32x3", batch=16, steps=1, workers=CORES,
        competitors=(OURS, *FLOAT32, BFLOAT16),
        shard_for_each_worker=True,
        bars=(
            float32_bar(2.0, aim=2.5),
            Bar("PyTorch's bfloat16 autocast", (BFLOAT16,), 1.2, aim=1.5),
        ),
    ),
    Measure(
        "cifar10-evaluation",
        "Evaluation of the network (sampling), CIFAR-10 UNet",
        "evaluation", "cifar10.yaml", "32x32x3", batch=16, steps=2, workers=CORES,
        competitors=(OURS, *FLOAT32),
        bars=(float32_bar(2.0, aim=2.5),),
    ),
    Measure(
        "digits-step",
        "Training step, digits",
        "step", "digits.yaml", "8x8x1", batch=128, steps=20, workers=CORES,
        competitors=(OURS, *FLOAT32),
        bars=(float32_bar(3.0, aim=5.0),),
    ),
    Measure(
        "mnist-step",
        "Training step, MNIST",
        "step", "mnist.yaml", "28x28x1", batch=64, steps=6, workers=CORES,
        competitors=(OURS, *FLOAT32),
        bars=(float32_bar(2.0, aim=3.0),),
    ),
    Measure(
        "vae-step",
        "Training step, variational autoencoder of MNIST",
        "step", "mnist-vae.yaml", "28x28x1", batch=128, steps=100, workers=CORES,
        competitors=(OURS, EAGER, COMPILED, BFLOAT16),
        bars=(Bar("PyTorch's best mode", (EAGER, COMPILED, BFLOAT16), 3.0, aim=3.0),),
    ),
    Measure(
        "cifar10-scaling",
        "Weak scaling of a training step, CIFAR-10 UNet",
        "step", "cifar10.yaml", "32x32x3", batch=8, steps=1, workers=1,
        competitors=(TWO_RANKS, ONE_RANK),
        shard_for_each_worker=True,
        bars=(Bar("1 rank (efficiency)", (ONE_RANK,), 0.93, aim=0.97),),
        quantity=RATE,
    ),
    Measure(
        "cifar10-memory",
        "Peak memory of a process that trains, CIFAR-10 UNet",
        "step", "cifar10.yaml", "32x32x3", batch=8, steps=1, workers=1,
        competitors=(OURS, EAGER, CHANNELS_LAST),
        shard_for_each_worker=True,
        bars=(Bar("PyTorch's smaller process", (EAGER, CHANNELS_LAST), 1.0, aim=0.6),),
        quantity=MEMORY,
    ),
)  # fmt: skip

"""The arithmetic of a comparison: spreads over rounds, ratios within rounds, and verdicts.

A ratio is ours/theirs of one round, in which both ran one after the other: what slows the machine
down for minutes slows both, and cancels.
"""

import dataclasses
import statistics


@dataclasses.dataclass(frozen=True)
class Spread:
    """The least, the median and the greatest of some values."""

    minimum: float
    median: float
    maximum: float

    @staticmethod
    def of(values: list[float]) -> "Spread":
        return Spread(min(values), statistics.median(values), max(values))


def ratios(ours: list[float], theirs: list[float]) -> list[float]:
    """Ours/theirs of each round."""
    return [our / their for our, their in zip(ours, theirs, strict=True)]


def reaches(ratio: float, goal: float, more_is_better: bool) -> bool:
    """Is a ratio as good as the goal, or better?"""
    return ratio >= goal if more_is_better else ratio <= goal


def rotated(names: list[str], round_: int) -> list[str]:
    """The order of a round: each name comes first equally often."""
    start = round_ % len(names)
    return names[start:] + names[:start]

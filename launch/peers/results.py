"""What a measure found: the values of each competitor, and whether its bars are reached."""

import dataclasses

from measures import Bar, Measure
from ratios import Spread, best, ratios, reaches


@dataclasses.dataclass
class Outcome:
    """What one competitor did."""

    values: list[float] = dataclasses.field(default_factory=list)
    """The measure's quantity in each round; empty where it did not take part."""
    peak_memory_bytes: int = 0
    remark: str = ""
    """Why it did not take part, as a clause; else empty."""
    ceiling: float | None = None
    """What the quantity is surely less than, where it was too slow to take part."""


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How ours did against the best of some others."""

    bar: Bar
    best: str
    """The name of the best; empty where none was measured."""
    ratio: Spread | None = None
    """Ours/theirs, within rounds; None where none was measured."""
    floor: float | None = None
    """What the ratio is surely more than, where the others were too slow to be measured."""
    met: bool = False
    aim_met: bool = False


@dataclasses.dataclass
class Result:
    """What a measure found."""

    measure: Measure
    parameters: int = 0
    outcomes: dict[str, Outcome] = dataclasses.field(default_factory=dict)

    @property
    def ours(self) -> Outcome:
        return self.outcomes[self.measure.competitors[0].name]

    def ratio(self, name: str) -> Spread | None:
        """Ours/theirs, within rounds; None where they did not take part."""
        outcome = self.outcomes[name]
        if outcome is self.ours or not outcome.values:
            return None
        return Spread.of(ratios(self.ours.values, outcome.values))

    def verdicts(self) -> list[Verdict]:
        """One for each bar, in the measure's order."""
        return [self._verdict(bar) for bar in self.measure.bars]

    def _verdict(self, bar: Bar) -> Verdict:
        more = self.measure.quantity.more_is_better
        others = {other.name: self.outcomes[other.name] for other in bar.others}
        measured = {name: outcome.values for name, outcome in others.items() if outcome.values}
        if measured:
            name = best(measured, more)
            ratio = self.ratio(name)
            median = ratio.median
            return Verdict(
                bar, name, ratio=ratio,
                met=reaches(median, bar.bar, more), aim_met=reaches(median, bar.aim, more),
            )  # fmt: skip
        ceilings = [outcome.ceiling for outcome in others.values() if outcome.ceiling]
        if not ceilings:
            return Verdict(bar, "")
        floor = Spread.of(self.ours.values).median / max(ceilings)
        return Verdict(
            bar, "", floor=floor,
            met=reaches(floor, bar.bar, more), aim_met=reaches(floor, bar.aim, more),
        )  # fmt: skip

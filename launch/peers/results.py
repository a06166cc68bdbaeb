"""What a measure found: the values of each competitor, and whether its bars are reached."""

import dataclasses
import statistics

from competitors import Competitor
from measures import Bar, Measure
from ratios import Spread, ratios, reaches


@dataclasses.dataclass
class Outcome:
    """What one competitor did."""

    values: list[float] = dataclasses.field(default_factory=list)
    """The measure's quantity in each round; empty where it did not take part."""
    beside: dict[str, list[float]] = dataclasses.field(default_factory=dict)
    """Of a peer: the values of ours, by their names, in the same rounds."""
    peak_memory_bytes: int = 0
    remark: str = ""
    """Why it did not take part, as a clause; else empty."""
    ceiling: float | None = None
    """What the quantity is surely less than, where it was too slow to take part."""

    def ratio(self, ours: str) -> Spread | None:
        """Ours/theirs, within rounds; None where one of them did not take part."""
        if not self.values or not self.beside.get(ours):
            return None
        return Spread.of(ratios(self.beside[ours], self.values))


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How the best of some of ours did against the best of some others."""

    bar: Bar
    ours: str = ""
    """The name of the best of ours; empty where none was measured."""
    best: str = ""
    """The name of the best of the others; empty where none was measured."""
    ratio: Spread | None = None
    """Ours/theirs, within rounds, or our figure where there are no others; None where none was
    measured."""
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

    def outcome(self, competitor: Competitor) -> Outcome:
        return self.outcomes[competitor.name]

    def ratio(self, name: str) -> Spread | None:
        """The first of ours/theirs, within rounds; None where they did not take part."""
        return self.outcomes[name].ratio(self.measure.ours[0].name)

    def verdicts(self) -> list[Verdict]:
        """One for each bar, in the measure's order."""
        return [self._verdict(bar) for bar in self.measure.bars]

    def _verdict(self, bar: Bar) -> Verdict:
        # Of each of ours the hardest of the others counts, and then that of ours which does best.
        found = [verdict for ours in bar.ours if (verdict := self._of(bar, ours))]
        sign = 1 if self.measure.quantity.more_is_better else -1
        key = lambda verdict: sign * (verdict.ratio.median if verdict.ratio else verdict.floor)  # noqa: E731
        return max(found, key=key, default=Verdict(bar))

    def _of(self, bar: Bar, ours: Competitor) -> Verdict | None:
        more, own = self.measure.quantity.more_is_better, self.outcome(ours)
        if not own.values:
            return None

        def judged(best: str, ratio: Spread | None, floor: float | None = None) -> Verdict:
            value = ratio.median if ratio else floor
            return Verdict(
                bar, ours.name, best, ratio, floor,
                met=reaches(value, bar.bar, more), aim_met=reaches(value, bar.aim, more),
            )  # fmt: skip

        if not bar.others:
            return judged("", Spread.of(own.values))
        spreads = {other.name: self.outcome(other).ratio(ours.name) for other in bar.others}
        spreads = {name: spread for name, spread in spreads.items() if spread}
        if spreads:
            choose = min if more else max
            name = choose(spreads, key=lambda name: spreads[name].median)
            return judged(name, spreads[name])
        ceilings = [c for other in bar.others if (c := self.outcome(other).ceiling)]
        if not ceilings:
            return None
        return judged("", None, statistics.median(own.values) / max(ceilings))

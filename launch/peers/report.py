"""Results as text for a terminal, as Markdown for docs/performance.md, and as JSON."""

import json
import math

from measures import Measure
from ratios import Spread
from results import Result, Verdict


def figures(value: float) -> str:
    """Three significant digits or more, without an exponent."""
    digits = 2 - math.floor(math.log10(abs(value))) if value else 0
    return f"{value:.{max(0, digits)}f}"


def heading(measure: Measure) -> str:
    """The work, in words."""
    each = " a rank" if any(c.ranks > 1 for c in measure.ours) else ""
    threads = "1 thread" if measure.workers == 1 else f"{measure.workers} threads"
    if each:
        threads += each
    if measure.part == "sampling":
        return f"{measure.title}: {threads}"
    return f"{measure.title}: batch {measure.batch}{each}, {threads}"


def table(result: Result) -> list[list[str]]:
    """Head and rows: who, spread of the quantity, peak memory, spread of the ratio."""
    quantity = result.measure.quantity
    rows = [
        ["", f"{quantity.unit} min", "median", "max", "memory GB", "ratio min", "median", "max"]
    ]
    for name, outcome in result.outcomes.items():
        if not outcome.values:
            rows.append([name, outcome.remark])
            continue
        spread = Spread.of(outcome.values)
        ratio = result.ratio(name)
        row = [name, *map(figures, (spread.minimum, spread.median, spread.maximum))]
        row.append(figures(outcome.peak_memory_bytes / 1e9))
        row += map(figures, (ratio.minimum, ratio.median, ratio.maximum)) if ratio else [""] * 3
        rows.append(row)
    return rows


def sentence(verdict: Verdict, measure: Measure) -> str:
    """A verdict in words."""
    bar, quantity = verdict.bar, measure.quantity
    unit = "" if bar.others else f" {quantity.unit}"
    limit = "at least" if quantity.more_is_better else "at most"
    head = f"Against {bar.against}" if bar.others else verdict.ours or bar.ours[0].name
    if verdict.best and len(bar.others) > 1:
        head += f" ({verdict.best})"
    if verdict.ours and len(bar.ours) > 1:
        head = f"{verdict.ours}, a{head[1:]}"
    goals = (
        f"the bar is {limit} {bar.bar:g}{unit} ({'met' if verdict.met else 'missed'}), "
        f"the aim {bar.aim:g}{unit} ({'met' if verdict.aim_met else 'missed'})"
    )
    if verdict.ratio:
        ratio = verdict.ratio
        return (
            f"{head}: {figures(ratio.median)}{unit} "
            f"({figures(ratio.minimum)} to {figures(ratio.maximum)}); {goals}."
        )
    if verdict.floor:
        return f"{head}: more than {figures(verdict.floor)}; {goals}."
    own = "" if bar.ours[0] == measure.ours[0] else f"{bar.ours[0].name}, against {bar.against}"
    return f"{own or head}: not measured; the bar is {limit} {bar.bar:g}{unit}, the aim {bar.aim:g}{unit}."


def sentences(result: Result) -> list[str]:
    return [sentence(verdict, result.measure) for verdict in result.verdicts()]


def text(result: Result) -> str:
    """For a terminal."""
    rows = table(result)
    full = [row for row in rows if len(row) == len(rows[0])]
    first = max(len(row[0]) for row in rows)
    widths = [max(len(row[i]) for row in full) for i in range(1, len(rows[0]))]
    lines = [heading(result.measure)]
    for name, *cells in rows:
        padded = [cells[0]] if len(cells) == 1 else map(str.rjust, cells, widths)
        lines.append("  ".join([f"  {name:<{first}}", *padded]).rstrip())
    return "\n".join(lines + [f"  {line}" for line in sentences(result)])


def facts(machine: dict[str, str]) -> str:
    """What the numbers depend on, in a line."""
    return "; ".join(f"{name} {value}".strip() for name, value in machine.items())


def markdown(machine: dict[str, str], rounds: int, results: list[Result]) -> str:
    """A section for each measure, below the machine."""
    parts = [f"{facts(machine)}; {rounds} rounds."]
    for result in results:
        head, *rows = table(result)
        lines = [f"### {heading(result.measure)}", ""]
        lines.append("| " + " | ".join(head) + " |")
        lines.append("| --- |" + " ---: |" * (len(head) - 1))
        for row in rows:
            lines.append("| " + " | ".join(row + [""] * (len(head) - len(row))) + " |")
        lines += ["", *(f"- {line}" for line in sentences(result))]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def as_json(
    machine: dict[str, str], rounds: int, results: list[Result], quality: dict | None = None
) -> str:
    """Everything, with the value of each round."""

    def spread(value: Spread | None) -> dict | None:
        return vars(value) if value else None

    def verdict(value: Verdict) -> dict:
        goals = {"against": value.bar.against, "bar": value.bar.bar, "aim": value.bar.aim}
        found = {"ours": value.ours, "best": value.best, "more_than": value.floor}
        # Where there is nobody to be compared with, our figure itself.
        key = "ratio" if value.bar.others else "figure"
        found[key] = spread(value.ratio)
        return goals | found | {"met": value.met, "aim_met": value.aim_met}

    def measured(result: Result) -> dict:
        measure = result.measure
        return {
            "name": measure.name,
            "work": heading(measure),
            "parameters": result.parameters,
            "unit": measure.quantity.unit,
            "competitors": [
                {"name": name, **vars(outcome), "ratio": spread(result.ratio(name))}
                for name, outcome in result.outcomes.items()
            ],
            "bars": [verdict(value) for value in result.verdicts()],
        }

    whole = {"machine": machine, "rounds": rounds, "measures": [measured(r) for r in results]}
    if quality:
        whole["quality"] = quality
    return json.dumps(whole, indent=2) + "\n"

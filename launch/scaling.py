#!/usr/bin/env python3
"""Fits the cost of the gradient exchange to measurements, and says what it is on more ranks.

    launch/scaling.py                                  the table of docs/scaling.md
    launch/scaling.py --fit two.json four.json         alpha and beta of what was measured
    launch/scaling.py --rates 10 200 --ranks 16 256 --alpha 5e-6

The files are those of `ddpm-dist benchmark --parts exchange --json FILE` on two or more ranks.
docs/scaling.md explains the model. Needs nothing but Python.
"""

import argparse
import json
import math
import pathlib
from typing import NamedTuple

BLOCK = 4096
"""Parameters of a block: the ranks' parts are whole blocks (ParameterPartition)."""
FLOAT = 4
"""Bytes of a parameter."""
PAYLOAD = 1448 / 1538
"""What TCP carries of an Ethernet's rate in packets of 1500 bytes, with preamble and gap."""


class Half(NamedTuple):
    """What one half of the exchange, a reduce or a gather, asks of the busiest rank."""

    messages: int
    """It sends (or receives) so many, one to each other rank and bucket."""
    bytes: int
    """They hold so much."""


class Point(NamedTuple):
    """A measured half."""

    half: Half
    seconds: float
    name: str


class Fit(NamedTuple):
    """What a message and a byte cost."""

    alpha: float
    """Seconds a message."""
    beta: float
    """Seconds a byte."""

    def seconds(self, half: Half) -> float:
        """The model: one after the other."""
        return self.alpha * half.messages + self.beta * half.bytes

    def least(self, half: Half) -> float:
        """Where the cores handle messages while the link carries others."""
        return max(self.alpha * half.messages, self.beta * half.bytes)


def trainers_bucket(ranks: int) -> int:
    """The bytes of the trainer's buckets (GradientExchange)."""
    return max(4 << 20, ranks * (48 << 10))


def half(parameters: int, ranks: int, bucket: int | None = None) -> Half:
    """The messages and bytes of the rank that owns most; the gather is the reduce backwards."""
    bucket = bucket or trainers_bucket(ranks)
    blocks = math.ceil(parameters / BLOCK)
    per_bucket = max(bucket // (BLOCK * FLOAT), 1)
    buckets = math.ceil(blocks / per_bucket)
    last = blocks - (buckets - 1) * per_bucket
    short = blocks * BLOCK - parameters  # what the last block lacks

    def owned(rank: int, count: int) -> int:
        return count * (rank + 1) // ranks - count * rank // ranks

    most = max(
        BLOCK * ((buckets - 1) * owned(rank, per_bucket) + owned(rank, last))
        - (short if rank == ranks - 1 else 0)
        for rank in range(ranks)
    )
    return Half((ranks - 1) * buckets, (ranks - 1) * most * FLOAT)


def fit(points: list[Point]) -> Fit:
    """The least sum of squared relative errors, with alpha and beta not below zero."""
    rows = [(p.half.messages / p.seconds, p.half.bytes / p.seconds) for p in points]
    uu, vv = sum(u * u for u, _ in rows), sum(v * v for _, v in rows)
    uv, u1, v1 = sum(u * v for u, v in rows), sum(u for u, _ in rows), sum(v for _, v in rows)
    determinant = uu * vv - uv * uv
    if determinant <= 1e-12 * uu * vv:
        return Fit(0.0, v1 / vv)
    alpha, beta = (u1 * vv - v1 * uv) / determinant, (v1 * uu - u1 * uv) / determinant
    if alpha < 0:
        return Fit(0.0, v1 / vv)
    if beta < 0:
        return Fit(u1 / uu, 0.0)
    return Fit(alpha, beta)


def benchmark_points(report: dict) -> list[Point]:
    """The exchange in a report of `ddpm-dist benchmark`."""
    ranks, exchange = report["ranks"], report["parts"]["exchange"]
    if ranks < 2:
        raise SystemExit("scaling.py: a report of one rank says nothing about the exchange.")
    points = [
        Point(half(exchange["buffer_bytes"] // FLOAT, ranks), o["seconds"]["median"],
              f"{ranks} ranks, {o['operation']}")
        for o in exchange["operations"] if o["operation"] in ("reduce", "gather")
    ]  # fmt: skip
    for sweep in exchange["sweeps"]:
        for point in sweep["points"]:
            points.append(
                Point(Half(ranks - 1, point["bytes"]), point["seconds"],
                      f"{ranks} ranks, {sweep['operation']}")
            )  # fmt: skip
    return points


def print_fit(files: list[pathlib.Path]) -> None:
    points = [p for file in files for p in benchmark_points(json.loads(file.read_text()))]
    # The halves behave differently where long messages are announced: docs/scaling.md.
    halves = {
        "adding (reduce, all-to-all)": [p for p in points if not p.name.endswith("gather")],
        "spreading (gather, all-gather)": [p for p in points if p.name.endswith("gather")],
    }
    for title, measured in halves.items():
        found = fit(measured)
        rate = f"{8e-9 / found.beta:.3g} Gbit/s" if found.beta else "any rate"
        print(f"{title}: alpha = {found.alpha * 1e6:.3g} us a message,"
              f" beta = {found.beta:.3g} s a byte ({rate})\n")  # fmt: skip
        print("| measured | messages | bytes | seconds | model | off by |")
        print("| --- | ---: | ---: | ---: | ---: | ---: |")
        for half_, seconds, name in measured:
            model = found.seconds(half_)
            print(f"| {name} | {half_.messages} | {half_.bytes} | {seconds:.3g} | {model:.3g} "
                  f"| {100 * (model / seconds - 1):+.0f} % |")  # fmt: skip
        print()


def best_bucket(parameters: int, ranks: int, found: Fit) -> int:
    """The bucket of the cheapest exchange, a power of two of MiB.

    Larger ones save messages; but nothing hides the last one to arrive, so its time counts too. At
    most 64 MiB: four are under way at once, each with memory to be received into.
    """

    def cost(bucket: int) -> float:
        alone = half(min(parameters, bucket // FLOAT), ranks, bucket)
        return 2 * found.seconds(half(parameters, ranks, bucket)) + found.seconds(alone)

    return min((1 << k for k in range(20, 27)), key=cost)


def print_table(options: argparse.Namespace) -> None:
    print("| ranks | Gbit/s | bucket | messages a half | GB a half | exchange | step | scaling "
          "| step, overlapped | scaling |")  # fmt: skip
    print("| ---: " * 10 + "|")
    compute = options.step
    for ranks in options.ranks:
        for rate in options.rates:
            found = Fit(options.alpha, 8e-9 / (rate * PAYLOAD))
            best = best_bucket(options.parameters, ranks, found)
            for bucket in sorted({4 << 20, trainers_bucket(ranks), best}):
                one = half(options.parameters, ranks, bucket)
                seconds = found.seconds(one)
                # The reduce hides behind backward, all but its last bucket; the gather does not.
                last = found.seconds(half(min(options.parameters, bucket // FLOAT), ranks, bucket))
                hidden = compute + max(seconds - 2 / 3 * compute, min(last, seconds)) + seconds
                step = compute + 2 * seconds
                print(f"| {ranks} | {rate:g} | {bucket >> 20} MiB | {one.messages} "
                      f"| {one.bytes * 1e-9:.3f} | {2 * seconds:.3f} s "
                      f"| {step:.2f} s | {100 * compute / step:.0f} % "
                      f"| {hidden:.2f} s | {100 * compute / hidden:.0f} % |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--fit", nargs="+", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--parameters", type=int, default=35_746_307, help="the network's")
    parser.add_argument("--ranks", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--rates", type=float, nargs="+", default=[25, 100], help="Gbit/s")
    parser.add_argument("--alpha", type=float, default=2e-5, help="seconds a message")
    parser.add_argument("--step", type=float, default=2.1, help="seconds of computing a step")
    options = parser.parse_args()
    if options.fit:
        print_fit(options.fit)
    else:
        print_table(options)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Fits the cost of the gradient exchange to measurements, and says what it is on more ranks.

    launch/scaling.py                                  the table of docs/scaling.md
    launch/scaling.py --fit two.json four.json         alpha and beta of what was measured
    launch/scaling.py --rates 10 200 --ranks 16 256 --alpha 5e-6
    launch/scaling.py --nodes 64 1024 --ranks-per-node 8    several ranks a node, which share its link
    launch/scaling.py --how-many                       how many nodes for which network

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


NETWORKS = (
    ("digits", 701_345, 128, 1 / 1015),
    ("MNIST", 686_769, 64, 1 / 208),
    ("CIFAR-10", 35_746_307, 128, 1 / 3.3),
    ("CIFAR-10", 35_746_307, 1024, 1 / 3.3),
)
"""Name, parameters, batch, and seconds that a core takes for an image (docs/performance.md, Zen 3)."""


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


def halves(parameters: int, nodes: int, per_node: int, by_node: bool) -> tuple[Half, Half]:
    """What a half asks of a link between nodes, and of a rank within its node.

    Messages are those of a rank, bytes those of the link that the ranks of a node share. In one group,
    each rank exchanges with all others; by node, with those of its node and then with those of its number.
    """
    ranks = nodes * per_node
    one = half(parameters, ranks)
    most, buckets = one.bytes // (ranks - 1), one.messages // (ranks - 1)
    if nodes == 1:
        return one, Half(0, 0)
    if not by_node:
        return Half(one.messages, per_node * (ranks - per_node) * most), Half(0, 0)
    return (Half((nodes - 1) * buckets, per_node * (nodes - 1) * most),
            Half((per_node - 1) * buckets, (per_node - 1) * nodes * most))  # fmt: skip


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


def print_nodes(options: argparse.Namespace) -> None:
    print("| nodes | Gbit/s | exchange | messages of a rank | GB of a link | GB of a rank, within "
          "| exchange of a step | step | scaling |")  # fmt: skip
    print("| ---: | ---: | --- " + "| ---: " * 6 + "|")
    near = Fit(options.near_alpha, 1e-9 / options.memory)
    for nodes in options.nodes:
        for rate in options.rates:
            found = Fit(options.alpha, 8e-9 / (rate * PAYLOAD))
            for by_node in (False, True):
                far, within = halves(options.parameters, nodes, options.ranks_per_node, by_node)
                seconds = 2 * (found.seconds(far) + near.seconds(within))
                step = options.step + seconds
                print(f"| {nodes} | {rate:g} | {'by node' if by_node else 'one group'} "
                      f"| {far.messages} | {far.bytes * 1e-9:.3f} | {within.bytes * 1e-9:.3f} "
                      f"| {seconds:.3f} s | {step:.2f} s | {100 * options.step / step:.0f} % |")  # fmt: skip


def step_seconds(network: tuple, nodes: int, rate: float, options: argparse.Namespace) -> float:
    """The step of a network on some nodes, with nothing of the exchange hidden."""
    _, parameters, batch, image = network
    near = Fit(options.near_alpha, 1e-9 / options.memory)
    far, within = halves(parameters, nodes, options.ranks_per_node, True)
    # On one node, all ranks exchange within it.
    link = Fit(options.alpha, 8e-9 / (rate * PAYLOAD)) if nodes > 1 else near
    return batch * image / (nodes * options.cores) + 2 * (link.seconds(far) + near.seconds(within))


def print_how_many(options: argparse.Namespace) -> None:
    print(f"| network | parameters | batch | one node of {options.cores} cores "
          + "".join(f"| at {rate:g} Gbit/s " for rate in options.rates) + "|")  # fmt: skip
    print("| --- " + "| ---: " * (3 + len(options.rates)) + "|")
    for network in NETWORKS:
        name, parameters, batch, _ = network
        one = step_seconds(network, 1, options.rates[0], options)
        cells = []
        for rate in options.rates:
            # No more workers than images.
            counts = [1 << k for k in range(11) if (1 << k) * options.cores <= batch or k == 0]
            good = [n for n in counts
                    if one / (n * step_seconds(network, n, rate, options)) >= 0.75]  # fmt: skip
            speed = batch / step_seconds(network, good[-1], rate, options)
            cells.append(f"{good[-1]} ({speed:,.0f} images/s)")
        print(f"| {name} | {parameters:,} | {batch} | {batch / one:,.0f} images/s | "
              + " | ".join(cells) + " |")  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
    parser.add_argument("--fit", nargs="+", type=pathlib.Path, metavar="FILE")
    parser.add_argument("--parameters", type=int, default=35_746_307, help="the network's")
    parser.add_argument("--ranks", type=int, nargs="+", default=[64, 1024])
    parser.add_argument("--rates", type=float, nargs="+", default=[25, 100], help="Gbit/s")
    parser.add_argument("--alpha", type=float, default=2e-5, help="seconds a message")
    parser.add_argument("--step", type=float, default=2.1, help="seconds of computing a step")
    parser.add_argument("--nodes", type=int, nargs="+", help="a table of nodes with several ranks")
    parser.add_argument("--how-many", action="store_true",
                        help="the most nodes that are three quarters as fast as they could be")  # fmt: skip
    parser.add_argument("--cores", type=int, default=32, help="of a node")
    parser.add_argument("--ranks-per-node", type=int, default=2, help="a power of two")
    parser.add_argument("--memory", type=float, default=2.5,
                        help="GB/s of a rank within its node")  # fmt: skip
    parser.add_argument("--near-alpha", type=float, default=5e-6,
                        help="seconds a message within a node")  # fmt: skip
    options = parser.parse_args()
    if options.ranks_per_node < 1 or options.ranks_per_node.bit_count() != 1:
        parser.error("--ranks-per-node is a power of two.")
    if options.fit:
        print_fit(options.fit)
    elif options.how_many:
        print_how_many(options)
    elif options.nodes:
        print_nodes(options)
    else:
        print_table(options)


if __name__ == "__main__":
    main()

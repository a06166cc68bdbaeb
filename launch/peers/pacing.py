"""The other side of paced.py: a program that works at the word of another one."""

import json
import resource
import sys
import time
from collections.abc import Callable


def say(**message):
    print(json.dumps(message), flush=True)


def peak_memory() -> dict[str, int]:
    """The most memory that this process has had, in bytes."""
    return {"peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024}


def serve(
    work: Callable[[], object], part: str, batch: int, steps: int, warm_up: int, **facts
):  # fmt: skip
    """Warms up, and answers each line of the input that names the part by a round of work.

    - facts: What the program says of itself, `parameters` and `versions` among it.
    """
    say(warming_up=True)
    for _ in range(warm_up):
        work()
    say(ready=True, batch=batch, ranks=1, **facts, **peak_memory())
    for line in sys.stdin:
        if line.strip() != part:
            sys.exit(f"standard input: {line.strip()!r} is not {part!r}.")
        begin = time.perf_counter()
        for _ in range(steps):
            work()
        seconds = time.perf_counter() - begin
        images = batch * steps
        say(
            part=part, images=images, seconds=seconds, images_per_second=images / seconds,
            **peak_memory(),
        )  # fmt: skip

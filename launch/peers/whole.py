"""Programs that are started anew in each round, and timed from outside.

They take the places of paced.Paced. A first start, which does not count, fills the caches of files
and of compilers.
"""

import contextlib
import os
import pathlib
import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable

from paced import PacedError, TooSlow, descendants, last_words

LOOK_SECONDS = 0.002


def kill(process: subprocess.Popen):
    """Kills a program with its descendants, and waits for it."""
    for number in descendants(process.pid) if process.poll() is None else []:
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    process.wait()


def peak_memory(process: int) -> int:
    """The most memory of any of a program's processes, in bytes."""
    peaks = [0]
    for number in descendants(process):
        with contextlib.suppress(OSError, IndexError):
            status = pathlib.Path(f"/proc/{number}/status").read_text()
            peaks.append(int(status.partition("VmHWM:")[2].split()[0]) * 1024)
    return max(peaks)


class Started:
    """A program that makes its files in a folder of its own."""

    def __init__(self, command: Callable[[pathlib.Path], list[str]]):
        """- command: What starts it, for a folder that is there and empty."""
        self._command = command

    def wait_until_ready(self, set_up_seconds: float, warm_up_seconds: float) -> dict:
        """Starts it once in vain."""
        self.round("", max(set_up_seconds, warm_up_seconds))
        return {"ready": True}

    def round(self, part: str, seconds: float) -> dict:
        """Starts it; how long it took."""
        with (
            tempfile.TemporaryDirectory(prefix="ddpm-compare-") as folder,
            tempfile.TemporaryFile("w+", errors="replace") as errors,
        ):
            command = self._command(pathlib.Path(folder))
            begin = time.monotonic()
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors
            )
            try:
                return self.watch(process, pathlib.Path(folder), begin, begin + seconds, errors)
            finally:
                kill(process)

    def watch(self, process, folder: pathlib.Path, begin: float, deadline: float, errors) -> dict:
        """What comes of a program that has just been started."""
        raise NotImplementedError

    def end(self):
        """Nothing runs between rounds."""

    def kill(self):
        """Nothing runs between rounds."""


class WholeProgram(Started):
    """A program that ends by itself: it is timed from its start to its end."""

    def __init__(self, command: Callable[[pathlib.Path], list[str]], images: int):
        super().__init__(command)
        self._images = images

    def watch(self, process, folder, begin, deadline, errors) -> dict:
        while True:
            ended, status, usage = os.wait4(process.pid, os.WNOHANG)
            seconds = time.monotonic() - begin
            if ended:
                break
            if time.monotonic() > deadline:
                raise TooSlow(f"took longer than {deadline - begin:g} s")
            time.sleep(LOOK_SECONDS)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise PacedError(last_words(process.returncode, errors))
        return {
            "images": self._images, "seconds": seconds,
            "peak_memory_bytes": usage.ru_maxrss * 1024,
        }  # fmt: skip


class FirstSteps(Started):
    """A program that trains, until its first steps are done: how long it needs before them.

    A line of run/metrics.jsonl says that a step is done. What counts is the time from the start of
    the program, mpirun and all, to the first line, less the median time between one line and the
    next: so what only the first step has to do is a part of starting up.
    """

    def __init__(self, command: Callable[[pathlib.Path], list[str]], steps: int):
        super().__init__(command)
        self._steps = steps

    def watch(self, process, folder, begin, deadline, errors) -> dict:
        metrics, times = folder / "run" / "metrics.jsonl", []
        while len(times) < self._steps:
            code = process.poll()
            with contextlib.suppress(FileNotFoundError):
                lines = metrics.read_bytes().count(b"\n")
                times += [time.monotonic()] * (lines - len(times))
            if code is not None and len(times) < self._steps:
                raise PacedError(last_words(code, errors))
            if time.monotonic() > deadline:
                raise TooSlow(f"took longer than {deadline - begin:g} s")
            time.sleep(LOOK_SECONDS)
        step = statistics.median(b - a for a, b in zip(times, times[1:]))
        return {
            "images": 0, "seconds": times[0] - begin - step,
            "peak_memory_bytes": peak_memory(process.pid),
        }  # fmt: skip

"""A program that works only when it is told to, so that several can take turns on one machine.

Programs speak as `ddpm-dist benchmark --help` says of --paced: a line {"ready": true, ...} when
they have warmed up; then a line of JSON for each round that a line of their input asks for; the end
of the input ends them. Before all that, a program may print {"warming_up": true}.

Between its rounds a program is stopped (SIGSTOP) with all of its descendants. Waiting on its input
would cost nothing, but not everything waits so: MPI ranks poll for messages, run-time systems have
threads that spin. The descendants come from /proc, not from a process group, because mpirun gives
each rank a group of its own.
"""

import contextlib
import json
import os
import pathlib
import re
import selectors
import signal
import subprocess
import tempfile
import time
from typing import TextIO


class PacedError(Exception):
    """A program ended, or said what was not expected; one line."""


class TooSlow(PacedError):
    """A program took longer than it may."""


class WarmUpTooSlow(TooSlow):
    """Its warm-up did, after it had said that this began."""


def descendants(root: int) -> list[int]:
    """The process and all that it started, itself or through others, parents first."""
    children: dict[int, list[int]] = {}
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # "PID (NAME) STATE PARENT ...", where NAME may hold blanks and parentheses.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(stat.parent.name))
    found = [root]
    for process in found:
        found += children.get(process, [])
    return found


def last_words(code: int, errors: TextIO) -> str:
    """Why a program ended: the last line of its errors, or the last that names one.

    What follows a row of dashes is mpirun's, which only repeats that a rank ended.
    """
    errors.seek(0)
    text = re.split(r"^-{20,}$", errors.read(), maxsplit=1, flags=re.MULTILINE)[0]
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception): ", line)]
    return ": ".join([f"ended with exit code {code}", *(named or lines)[-1:]])


class Paced:
    """One such program."""

    def __init__(self, command: list[str]):
        self._errors = tempfile.TemporaryFile("w+", errors="replace")
        # In a session of its own: when the shell that has started all this ends, the system sends
        # SIGHUP to groups of its session with stopped members.
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            start_new_session=True,
        )  # fmt: skip
        self._unread = b""

    def wait_until_ready(self, set_up_seconds: float, warm_up_seconds: float) -> dict:
        """The line that says what the program is; stops it then."""
        line = self._line(set_up_seconds)
        if line.get("warming_up"):
            try:
                line = self._line(warm_up_seconds)
            except TooSlow as error:
                raise WarmUpTooSlow(str(error)) from error
        if not line.get("ready"):
            raise PacedError(f"said {json.dumps(line)} where it should have been ready")
        self._signal(signal.SIGSTOP)
        return line

    def round(self, part: str, seconds: float) -> dict:
        """Lets the program work for one round; it is stopped before and after."""
        self._signal(signal.SIGCONT)
        try:
            self._process.stdin.write(f"{part}\n".encode())
            self._process.stdin.flush()
        except BrokenPipeError:
            pass  # It has ended; reading finds out why.
        answer = self._line(seconds)
        self._signal(signal.SIGSTOP)
        return answer

    def end(self, grace_seconds: float = 10):
        """Ends the input, and kills what has not ended by itself some seconds later."""
        self._signal(signal.SIGCONT)
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(grace_seconds)
        self.kill()

    def kill(self):
        """Kills the program with its descendants, at once."""
        self._signal(signal.SIGKILL)
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(BrokenPipeError):
                file.close()

    def _signal(self, number: signal.Signals):
        if self._process.poll() is not None:
            return
        for process in descendants(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, number)

    def _line(self, seconds: float) -> dict:
        """The next line of the program's output that is a JSON object."""
        deadline = time.monotonic() + seconds
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while True:
                line, newline, rest = self._unread.partition(b"\n")
                if newline:
                    self._unread = rest
                    with contextlib.suppress(ValueError):
                        if isinstance(value := json.loads(line), dict):
                            return value
                    continue
                if not selector.select(max(0, deadline - time.monotonic())):
                    raise TooSlow(f"took longer than {seconds:g} s")
                read = os.read(self._process.stdout.fileno(), 1 << 16)
                if not read:
                    raise PacedError(last_words(self._process.wait(), self._errors))
                self._unread += read

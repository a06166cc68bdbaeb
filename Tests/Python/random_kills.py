"""Kills at random moments, of a random rank or of mpirun: runs on changing ranks come to the same bytes.

Two runs, one of eight shards on 1, 2 and 4 ranks, one of twelve on 1, 3 and 6. Each is started again and
again, on another number of ranks, and meets SIGKILL at a random time, until it has met enough of them; then
it goes on to its end. Its checkpoint must have the bytes of an undisturbed run, its metrics each step once.
"""

import contextlib
import os
import random
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from fault_runs import ALONE, Folder, Programs, Reference, Score, environment, undisturbed

KILLS = 50
STEPS = 1200
EVERY = 10
# Settings, and the numbers of ranks that can share the shards; 0 is one process without mpirun.
RUNS = (
    (("shards=8", "batch=32"), (0, 1, 2, 4)),
    (("shards=12", "batch=24"), (0, 1, 3, 6)),
)
SETTINGS = (
    "channels=8", "groups=4", "diffusion_steps=20", "warmup_steps=2", "sample_every=0",
    "validation=0.02", "validation_every=50", "validation_images=8",
)  # fmt: skip
# A start takes half a second to a second until it trains.
TIMES = (0.1, 1.8)


def descendants(of: int) -> list[int]:
    """The processes that a process has started, and those that these have started."""
    try:
        tasks = list(Path(f"/proc/{of}/task").iterdir())
        children = [int(c) for task in tasks for c in (task / "children").read_text().split()]
    except OSError:
        return []
    return children + [more for child in children for more in descendants(child)]


def is_rank(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/comm").read_text(encoding="ascii").strip() == "ddpm-dist"
    except OSError:
        return False


def until(condition: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


class RandomKills:
    """One run that is killed again and again."""

    def __init__(self, programs: Programs, run: Path, reference: Reference, rng: random.Random):
        self.programs, self.run, self.rng = programs, run, rng
        self.folder = Folder(run, reference)
        self.score = Score()
        self.killed = {"a rank": 0, "mpirun": 0}
        self.codes: dict[int, int] = {}
        # The newest step that was said to be saved.
        self.saved = 0

    def start(self, ranks: int) -> None:
        """Starts the run, kills it at a random time, and looks at what it has left."""
        words = self.programs.training(self.run, STEPS, resume=True)
        if ranks > 0:
            words = ["mpirun", "-n", str(ranks), "--bind-to", "none", *words]
        sessions = self.run.with_suffix(".sessions")
        sessions.mkdir(exist_ok=True)
        surroundings = environment() | (ALONE if ranks == 0 else {}) | {"TMPDIR": str(sessions)}
        log = self.run.with_suffix(".log")
        with (
            open(log, "wb") as errors,
            subprocess.Popen(
                words, cwd="/", env=surroundings, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=errors, start_new_session=True,
            ) as job,
        ):  # fmt: skip
            victim, faults = self.kill_later(job)
        said = log.read_text(errors="replace")
        steps = [int(step) for step in re.findall(r" saved \S+/step-(\d+)\.h5$", said, re.M)]
        self.saved = max([self.saved, *steps])
        if victim is None and job.returncode != 0:
            faults.append(f"it ended with {job.returncode} by itself")
        self.codes[job.returncode] = self.codes.get(job.returncode, 0) + 1
        faults += self.folder.lost([self.saved] if self.saved else [])
        self.score.note(f"{victim} of {ranks} ranks killed at random", faults, said)

    def kill_later(self, job: subprocess.Popen) -> tuple[str | None, list[str]]:
        """Kills a random process of a job at a random time, if it has not ended; waits for its end."""
        end = time.monotonic() + self.rng.uniform(*TIMES)
        until(lambda: job.poll() is not None or time.monotonic() > end, 60)
        faults: list[str] = []
        everyone = [job.pid, *descendants(job.pid)]
        ranks = [process for process in everyone if is_rank(process)]
        victim = None
        if job.poll() is None:
            number = self.rng.choice(ranks) if ranks and self.rng.random() < 0.7 else job.pid
            victim = "a rank" if number in ranks else "mpirun"
            self.killed[victim] += 1
            with contextlib.suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        # Ranks whose mpirun was killed end by themselves; until then they hold the lock.
        if not until(lambda: job.poll() is not None and not any(map(is_rank, ranks)), 60):
            faults.append("some lived on for a minute")
            with contextlib.suppress(ProcessLookupError):
                os.killpg(job.pid, signal.SIGKILL)
        return victim, faults

    def go(self, numbers: tuple[int, ...], kills: int) -> None:
        """Starts and kills until there were enough kills or the run is done, then lets it end."""
        while sum(self.killed.values()) < kills and self.saved < STEPS and self.score.failed == 0:
            self.start(self.rng.choice(numbers))
        at = self.saved
        words = self.programs.training(self.run, STEPS, resume=True)
        last = self.programs.start(words, ranks=numbers[-1], limit=300)
        faults = [f"the last start ended with {last.code}"] if last.code != 0 else []
        faults += self.folder.differences(STEPS)
        self.score.note("the end after all kills", faults, last.errors)
        killed = " and ".join(f"{count} times {name}" for name, count in self.killed.items())
        codes = ", ".join(f"{code} {n} times" for code, n in sorted(self.codes.items()))
        print(f"  one of {numbers} ranks: killed {killed} up to step {at}; codes {codes}", flush=True)


def prove(programs: Programs, folder: Path, seed: int) -> Score:
    """Kills two runs at random moments, together KILLS times; where one is done early, another one."""
    score = Score()
    rng = random.Random(seed)
    for number, (settings, numbers) in enumerate(RUNS):
        own = Programs(programs.build, (*SETTINGS, *settings), EVERY)
        reference = Reference()
        reference.take(STEPS, undisturbed(own, folder / f"whole-{number}", STEPS))
        wanted = KILLS // len(RUNS)
        for attempt in range(KILLS):
            proof = RandomKills(own, folder / f"killed-{number}-{attempt}", reference, rng)
            proof.go(numbers, wanted)
            wanted -= sum(proof.killed.values())
            score.passed += proof.score.passed
            score.failed += proof.score.failed
            if wanted <= 0 or score.failed > 0:
                break
    return score

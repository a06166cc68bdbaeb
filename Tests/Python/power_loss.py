"""Loss of power at every moment of a run: from whatever may be on the disk then, it goes on.

Two runs are recorded with all that they write: one that begins, saves and rotates checkpoints; and one that
goes on in the folder of a killed one, takes over its lock and sweeps what it has left. After each call,
`disk_model` says what may be on the disk if the power fails there. Of every such state:

    all of them     `checkpoint ls` finds a good checkpoint that is not older than the last one that was
                    said to be saved, and `best` leads to a good one or is not there
    some            the run goes on, to the end, and has the bytes of an undisturbed one: every state of
                    config.yaml, history.jsonl, metrics.jsonl and lock once, and a sample of the others
"""

import os
import random
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import strace_log
from disk_model import Disk, State
from fault_runs import ALONE, BEGUN, DONE, Folder, Programs, Reference, Score, environment, new_case, stale_lock

# How many states are gone on from, beside those that must be.
SAMPLE = 120
SAVED = re.compile(rb" saved \S+/step-0*(\d+)\.h5\n")


@dataclass
class Crash:
    """A state of the disk, and the newest step that had been said to be saved when it was possible."""

    state: State
    saved: int
    moment: str


def state_of(folder: Path) -> State:
    """What is in a folder."""
    found: State = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


def key(state: State, part: str = "") -> frozenset:
    return frozenset((path, held) for path, held in state.items() if path.startswith(part))


class PowerLoss:
    """Records the runs, imagines the losses, and starts the program in what is left."""

    def __init__(self, programs: Programs, reference: Reference, folder: Path, processes: int):
        self.programs, self.reference, self.folder = programs, reference, folder
        self.processes = processes
        self.score = Score()
        self.crashes: dict[frozenset, Crash] = {}
        self.moments = 0
        # Each content once, as most states share theirs with others.
        self.contents: dict = {}

    def killed_run(self, top: Path) -> None:
        """A folder as a kill in the middle of a checkpoint leaves it."""
        run = top / "run"
        words = self.programs.training(run, BEGUN, resume=False)
        path = f"{run}/checkpoints/step-{BEGUN:08}.h5"
        files = " ".join(f"-P {path}.$$-{n}.tmp" for n in range(1, 40))
        command = f"exec strace -D -f -o /dev/null {files} -e inject=pwrite64:signal=KILL:when=2 "
        outcome = self.programs.start(["sh", "-c", command + "'" + "' '".join(words) + "'"])
        left = list(run.rglob("*.tmp"))
        stale_lock(run)
        if outcome.code != -signal.SIGKILL or not left:
            raise SystemExit(f"The run that should be killed ended with {outcome.code}, leaving {left}.")

    def record(self, name: str, top: Path, steps: int, *, resume: bool, saved: int) -> None:
        """Runs the program, and imagines the losses of power."""
        disk = Disk(str(top), state_of(top))
        log = self.folder / f"{name}.strace"
        strace = ["strace", "-f", "-y", "-xx", "-s", "100000000", "-e", "trace=%file,%desc",
                  "-o", str(log)]  # fmt: skip
        words = self.programs.training(top / "run", steps, resume=resume)
        outcome = self.programs.start(strace + words, limit=300)
        if outcome.code != 0:
            raise SystemExit(f"A recorded run ended with {outcome.code}:\n{outcome.errors}")
        calls = strace_log.calls(log)
        log.unlink()
        # The bounds of each call; at one line of the log, what ends comes first.
        events = [(call.begin, 1, call) for call in calls] + [(call.end, 2, call) for call in calls]
        rng = random.Random(name)
        self.note(disk, saved, f"{name}: before", rng)
        for _, kind, call in sorted(events, key=lambda event: event[:2]):
            if kind == 1:
                if call.name == "write" and (match := SAVED.search(call.strings[0])):
                    saved = max(saved, int(match[1]))
                disk.began(call)
            elif disk.ended(call):
                path = (call.paths() or [""])[0].removeprefix(str(top) + "/")
                self.note(disk, saved, f"{name}: after {call.name} of {path}", rng)
        if saved != steps:
            raise SystemExit(f"The recorded run has said that {saved} is saved, and not {steps}.")

    def note(self, disk: Disk, saved: int, moment: str, rng: random.Random) -> None:
        self.moments += 1
        for state in disk.states(rng):
            for path, held in state.items():
                state[path] = self.contents.setdefault(held, held)
            crash = self.crashes.setdefault(key(state), Crash(state, saved, moment))
            if saved > crash.saved:
                crash.saved, crash.moment = saved, moment

    def build(self, state: State, top: Path, part: str = "") -> None:
        """Makes a folder of a state."""
        for path in sorted(state):
            if not path.startswith(part) and state[path] is not None:
                continue
            held, target = state[path], top / path
            if held is None:
                target.mkdir(parents=True, exist_ok=True)
            elif isinstance(held, bytes):
                target.write_bytes(held)
            else:
                target.symlink_to(held)

    # Which checkpoint is there

    def listed(self, state: State) -> tuple[int, str]:
        """The newest good checkpoint, 0 where there is none, and what is wrong with `best`."""
        if "run/checkpoints" not in state:
            return 0, ""
        with new_case(self.folder) as top:
            self.build(state, top, "run/checkpoints")
            done = subprocess.run(
                [self.programs.build / "ddpm-dist", "checkpoint", "ls", top / "run"],
                env=environment() | ALONE, capture_output=True, text=True, check=False,
            )  # fmt: skip
        if done.returncode != 0:
            return -1, f"checkpoint ls ended with {done.returncode}: {done.stderr}"
        good = [int(step) for step in re.findall(r"^(\d+) .* good(?:, best)?$", done.stdout, re.M)]
        fault = ""
        if "run/checkpoints/best" in state and not re.search(r" good, best$", done.stdout, re.M):
            fault = f"best leads to {state['run/checkpoints/best']}, and good are {good}"
        return max(good, default=0), fault

    def look(self) -> None:
        """Asks of every state which checkpoint is there."""
        kinds: dict[frozenset, list[Crash]] = {}
        for crash in self.crashes.values():
            kinds.setdefault(key(crash.state, "run/checkpoints"), []).append(crash)

        def one(crashes: list[Crash]) -> None:
            newest, fault = self.listed(crashes[0].state)
            for crash in crashes:
                faults = [fault] if fault else []
                if newest < crash.saved:
                    faults.append(f"saved was {crash.saved}, and the newest good one is {newest}")
                self.score.note(f"power lost, {crash.moment}", faults, self.shown(crash.state))

        with ThreadPoolExecutor(self.processes) as pool:
            list(pool.map(one, kinds.values()))
        print(f"  {len(kinds)} of the folder checkpoints")

    @staticmethod
    def shown(state: State) -> str:
        return "\n".join(
            f"{path} {'' if held is None else len(held) if isinstance(held, bytes) else held}"
            for path, held in sorted(state.items())
        )

    # Going on

    def chosen(self, seed: int) -> list[Crash]:
        """States to go on from: each of the small files' once, and a sample of all."""
        rng = random.Random(seed)
        crashes = list(self.crashes.values())
        rng.shuffle(crashes)
        found = crashes[:SAMPLE]
        seen: set = set()
        for crash in found + crashes[SAMPLE:]:
            new = {
                (name, crash.state.get(f"run/{name}"))
                for name in ("config.yaml", "history.jsonl", "metrics.jsonl", "lock", "averages")
            } - seen
            seen |= new
            if new and crash not in found:
                found.append(crash)
        return found

    def go_on(self, crash: Crash) -> None:
        with new_case(self.folder) as top:
            self.build(crash.state, top)
            run = top / "run"
            outcome = self.programs.start(self.programs.training(run, DONE, resume=True))
            faults = []
            if outcome.code != 0 or outcome.error_lines:
                faults.append(f"going on ended with {outcome.code}")
            else:
                started = re.search(r"Going on from \S+/step-0*(\d+)\.h5", outcome.errors)
                if int(started[1] if started else 0) < crash.saved:
                    faults.append(f"saved was {crash.saved}, and it went on from {started}")
                faults += Folder(run, self.reference).differences(DONE)
            said = outcome.errors + "\n" + self.shown(crash.state)
            self.score.note(f"going on, {crash.moment}", faults, said)


def prove(
    programs: Programs, reference: Reference, folder: Path, processes: int, seed: int
) -> Score:
    """Imagines all losses of power, and starts the program in what is left."""
    proof = PowerLoss(programs, reference, folder, processes)
    with new_case(folder) as top:
        proof.record("begins", top, DONE, resume=False, saved=0)
    with new_case(folder) as top:
        proof.killed_run(top)
        # The last step that the killed run had said of, before its second checkpoint.
        proof.record("goes on", top, DONE, resume=True, saved=BEGUN - programs.every)
    print(f"  {proof.moments} moments, {len(proof.crashes)} states of the disk", flush=True)
    start = time.monotonic()
    proof.look()
    chosen = proof.chosen(seed)
    middle = time.monotonic()
    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(proof.go_on, chosen))
    print(
        f"  {len(chosen)} of them were gone on from to the end "
        f"({middle - start:.0f} s and {time.monotonic() - middle:.0f} s)"
    )
    return proof.score

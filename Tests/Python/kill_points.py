"""A fault at every system call that a run makes on its folder: killed, no space left, input/output error.

A run that begins and one that goes on are recorded once. Each call on a file below the run's folder is a
point, named by file, call and how often that call came before. At each point a run of its own meets each
fault, by strace:

    kill            SIGKILL in place of the call
    EIO, ENOSPC     the call fails, once; ENOSPC only where something is written
    EIO+, ENOSPC+   this and all later calls on files of the same folder fail

The run then ends by itself with all its bytes, or with one line and an exit code of docs/formats.md. What
was "saved" is there, every finished file is whole, and the run goes on to the bytes of an undisturbed one.

Counters of strace are per thread and kind of call, and paths must be known before. So files under
construction, whose names end in the process and a number, are given with all numbers; and where a thread
of its own writes, "all later calls" begin for it where its own count reaches that of the point.
"""

import random
import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import strace_log
from fault_runs import BEGUN, DONE, Folder, Outcome, Programs, Reference, Score, copy, new_case, stale_lock

# Calls that take room on the disk, or change what is there.
WRITES = {
    "write", "pwrite64", "writev", "pwritev", "fsync", "fdatasync", "ftruncate", "fallocate", "rename",
    "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "unlink", "unlinkat", "mkdir",
    "mkdirat", "rmdir", "close", "copy_file_range",
}  # fmt: skip
# The cases that are repeated under mpirun, with the fault on the first rank.
ON_TWO_RANKS = 60
# The most files under construction that one process may have named.
TEMPORARIES = 40
# What a failing disk may end in: missing input, cannot create, input/output.
CODES = {66, 73, 74}
REASONS = {"EIO": "Input/output error", "ENOSPC": "No space left on device"}


@dataclass(frozen=True)
class Point:
    """The n-th call of a kind on a file; `later` says from which call on all of its folder fail."""

    scenario: str
    path: str
    call: str
    number: int
    writes: bool
    later: tuple[tuple[str, int], ...]
    # The files of the same folder.
    beside: tuple[str, ...]

    @property
    def faults(self) -> list[str]:
        errors = ["EIO", "ENOSPC"] if self.writes else ["EIO"]
        return ["kill"] + [error + more for error in errors for more in ("", "+")]

    def __str__(self):
        return f"{self.scenario}: {self.call} {self.number} of {self.path or 'the folder'}"


def folder_of(path: str) -> str:
    """The part of the run that a file belongs to: checkpoints, averages, samples or the folder itself."""
    head = path.split("/")[0]
    return head if head in ("checkpoints", "averages", "samples") else ""


def touched(call: strace_log.Call, run: str) -> list[str]:
    """The files of a run that a call is about, without what differs from process to process."""
    found = []
    for path in call.paths():
        if path == run or path.startswith(run + "/"):
            name = re.sub(r"\.\d+-\d+\.tmp$", ".TMP", path[len(run) + 1 :])
            if name not in found:
                found.append(name)
    return found


def points(scenario: str, log: Path, run: str) -> list[Point]:
    """All points of a recorded run."""
    found: list[Point] = []
    single: dict[tuple[int, str, str], int] = {}
    # How often each thread has made a call on the files of a folder.
    shared: dict[str, dict[tuple[str, int], int]] = {}
    beside: dict[str, set[str]] = {}
    for call in strace_log.calls(log):
        # When the file STOP is looked for depends on the time.
        if call.name == "execve" or not (paths := touched(call, run)) or paths == ["STOP"]:
            continue
        # The names of event files have the time and the process: no other run has them.
        if any(path.startswith("events.out.tfevents.") for path in paths):
            continue
        for path in paths:
            key = (call.thread, path, call.name)
            single[key] = single.get(key, 0) + 1
        folders = {folder_of(path) for path in paths}
        for folder in folders:
            counts = shared.setdefault(folder, {})
            key = (call.name, call.thread)
            counts[key] = counts.get(key, 0) + 1
            beside.setdefault(folder, set()).update(p for p in paths if folder_of(p) == folder)
        path = paths[0]
        counts = shared[folder_of(path)]
        later: dict[str, int] = {}
        for (name, _), count in counts.items():
            later[name] = max(later.get(name, 0), count + 1)
        later[call.name] = counts[call.name, call.thread]
        found.append(Point(
            scenario, path, call.name, single[call.thread, path, call.name],
            call.name in WRITES or "O_CREAT" in call.arguments, tuple(sorted(later.items())), (),
        ))  # fmt: skip
    # Two threads may have the same call on the same file: one point stands for both.
    unique = {str(point): point for point in found}
    return [
        Point(**{**vars(p), "beside": tuple(sorted(beside[folder_of(p.path)]))})
        for p in unique.values()
    ]


def complete(log: Path) -> str:
    """What strace has written, which may end a moment after the program that it watches."""
    text = ""
    for _ in range(300):
        text = log.read_text(errors="replace") if log.exists() else ""
        if re.search(r"\+\+\+ (exited|killed).*\n$", text):
            break
        time.sleep(0.01)
    return text


class KillPoints:
    """Records the two runs, and lets others meet the faults."""

    def __init__(self, programs: Programs, reference: Reference, folder: Path, processes: int):
        self.programs, self.reference, self.folder = programs, reference, folder
        self.processes = processes
        self.score = Score()
        self.ends: dict[tuple[str, str], int] = {}
        self.missed: list[str] = []
        self.runs = 0
        self.points = [
            point
            for scenario in ("begins", "goes on")
            for point in points(scenario, *self.record(scenario))
        ]

    def prepare(self, scenario: str, run: Path) -> list[str]:
        """The folder as the run finds it, and the words of its start."""
        if scenario == "goes on":
            copy(self.reference.folders[BEGUN], run)
            stale_lock(run)
            return self.programs.training(run, DONE, resume=True)
        return self.programs.training(run, BEGUN, resume=False)

    def record(self, scenario: str) -> tuple[Path, str]:
        run, log = self.folder / f"recorded {scenario}", self.folder / f"{scenario}.strace"
        words = self.prepare(scenario, run)
        # The arguments of execve name the run too, and are cut off by -s.
        strace = ["strace", "-f", "-y", "-xx", "-s", "0", "-e", "trace=%file,%desc", "-o", str(log)]
        outcome = self.programs.start(strace + words)
        if outcome.code != 0:
            raise SystemExit(f"A recorded run ended with {outcome.code}:\n{outcome.errors}")
        return log, str(run)

    def injection(self, point: Point, fault: str, run: Path, log: Path, words: list[str]) -> str:
        """A shell command that becomes the program, which strace watches from a process of its own."""
        for_ever = fault.endswith("+")
        paths = point.beside if for_ever else (point.path,)
        files = []
        for path in paths:
            name = shlex.quote(f"{run}/{path}".rstrip("/"))
            if path.endswith(".TMP"):
                stem = name.removesuffix(".TMP'").removesuffix(".TMP")
                end = "'" if name.endswith("'") else ""
                files += [f"{stem}{end}.$$-{n}.tmp" for n in range(1, TEMPORARIES)]
            else:
                files.append(name)
        if fault == "kill":
            rules = [f"{point.call}:signal=KILL:when={point.number}"]
        elif not for_ever:
            rules = [f"{point.call}:error={fault}:when={point.number}"]
        else:
            error = fault.rstrip("+")
            rules = [
                f"{call}:error={error}:when={number}+"
                for call, number in point.later
                if error == "EIO" or call in WRITES or call == point.call
            ]
        # strace, which filters by seccomp, forgets signals.
        fast = "" if fault == "kill" else "--seccomp-bpf"
        kinds = ",".join(rule.split(":")[0] for rule in rules)
        return " ".join([
            "exec strace -D -f -s 0", fast, "-e", f"trace={kinds}", "-e signal=none", "-o",
            shlex.quote(str(log)), *[f"-P {file}" for file in files],
            *[f"-e inject={rule}" for rule in rules], *[shlex.quote(word) for word in words],
        ])  # fmt: skip

    def meet(self, point: Point, fault: str, ranks: int | None = None) -> None:
        """One run that meets one fault."""
        with new_case(self.folder) as own:
            run, log = own / "run", own / "log"
            words = self.prepare(point.scenario, run)
            command = self.injection(point, fault, run, log, words)
            if ranks is not None:
                plain = " ".join(shlex.quote(word) for word in words)
                command = f'[ "$OMPI_COMM_WORLD_RANK" = 0 ] || exec {plain}; {command}'
            outcome = self.programs.start(["sh", "-c", command], ranks=ranks)
            met = outcome.code in (-9, 137) if fault == "kill" else "(INJECTED" in complete(log)
            steps = DONE if point.scenario == "goes on" else BEGUN
            if not met:
                self.missed.append(f"{point}: {fault}")
            faults, code = self.judge(point, fault, run, outcome, met, steps, ranks)
            place = f" on {ranks} ranks" if ranks else ""
            self.score.note(f"{point}: {fault}{place}, exit code {code}", faults, outcome.errors)
            self.runs += 1
            key = (fault, "killed" if fault == "kill" and met else f"{code}")
            self.ends[key] = self.ends.get(key, 0) + 1

    def judge(
        self, point: Point, fault: str, run: Path, outcome: Outcome, met: bool, steps: int,
        ranks: int | None,
    ) -> tuple[list[str], int]:  # fmt: skip
        """What is wrong after a fault, and after going on without one."""
        before = [BEGUN] if point.scenario == "goes on" else []
        folder = Folder(run, self.reference)
        faults = folder.lost(before + outcome.saved)
        code, lines = outcome.code, outcome.error_lines
        # What could not be saved, linked or removed was said, and is not made up for.
        is_whole = " warning: " not in outcome.errors
        if code == 0:
            if steps not in folder.checkpoints:
                faults.append("exit code 0 without the last checkpoint")
        elif not (met and fault == "kill"):
            if code not in CODES:
                faults.append(f"exit code {code}")
            if len(lines) != 1:
                faults.append(f"{len(lines)} lines of errors")
            elif str(run) not in lines[0] and REASONS[fault.rstrip("+")] not in lines[0]:
                faults.append("the line names neither the file nor the reason")
        if "hung: " in outcome.errors:
            faults.append("hung")
        if before and "starting at step 0" in outcome.errors:
            faults.append("it began anew, although there are checkpoints")
        again = self.programs.start(self.programs.training(run, steps, resume=True), ranks=ranks)
        if again.code != 0 or again.error_lines:
            faults.append(f"going on ended with {again.code}: {again.errors[-300:]!r}")
        else:
            # Lines that could not be written were said to be lost with the process.
            has_lines = "metrics.jsonl: cannot be written" not in outcome.errors
            faults += folder.differences(steps, names=is_whole, lines=has_lines)
        return faults, code

    def run(self, cases: list[tuple[Point, str, int | None]]) -> None:
        with ThreadPoolExecutor(self.processes) as pool:
            for done in [pool.submit(self.meet, *case) for case in cases]:
                done.result()

    def cases(self) -> list[tuple[Point, str]]:
        return [(point, fault) for point in self.points for fault in point.faults]

    def report(self) -> None:
        print(f"  {len(self.points)} points, {self.runs} runs")
        for (fault, code), number in sorted(self.ends.items()):
            end = "killed" if code == "killed" else f"exit code {code}"
            print(f"  {fault:8} {end:14} {number:5} times")
        if self.missed:
            print(f"  {len(self.missed)} runs did not come by their point, as {self.missed[0]}")
        # Where strace injects nothing, nothing is tested.
        many = len(self.missed) > self.runs / 10
        self.score.note("faults are met", ["too few were met"] if many else [])


def prove(
    programs: Programs, reference: Reference, folder: Path, processes: int, seed: int,
    sample: int | None,
) -> Score:  # fmt: skip
    """Lets runs meet the faults at all points, and ON_TWO_RANKS of them under mpirun; or only a sample."""
    proof = KillPoints(programs, reference, folder, processes)
    rng = random.Random(seed)
    cases = proof.cases()
    if sample is None:
        proof.run([(*case, 2) for case in rng.sample(cases, ON_TWO_RANKS)])
        proof.run([(*case, None) for case in cases])
    else:
        proof.run([(*case, None) for case in rng.sample(cases, sample)])
    proof.report()
    return proof.score

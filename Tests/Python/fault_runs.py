"""Small training runs for the tests of faults, and what must be true of their folders.

Two runs are enough: one that begins (steps 1 to 4) and one that goes on (5 to 8), each saving every
second step, keeping two checkpoints beside the best one, with validation, power averages and a grid of
samples. The best checkpoint is that of step 2, older than those that are kept, until it is that of step 8.
`Reference` holds what an undisturbed run makes of them; `Folder` says how another one differs.
"""

import contextlib
import hashlib
import itertools
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import h5py
import numpy as np
import xxhash

SETTINGS = (
    "channels=4", "groups=2", "multipliers=[1]", "attention=[]", "batch=8", "diffusion_steps=20",
    "warmup_steps=0", "seed=17", "learning_rate=0.05", "average_decay=0", "validation=0.02", "validation_every=2", "validation_images=8",
    "average_lengths=[0.1]", "average_every=2", "sample_every=4", "sample_count=1",
)  # fmt: skip
EVERY = 2
KEPT = 2
BEGUN = 4
DONE = 8


def environment() -> dict[str, str]:
    """Open MPI without a daemon and a network for a single process; ranks may share cores."""
    return os.environ | {
        "OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "OMPI_MCA_rmaps_base_oversubscribe": "1", "OMPI_MCA_mpi_yield_when_idle": "1",
        "OPENBLAS_NUM_THREADS": "1", "NO_COLOR": "1",
    }  # fmt: skip


# Of no use under mpirun, which is the daemon.
ALONE = {"OMPI_MCA_ess_singleton_isolated": "1", "OMPI_MCA_pml": "ob1", "OMPI_MCA_btl": "self"}


class Score:
    """Counts what held and what did not, and says the latter."""

    def __init__(self):
        self.passed = self.failed = 0

    def note(self, name: str, faults: list[str], said: str = "") -> None:
        """One case: it has failed where there are faults; `said` is shown then."""
        if not faults:
            self.passed += 1
            return
        self.failed += 1
        print(f"FAILED {name}", flush=True)
        for fault in faults:
            print(f"    {fault}", flush=True)
        for line in said.strip().split("\n")[-6:]:
            print(f"    | {line}", flush=True)


@dataclass
class Outcome:
    """How a program has ended, and what it has said."""

    code: int
    errors: str

    @property
    def error_lines(self) -> list[str]:
        return [line for line in self.errors.split("\n") if line.lower().startswith("error:")]

    @property
    def saved(self) -> list[int]:
        """The steps that were said to be saved."""
        return [int(step) for step in re.findall(r" saved \S+/step-0*(\d+)\.h5$", self.errors, re.M)]


@dataclass
class Programs:
    """The programs of a build, and the words that every run here is started with."""

    build: Path
    settings: tuple[str, ...] = SETTINGS
    every: int = EVERY

    def training(self, run: Path, steps: int, *, resume: bool) -> list[str]:
        """The words of one start, without mpirun."""
        return [
            str(self.build / "ddpm-dist"), "train", "--run", str(run), "--steps", str(steps),
            *(["--resume"] if resume else []), "--workers", "1", "--set", *self.settings,
            f"checkpoint_every={self.every}", f"keep_checkpoints={KEPT}",
        ]  # fmt: skip

    def start(self, words: list[str], *, ranks: int | None = None, limit: float = 120) -> Outcome:
        """Runs a program to its end; -9 where it had to be killed, and says so."""
        surroundings = environment()
        if ranks is None:
            surroundings |= ALONE
        else:
            words = ["mpirun", "-n", str(ranks), "--bind-to", "none", *words]
        with tempfile.TemporaryDirectory(prefix="ddpm-") as sessions:
            # Processes that begin and end at the same time take Open MPI's folder from each other.
            surroundings["TMPDIR"] = sessions
            # From /, so that a path that begins with the run's folder is one of its files.
            with subprocess.Popen(
                words, cwd="/", env=surroundings, stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, errors="replace",
            ) as process:  # fmt: skip
                try:
                    _, errors = process.communicate(timeout=limit)
                except subprocess.TimeoutExpired:
                    process.kill()
                    _, errors = process.communicate()
                    errors += f"\nhung: it did not end within {limit} s"
        return Outcome(process.returncode, errors)


@dataclass
class Content:
    """What of a checkpoint or a snapshot of averages must not differ: all but how it was made."""

    # The bytes before /provenance, which is written last.
    start: bytes
    digest: str


def checked(path: Path) -> bytes:
    """The bytes of a file; ValueError where its trailer does not fit."""
    data = path.read_bytes()
    mark, length = struct.unpack("<8sQ", data[-32:-16]) if len(data) > 32 else (b"", 0)
    if mark != b"DDPMEND1" or length != len(data) - 32:
        raise ValueError("no trailer")
    if data[-16:] != xxhash.xxh3_128(data[:-32]).digest():
        raise ValueError("wrong checksum")
    return data


def without_size(data: bytes) -> bytes:
    """The bytes without the size of the file, which HDF5 keeps at its beginning."""
    return data[:40] + bytes(8) + data[48:]


def content(path: Path, data: bytes) -> Content:
    """What is in a file, by the HDF5 library."""
    found = hashlib.sha256()
    end = len(data) - 32

    def add(name: str, item) -> None:
        found.update(name.encode())
        for key in sorted(item.attrs):
            value = np.asarray(item.attrs[key])
            found.update(f"@{key} {value.dtype} {value.shape}".encode() + value.tobytes())
        if isinstance(item, h5py.Dataset):
            found.update(f"{item.dtype} {item.shape}".encode() + np.asarray(item[()]).tobytes())

    with h5py.File(path) as file:
        names: list[str] = []
        file.visit(names.append)
        add("/", file)
        for name in sorted(names):
            if name.split("/")[0] != "provenance":
                add(name, file[name])
        if "provenance" in file:
            end = h5py.h5o.get_info(file["provenance"].id).addr
    return Content(without_size(data)[:end], found.hexdigest())


def has_content(path: Path, wanted: list[Content]) -> bool:
    """Whether a file holds one of these; ValueError where it is damaged."""
    data = checked(path)
    # Equal bytes, nearly always; else its objects decide.
    if any(without_size(data)[: len(one.start)] == one.start for one in wanted):
        return True
    return content(path, data).digest in [one.digest for one in wanted]


def metrics(run: Path) -> list[dict]:
    """The lines of metrics.jsonl without what is a time; one that is no JSON is {}."""
    path = run / "metrics.jsonl"
    lines = []
    for line in path.read_bytes().split(b"\n") if path.exists() else []:
        if not line:
            continue
        try:
            known = json.loads(line)
        except ValueError:
            known = {}
        times = (
            "seconds", "images_per_second", "gigaflops_per_second", "slowest", "rank_seconds",
        )
        lines.append({k: v for k, v in known.items() if k not in times})
    return lines


def step_of(name: str) -> int | None:
    """The step in the name of a checkpoint."""
    match = re.fullmatch(r"step-(\d{8,})\.h5", name)
    return int(match[1]) if match else None


@dataclass
class Reference:
    """What undisturbed runs have made: bytes of each step, and what is in the folder at the end.

    The bytes of a step may be those of a run of BEGUN or of DONE steps: a checkpoint says how many.
    """

    checkpoints: dict[int, list[Content]] = field(default_factory=dict)
    averages: dict[int, list[Content]] = field(default_factory=dict)
    lines: list[dict] = field(default_factory=list)
    # By the number of steps.
    folders: dict[int, Path] = field(default_factory=dict)

    def take(self, steps: int, run: Path) -> None:
        """Takes a run of so many steps as the measure of others."""
        self.folders[steps] = run
        self.know(run)
        lines = metrics(run)
        if len(lines) > len(self.lines):
            self.lines = lines

    def know(self, run: Path) -> None:
        """Takes the checkpoints of a run as right."""
        for kind, known in (("checkpoints", self.checkpoints), ("averages", self.averages)):
            for path in (run / kind).glob("step-*.h5"):
                known.setdefault(step_of(path.name), []).append(content(path, checked(path)))


class Folder:
    """A run's folder after a fault, compared with the reference."""

    def __init__(self, run: Path, reference: Reference):
        self.run, self.reference = run, reference

    @property
    def checkpoints(self) -> dict[int, Path]:
        return {
            step: path
            for path in (self.run / "checkpoints").glob("step-*.h5")
            if (step := step_of(path.name)) is not None
        }

    def best(self) -> str | None:
        """What the link to the best checkpoint says."""
        link = self.run / "checkpoints" / "best"
        return os.readlink(link) if link.is_symlink() else None

    def lost(self, announced: list[int]) -> list[str]:
        """What is wrong after a fault: a finished file that is not the right one, a checkpoint that was
        said to be saved and is not there, or a link that leads nowhere."""
        faults = []
        good = []
        for kind, known in (
            ("checkpoints", self.reference.checkpoints),
            ("averages", self.reference.averages),
        ):
            for path in sorted((self.run / kind).glob("step-*.h5")):
                step = step_of(path.name)
                try:
                    # Of long runs only the last ones are known.
                    is_right = has_content(path, known[step]) if step in known else checked(path)
                except (OSError, ValueError) as error:
                    faults.append(f"{kind}/{path.name} is damaged: {error}")
                    continue
                if not is_right:
                    faults.append(f"{kind}/{path.name} has other bytes than that of an undisturbed run")
                elif kind == "checkpoints":
                    good.append(step)
        if announced and max(good, default=-1) < max(announced):
            faults.append(f"saved were {announced}, and only {good} are there")
        best = self.best()
        if best is not None and not (self.run / "checkpoints" / best).exists():
            faults.append(f"best leads to {best}, which is not there")
        return faults

    def differences(self, steps: int, *, names: bool = True, lines: bool = True) -> list[str]:
        """In what a run that has come to its end differs from an undisturbed one.

        names: whether the same files must be there; not where saving one of them has failed.
        lines: whether each step must have its line in metrics.jsonl; not where that could not be written.
        """
        faults = []
        other = self.reference.folders[steps]
        last = self.checkpoints.get(steps)
        if last is None:
            return [f"there is no checkpoint of step {steps}"]
        faults += self.lost([steps])
        found = metrics(self.run)
        known = [line for line in self.reference.lines[:steps] if lines or line in found]
        if (mine := [line.get("step") for line in found]) != [line["step"] for line in known]:
            faults.append(f"metrics.jsonl has the steps {mine}")
        elif found != known:
            faults.append("metrics.jsonl has other values than that of an undisturbed run")
        for line in (self.run / "history.jsonl").read_text().split("\n")[:-1]:
            try:
                json.loads(line)
            except ValueError:
                faults.append(f"history.jsonl has the line {line!r}")
        if (self.run / "config.yaml").read_bytes() != (other / "config.yaml").read_bytes():
            faults.append("config.yaml differs")
        left = [str(path) for path in self.run.rglob("*.tmp")]
        if left or (self.run / "lock").exists():
            faults.append(f"left are {left or 'the lock'}")
        if names:
            mine, theirs = self.listing(), Folder(other, self.reference).listing()
            if mine != theirs:
                faults.append(f"too many are {mine - theirs}, missing are {theirs - mine}")
            if self.best() != Folder(other, self.reference).best():
                faults.append(f"best leads to {self.best()}")
        return faults

    def listing(self) -> set[str]:
        """The names of what a run makes; logs that were set aside are no part of it, and neither is what
        follows from the log for readers: a fault of these files is none of the run."""
        return {
            str(path.relative_to(self.run))
            for path in self.run.rglob("*")
            if not re.fullmatch(r"metrics\.\d+\.jsonl", path.name)
            and not re.fullmatch(
                r"report\.html|status\.json|metrics\.csv|data\.png|events\.out\.tfevents\..*", path.name)
        }


@contextlib.contextmanager
def new_case(folder: Path):
    """A new folder of its own, removed afterwards."""
    path = folder / f"case-{next(numbers):06}"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


numbers = itertools.count()


def copy(run: Path, target: Path) -> Path:
    """A copy of a run, with its links as they are."""
    shutil.copytree(run, target, symlinks=True)
    return target


def stale_lock(run: Path) -> None:
    """Leaves the lock of a job that was killed, with a longer text than that of who takes it over."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    (run / "lock").write_text(
        f"host: {socket.gethostname()}\nprocess: 1234567\nstart: 2026-01-01T00:00:00Z\n"
        f"kernel_start: 12345678\nboot: {boot}\njob: pbs 1234567.the-server-of-a-batch-system\n"
    )


def undisturbed(programs: Programs, run: Path, steps: int, *, removing: bool = True) -> Path:
    """A run from its beginning to its end; `removing`: whether it can remove old checkpoints."""
    words = programs.training(run, steps, resume=False)
    if not removing:
        paths = [f"{run}/checkpoints/step-{step:08}.h5" for step in range(0, steps, programs.every)]
        words = [
            "strace", "-f", "--seccomp-bpf", "-o", "/dev/null", "-e", "trace=unlink",
            *(word for path in paths for word in ("-P", path)), "-e", "inject=unlink:error=EIO", *words,
        ]  # fmt: skip
    outcome = programs.start(words, limit=300)
    if outcome.code != 0:
        raise SystemExit(f"An undisturbed run ended with {outcome.code}:\n{outcome.errors}")
    return run


def references(programs: Programs, folder: Path) -> Reference:
    """The two undisturbed runs: one that ends at BEGUN, and one that goes to DONE."""
    made = Reference()
    for steps in (BEGUN, DONE):
        made.take(steps, undisturbed(programs, folder / f"{steps}", steps))
        # The checkpoints that the first one has removed; keep_checkpoints stands in each, so that another
        # number would be other bytes.
        made.know(undisturbed(programs, folder / f"{steps}-all", steps, removing=False))
    best = [Folder(made.folders[steps], made).best() for steps in (BEGUN, DONE)]
    if best != ["step-00000002.h5", "step-00000008.h5"]:
        raise SystemExit(f"The best checkpoints are {best} on this machine: choose another seed.")
    missing = set(range(EVERY, DONE + 1, EVERY)) - set(made.checkpoints)
    if missing:
        raise SystemExit(f"There are no checkpoints of the steps {missing} to compare with.")
    return made

"""What is learned in equal time: our trainer and PyTorch's train the same network on MNIST, one after the
other, and our program evaluates both.

Both begin with the same weights, which PyTorch draws, and have the batch, the optimizer, the warm-up and
the moving average of configs/mnist.yaml. The time is that of the whole program, from its start to the
signal that ends it. Both averages are evaluated on the same held-out images with the same timesteps
and noise.
"""

import contextlib
import json
import pathlib
import signal
import statistics
import subprocess
import tempfile
from collections.abc import Callable

import machine
from competitors import BFLOAT16, EAGER, FLOAT32, OURS, Competitor
from measures import CORES, MEASURES, ROOT
from paced import Paced, PacedError
from preparation import PreparationError, run
from programs import PEERS, PROGRAMS, program, python_of
from whole import kill

CONFIGURATION = ROOT / "configs" / "mnist.yaml"
FILES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
VALIDATED = 2_048
"""Held-out images, each at one timestep."""
BOUNDED = 128
"""Held-out images whose bound is evaluated at every timestep."""
GRACE_SECONDS = 120
"""How long a program may take to write its weights."""


def heading(minutes: int) -> str:
    return f"Quality, MNIST: trained for {minutes} minutes each, batch 64, 2 threads"


def idx_file(folder: pathlib.Path, split: str) -> pathlib.Path | None:
    """A file of MNIST, packed or not; None where there is none."""
    name = FILES[split]
    found = [path for path in (folder / name, folder / f"{name}.gz") if path.is_file()]
    return found[0] if found else None


def missing_files(folder: pathlib.Path) -> str:
    """The files of MNIST that a folder does not have."""
    return ", ".join(FILES[split] for split in FILES if idx_file(folder, split) is None)


def python(script: str, *words) -> str:
    """One of our scripts with PyTorch's packages; what it prints."""
    command = [python_of(EAGER), str(PEERS / script), *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["it said nothing"]
        raise PreparationError(f"{script} ended with {done.returncode}: {lines[-1]}")
    return done.stdout


def wait(process: subprocess.Popen, seconds: float):
    """Waits for a program, but not longer than some time."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(seconds)


def train(command: list[str], seconds: float, expected: int, errors: pathlib.Path):
    """Lets a program train for some time, asks it to end then, and waits until it has saved."""
    with errors.open("w") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log
        )
        try:
            wait(process, seconds)
            if process.poll() is None:
                process.send_signal(signal.SIGUSR1)
            wait(process, GRACE_SECONDS)
        finally:
            kill(process)
    if process.returncode != expected:
        lines = errors.read_text().strip().splitlines() or ["it said nothing"]
        raise PreparationError(f"training ended with {process.returncode}: {lines[-1]}")


def fastest(rounds: int, show: Callable[[str], None]) -> Competitor:
    """The mode in which PyTorch trains this network fastest here."""
    measure = next(measure for measure in MEASURES if measure.name == "mnist-step")
    modes = FLOAT32
    if machine.computes_in_bfloat16(machine.cpuinfo()):
        modes += BFLOAT16
    speeds = {}
    for mode in modes:
        show(f"quality: how fast is {mode.name}?")
        peer: Paced = program(measure, mode, {})
        try:
            peer.wait_until_ready(600, 3600)
            answers = [peer.round(measure.part, 600) for _ in range(rounds)]
            speeds[mode] = statistics.median(measure.quantity.of(a, measure.steps) for a in answers)
        except PacedError as error:
            print(f"{mode.name} is left out: it {error}", flush=True)
        finally:
            peer.kill()
    if not speeds:
        raise PreparationError("PyTorch trains in no mode")
    return max(speeds, key=speeds.get)


def steps_of(run_folder: pathlib.Path) -> int:
    """How many steps a run has made."""
    return json.loads((run_folder / "metrics.jsonl").read_text().splitlines()[-1])["step"]


def evaluated(name: str, checkpoint: pathlib.Path, test: pathlib.Path, noisy: pathlib.Path) -> dict:
    """The loss of a checkpoint's average on noisy images, and its bound by both variances."""
    said, bound = (noisy.with_name(f"{name}-{file}") for file in ("said.h5", "bound.json"))
    run("predict", "--ckpt", checkpoint, "--input", noisy, "--output", said)
    loss = json.loads(python("validation.py", "loss", noisy, said))
    run(
        "evaluate", "--ckpt", checkpoint, "--data", test, "--count", str(BOUNDED),
        "--output", bound,
    )  # fmt: skip
    estimates = {
        estimate["name"]: {"bits_per_dim": estimate["total"], "error": estimate["error"]}
        for estimate in json.loads(bound.read_text())["estimates"]
    }
    return {"validation_loss": loss["loss"], "error": loss["error"], "bounds": estimates}


def compared(mnist: pathlib.Path, minutes: float, show: Callable[[str], None]) -> dict:
    """Trains both, and evaluates both."""
    mode = fastest(rounds=3, show=show)
    with tempfile.TemporaryDirectory(prefix="ddpm-compare-") as name:
        folder = pathlib.Path(name)
        data = {split: folder / f"{split}.h5" for split in FILES}
        for split, path in data.items():
            run("dataset", "import", "idx", idx_file(mnist, split), "--output", path)
        noisy = folder / "noisy.h5"
        python("validation.py", "noise", data["test"], CONFIGURATION, "--count", VALIDATED,
               "--output", noisy)  # fmt: skip
        size = ["--config", str(CONFIGURATION), "--data", str(data["train"])]
        size += ["--workers", str(CORES)]
        begin = folder / "begin"
        python("training_peer.py", "--mode", "eager", *size, "--draw", begin)

        def words(run_name: str) -> list[str]:
            return [*size, "--run", str(folder / run_name)]

        ours = [str(PROGRAMS / "ddpm-dist"), "train", *words("ours")]
        ours += ["--init-from", str(begin), "--steps", str(10**8), "--set", "sample_every=0"]
        theirs = [python_of(mode), str(PEERS / "training_peer.py"), "--mode", mode.mode]
        theirs += [*words("theirs"), "--begin", str(begin)]
        # 75 says that a run has been asked to stop, and goes on another time.
        for who, command, expected in (("ours", ours, 75), ("theirs", theirs, 0)):
            show(f"quality: {who} trains for {minutes:g} minutes")
            train(command, 60 * minutes, expected, folder / f"{who}.log")
        show("quality: evaluating")
        imported = folder / "theirs.h5"
        run("import", "diffusers", folder / "theirs/pipeline", "--levels", "256", "--output", imported)
        found = {OURS.name: ("ours", folder / "ours"), mode.name: ("theirs", imported)}
        return {
            "minutes": minutes, "validated": VALIDATED, "bounded": BOUNDED,
            "trainers": {
                trainer: {"steps": steps_of(folder / who)}
                | evaluated(who, checkpoint, data["test"], noisy)
                for trainer, (who, checkpoint) in found.items()
            },
        }  # fmt: skip


def table(found: dict) -> list[list[str]]:
    """Head and rows: who, steps, loss, bounds."""
    rows = []
    for name, trainer in found["trainers"].items():
        row = [name, str(trainer["steps"])]
        row.append(f"{trainer['validation_loss']:.5f} ± {trainer['error']:.5f}")
        bounds = trainer["bounds"].values()
        row += [f"{bound['bits_per_dim']:.4f} ± {bound['error']:.4f}" for bound in bounds]
        rows.append(row)
    first = next(iter(found["trainers"].values()))
    bounds = [f"bits/dim, {name}" for name in first["bounds"]]
    return [["", "steps", "validation loss", *bounds], *rows]


def sentence(found: dict) -> str:
    """Who has learned more."""
    ours, theirs = found["trainers"].values()
    loss = ours["validation_loss"] / theirs["validation_loss"]
    # Of each the variance that suits it better.
    bits = [
        min(bound["bits_per_dim"] for bound in trainer["bounds"].values())
        for trainer in (ours, theirs)
    ]
    return (
        f"Ours/theirs: {ours['steps'] / theirs['steps']:.2f} times the steps, {loss:.4f} times the "
        f"validation loss ({found['validated']} images), {bits[0] - bits[1]:+.4f} bits/dim "
        f"({found['bounded']} images)."
    )


def text(found: dict) -> str:
    """For a terminal."""
    rows = table(found)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  " + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    return "\n".join([heading(found["minutes"]), *lines, f"  {sentence(found)}"])


def markdown(found: dict) -> str:
    """A section."""
    head, *rows = table(found)
    lines = [f"### {heading(found['minutes'])}", "", "| " + " | ".join(head) + " |"]
    lines.append("| --- |" + " ---: |" * (len(head) - 1))
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*lines, "", f"- {sentence(found)}"]) + "\n"

"""What starts a competitor of a measure: its command, and how its rounds are timed."""

import os
import pathlib
import sys

from competitors import Competitor
from measures import ROOT, Measure
from paced import Paced
from whole import FirstSteps, WholeProgram

PEERS = pathlib.Path(__file__).parent
PROGRAMS = ROOT / ".build" / "release"


def python_of(competitor: Competitor) -> str:
    """The Python that has a peer's packages."""
    variable = {"extension": "DDPM_COMPARE_EXTENSION_PYTHON"}.get(
        competitor.program, "DDPM_COMPARE_PYTHON"
    )
    return os.environ.get(variable) or sys.executable


def rounds_command(
    measure: Measure, competitor: Competitor, files: dict[str, pathlib.Path]
) -> list[str]:
    """A program of rounds that paced.py can drive."""
    size = ["--config", str(ROOT / "configs" / measure.configuration)]
    size += ["--batch", str(measure.batch * competitor.ranks), "--workers", str(measure.workers)]
    size += ["--steps", str(measure.steps), "--parts", measure.part]
    if competitor.is_ours:
        settings = [*measure.settings, *competitor.settings]
        if measure.shard_for_each_worker:
            shards = min(competitor.ranks * measure.workers, measure.batch * competitor.ranks)
            settings.append(f"shards={shards}")
        run = [str(ROOT / "launch" / "run.sh"), str(competitor.ranks), "benchmark", "--paced", *size]
        run += ["--data", str(files["data"])] if "data" in files else ["--images", measure.images]
        return [*run, *(["--set", *settings] if settings else [])]
    size += ["--images", measure.images]
    if competitor.program == "openvino":
        precision = "bf16" if competitor.in_bfloat16 else "f32"
        peer = [str(PEERS / "openvino_peer.py"), "--hint", competitor.mode, "--precision", precision]
        return [python_of(competitor), *peer, *size]
    for name in files:
        size += [f"--{name}", str(files[name])]
    if measure.settings:
        size += ["--set", *measure.settings]
    peer = [str(PEERS / "pytorch_peer.py"), "--mode", competitor.mode]
    return [python_of(competitor), *peer, *size]


def sampling_command(
    measure: Measure, competitor: Competitor, files: dict[str, pathlib.Path], folder: pathlib.Path
) -> list[str]:
    """A program that draws the images of a measure into a picture, and ends."""
    picture = str(folder / "samples.png")
    if competitor.is_ours:
        batch = ["--batch", str(competitor.batch)] if competitor.batch else []
        return [
            str(PROGRAMS / "ddpm-sample"), "--ckpt", str(files["checkpoint"]),
            "--sampler", "dpm-solver++", "--steps", str(measure.steps), "--count", str(measure.batch),
            "--workers", str(measure.workers), "--out", picture, *batch,
        ]  # fmt: skip
    return [
        python_of(competitor), str(PEERS / "sampling_peer.py"), "--mode", competitor.mode,
        "--pipeline", str(files["pipeline"]), "--steps", str(measure.steps),
        "--count", str(measure.batch), "--batch", str(competitor.batch or measure.batch),
        "--workers", str(measure.workers), "--out", picture,
    ]  # fmt: skip


def training_command(
    measure: Measure, competitor: Competitor, files: dict[str, pathlib.Path], folder: pathlib.Path
) -> list[str]:
    """A program that trains on a file and writes a line a step to metrics.jsonl in a folder."""
    words = [
        "--config", str(ROOT / "configs" / measure.configuration), "--data", str(files["data"]),
        "--run", str(folder / "run"), "--batch", str(measure.batch),
        "--workers", str(measure.workers),
    ]  # fmt: skip
    if competitor.is_ours:
        run = [str(PROGRAMS / "ddpm-dist")]
        if competitor.ranks:
            run = [str(ROOT / "launch" / "run.sh"), str(competitor.ranks)]
        return [*run, "train", *words, *(["--set", *competitor.settings] if competitor.settings else [])]
    peer = [str(PEERS / "training_peer.py"), "--mode", competitor.mode]
    return [python_of(competitor), *peer, *words]


def program(
    measure: Measure, competitor: Competitor, files: dict[str, pathlib.Path]
) -> Paced | WholeProgram | FirstSteps:
    """The competitor, started where it works in rounds, else to be started in each."""
    if measure.part == "sampling":
        return WholeProgram(
            lambda folder: sampling_command(measure, competitor, files, folder), measure.batch
        )
    if measure.part == "start-up":
        return FirstSteps(
            lambda folder: training_command(measure, competitor, files, folder), measure.steps
        )
    return Paced(rounds_command(measure, competitor, files))

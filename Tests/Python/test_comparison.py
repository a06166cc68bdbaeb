"""Checks launch/compare.sh: its arithmetic, that its programs stand still between their turns, and that a
peer which cannot take part is left out with a line.

    python test_comparison.py [unittest's arguments]

It needs neither PyTorch nor our programs. The last line reads "N passed, N failed".
"""

import ast
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import unittest
from unittest import mock

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "launch" / "peers"))

import captions
import compare
import machine
import preparation
import programs
import quality
import report
from competitors import (
    BFLOAT16, CHANNELS_LAST, COMPILED, EAGER, EAGER_BFLOAT16, EXTENSION, EXTENSION_BFLOAT16,
    FLOAT32, OPENVINO_BFLOAT16, OURS, OURS_BFLOAT16, OURS_LESS, TWO_RANKS,
)  # fmt: skip
from measures import MEASURES, large_measures
from modes import Mode
from paced import Paced, PacedError, TooSlow, descendants
from ratios import Spread, ratios, rotated
from results import Outcome, Result
from whole import FirstSteps, WholeProgram

MEASURE = {measure.name: measure for measure in MEASURES}
STEP, MEMORY = MEASURE["cifar10-step"], MEASURE["cifar10-memory"]

ECHO = """
import json, sys
print("a line that is not JSON")
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    print(json.dumps({"part": line.strip()}), flush=True)
"""

WORKER = """
import json, sys
print(json.dumps({"ready": True, "parameters": PARAMETERS, "versions": {"NAME": "1"}}), flush=True)
for line in sys.stdin:
    print(json.dumps({"images": IMAGES, "seconds": 2, "peak_memory_bytes": 10**9}), flush=True)
"""
"""A program that works in rounds, of a network of some size, at some speed."""


def script(text: str, **values) -> list[str]:
    """What starts a Python with a script in which some names are replaced."""
    for name, value in values.items():
        text = text.replace(name.upper(), str(value))
    return [sys.executable, "-c", text]


class Ratios(unittest.TestCase):
    """Spreads, ratios, orders."""

    def test_ratio_is_of_the_same_round(self):
        # The machine was twice as slow in the second round: the ratio does not see it.
        self.assertEqual(ratios([4.0, 2.0], [2.0, 1.0]), [2.0, 2.0])

    def test_median_of_an_even_number_is_the_middle(self):
        self.assertEqual(Spread.of([4.0, 1.0, 3.0, 2.0]), Spread(1.0, 2.5, 4.0))

    def test_each_comes_first_equally_often(self):
        orders = [rotated(["a", "b", "c"], round_) for round_ in range(4)]
        self.assertEqual([order[0] for order in orders], ["a", "b", "c", "a"])
        self.assertTrue(all(sorted(order) == ["a", "b", "c"] for order in orders))


class Verdicts(unittest.TestCase):
    """Bars, reached and missed."""

    def result(self, measure, outcomes: dict) -> Result:
        """A result in which everyone else was left out."""
        everyone = (*measure.ours, *measure.peers)
        left_out = {one.name: Outcome(remark="left out") for one in everyone}
        return Result(measure, 1, left_out | {one.name: value for one, value in outcomes.items()})

    def peer(self, values: list[float], *ours: list[float]) -> Outcome:
        """A peer that has run beside the first of ours, the second of ours, …"""
        names = [OURS.name, OURS_BFLOAT16.name]
        return Outcome(values, dict(zip(names, ours)))

    def test_the_fastest_of_theirs_counts(self):
        # The machine was twice as fast while the first ran: what counts is what ours did beside it.
        result = self.result(
            STEP, {
                OURS: Outcome([8.8, 4.6, 4.4]), EAGER: self.peer([2.4] * 3, [8.8] * 3),
                CHANNELS_LAST: self.peer([2.0] * 3, [4.4, 4.6, 4.4]),
            },
        )  # fmt: skip
        float32 = result.verdicts()[0]
        self.assertEqual((float32.ours, float32.best), (OURS.name, CHANNELS_LAST.name))
        self.assertEqual(float32.ratio, Spread(2.2, 2.2, 2.3))
        self.assertFalse(float32.met or float32.aim_met)

    def test_the_extension_counts_too(self):
        outcomes = {OURS: Outcome([5.0]), EAGER: self.peer([1.0], [5.0])}
        self.assertTrue(self.result(STEP, outcomes).verdicts()[0].aim_met)
        outcomes[EXTENSION] = self.peer([2.0], [5.0])
        verdict = self.result(STEP, outcomes).verdicts()[0]
        self.assertEqual((verdict.best, verdict.met, verdict.aim_met), (EXTENSION.name, True, False))

    def test_the_fastest_of_ours_counts(self):
        result = self.result(
            STEP, {
                OURS: Outcome([4.0]), OURS_BFLOAT16: Outcome([6.0]),
                EAGER: self.peer([2.0], [4.0], [6.0]),
                EAGER_BFLOAT16: self.peer([4.0], [4.0], [6.0]),
                EXTENSION_BFLOAT16: self.peer([3.0], [4.0], [6.0]),
            },
        )  # fmt: skip
        float32, bfloat16 = result.verdicts()
        # Float32 against Float32.
        self.assertEqual((float32.ours, float32.ratio.median), (OURS.name, 2.0))
        self.assertEqual((bfloat16.ours, bfloat16.best), (OURS_BFLOAT16.name, EAGER_BFLOAT16.name))
        self.assertEqual(bfloat16.ratio.median, 1.5)
        self.assertEqual((bfloat16.met, bfloat16.aim_met), (True, False))
        self.assertIn("ddpm-dist, bfloat16, against the best", report.sentences(result)[1])

    def test_too_slow_to_be_measured(self):
        result = self.result(
            STEP, {
                OURS: Outcome([4.4, 4.6, 4.4]), EAGER: self.peer([1.0] * 3, [4.4, 4.6, 4.4]),
                EAGER_BFLOAT16: Outcome(remark="left out", ceiling=0.1),
            },
        )  # fmt: skip
        bfloat16 = result.verdicts()[1]
        # At least 4.4/0.1.
        self.assertAlmostEqual(bfloat16.floor, 44)
        self.assertTrue(bfloat16.met and bfloat16.aim_met)
        self.assertIn("more than 44.0", report.sentences(result)[1])

    def test_nothing_measured_is_nothing_met(self):
        result = self.result(STEP, {OURS: Outcome([1.0]), EAGER: self.peer([1.0], [1.0])})
        verdict = result.verdicts()[1]
        self.assertIsNone(verdict.ratio)
        self.assertFalse(verdict.met or verdict.aim_met)
        self.assertIn("not measured", report.sentences(result)[1])

    def test_less_memory_is_better(self):
        def peer(value: float) -> Outcome:
            return Outcome([value], {OURS.name: [0.8], OURS_LESS.name: [0.5]})

        outcomes = {
            OURS: Outcome([0.8]), OURS_LESS: Outcome([0.5]), EAGER: peer(2.0),
            CHANNELS_LAST: peer(1.25),
        }  # fmt: skip
        normal, less = self.result(MEMORY, outcomes).verdicts()
        self.assertEqual((normal.best, normal.ratio.median), (CHANNELS_LAST.name, 0.64))
        self.assertEqual((normal.met, normal.aim_met), (True, False))
        self.assertEqual((less.ours, less.best), (OURS_LESS.name, CHANNELS_LAST.name))
        self.assertEqual((less.ratio.median, less.met, less.aim_met), (0.4, True, False))

    def test_a_figure_without_a_peer(self):
        measure = MEASURE["start-up"]
        result = self.result(measure, {OURS: Outcome([1.4, 1.2, 1.3])})
        (verdict,) = result.verdicts()
        self.assertEqual((verdict.ratio, verdict.met, verdict.aim_met), (Spread(1.2, 1.3, 1.4), True, False))
        self.assertIn("at most 1.5 s (met)", report.sentences(result)[0])
        # Everything can be printed, and read as JSON, where nobody else took part.
        self.assertIn("left out", report.text(result))
        self.assertIn("left out", report.markdown({"CPU": "x"}, 3, [result]))
        found = json.loads(report.as_json({"CPU": "x"}, 3, [result]))
        self.assertEqual(found["measures"][0]["bars"][0]["figure"]["median"], 1.3)


class Report(unittest.TestCase):
    """Numbers as they are printed."""

    def test_three_digits_count(self):
        printed = [report.figures(value) for value in (0.0312, 0.97, 2.314, 45.67, 1234.5)]
        self.assertEqual(printed, ["0.0312", "0.970", "2.31", "45.7", "1234"])
        self.assertEqual([report.figures(value) for value in (0, -0.25)], ["0", "-0.250"])

    def test_quality_says_who_has_learned_more(self):
        def trainer(steps: int, loss: float, *bits: float) -> dict:
            names = ("fixed_large", "fixed_small")
            bounds = {n: {"bits_per_dim": b, "error": 0.01} for n, b in zip(names, bits)}
            return {"steps": steps, "validation_loss": loss, "error": 0.001, "bounds": bounds}

        found = {
            "minutes": 1, "validated": 8, "bounded": 4,
            "trainers": {"a": trainer(300, 0.02, 2.5, 2.0), "b": trainer(100, 0.025, 2.25, 3.0)},
        }  # fmt: skip
        # Of each the better bound: 2.0 and 2.25.
        expected = "3.00 times the steps, 0.8000 times the validation loss (8 images), -0.2500 bits/dim"
        self.assertIn(expected, quality.text(found))
        self.assertIn(expected, quality.markdown(found))


class Turns(unittest.TestCase):
    """A program that works when it is told to."""

    def test_answers_when_asked(self):
        paced = Paced([sys.executable, "-c", ECHO])
        self.addCleanup(paced.end)
        self.assertEqual(paced.wait_until_ready(20, 20), {"ready": True})
        self.assertEqual(paced.round("step", 20), {"part": "step"})
        self.assertEqual(paced.round("evaluation", 20), {"part": "evaluation"})

    def test_descendants_stand_still_between_rounds(self):
        spinning = (
            "import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', 'while 1: pass'])"
        )
        paced = Paced([sys.executable, "-c", spinning + ECHO])
        self.addCleanup(paced.kill)
        paced.wait_until_ready(20, 20)
        time.sleep(0.1)
        processes = descendants(paced._process.pid)
        self.assertEqual(len(processes), 2)
        before = [processor_time(process) for process in processes]
        time.sleep(0.3)
        self.assertEqual([processor_time(process) for process in processes], before)

    def test_outlives_the_shell_that_has_started_it(self):
        # The group of a shell that ends gets SIGHUP where one of its members stands still.
        text = """
import sys, time
sys.path.insert(0, "FOLDER")
from paced import Paced
program = Paced([sys.executable, "-c", sys.argv[1]])
program.wait_until_ready(20, 20)
time.sleep(2)
print(program.round("step", 20))
program.end()
""".replace("FOLDER", str(ROOT / "launch" / "peers"))
        # The inner shell, a job of the outer one, ends when the program stands still. As mpirun does,
        # the program listens to SIGHUP again.
        hears = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        inner = 'nohup "$0" -c "$1" "$2" & sleep 1'
        outer = f"set -m; bash -c '{inner}' \"$@\" & wait"
        shell = ["bash", "-c", outer, "bash", sys.executable, text, hears + ECHO]
        done = subprocess.run(shell, capture_output=True, text=True, start_new_session=True)
        self.assertIn("{'part': 'step'}", done.stdout, done.stderr)

    def test_says_why_a_program_ended(self):
        paced = Paced([sys.executable, "-c", "raise ValueError('no such thing')"])
        with self.assertRaisesRegex(PacedError, "exit code 1: ValueError: no such thing"):
            paced.wait_until_ready(20, 20)
        paced.kill()

    def test_does_not_wait_for_ever(self):
        paced = Paced([sys.executable, "-c", "import time; time.sleep(60)"])
        with self.assertRaises(TooSlow):
            paced.wait_until_ready(0.2, 0.2)
        paced.kill()


class WholePrograms(unittest.TestCase):
    """Programs that are started anew in each round."""

    def test_a_program_is_timed_to_its_end(self):
        started = WholeProgram(
            lambda folder: script("import time; x = b'1' * 50_000_000; time.sleep(0.3)"), images=8
        )
        self.assertTrue(started.wait_until_ready(20, 20)["ready"])
        answer = started.round("sampling", 20)
        self.assertEqual(answer["images"], 8)
        self.assertGreater(answer["seconds"], 0.3)
        self.assertGreater(answer["peak_memory_bytes"], 50_000_000)

    def test_a_program_that_fails_says_why(self):
        started = WholeProgram(lambda folder: script("raise OSError('no disk')"), images=8)
        with self.assertRaisesRegex(PacedError, "exit code 1: OSError: no disk"):
            started.round("sampling", 20)

    def test_the_time_before_the_first_step_has_no_step_in_it(self):
        text = """
import os, pathlib, time
time.sleep(0.5)
run = pathlib.Path("FOLDER/run")
run.mkdir()
pathlib.Path("PROCESS").write_text(str(os.getpid()))
with open(run / "metrics.jsonl", "w", buffering=1) as file:
    while True:
        time.sleep(1)
        file.write("{}\\\\n")
""".replace("\\\\n", "\\n")
        with tempfile.TemporaryDirectory() as folder:
            process = pathlib.Path(folder) / "process"
            started = FirstSteps(
                lambda run: script(text, folder=run, process=process), steps=3
            )
            answer = started.round("start-up", 30)
            # Half a second, and Python's own start; the first step is taken off.
            self.assertGreater(answer["seconds"], 0.5)
            self.assertLess(answer["seconds"], 1.4)
            self.assertGreater(answer["peak_memory_bytes"], 1_000_000)
            # It would go on for ever.
            self.assertFalse(pathlib.Path(f"/proc/{process.read_text()}").exists())


class Comparison(unittest.TestCase):
    """Who takes part."""

    def compared(self, measure, scripts: dict, rounds: int = 3, **patches):
        """A comparison in which each competitor is a script, or cannot be started."""

        def program(measure, competitor, paths):
            if competitor.name not in scripts:
                raise FileNotFoundError(f"no {competitor.name}")
            return Paced(scripts[competitor.name])

        facts: dict[str, str] = {}
        with (
            mock.patch.object(compare, "program", program),
            mock.patch.object(compare, "files", lambda kind, folder: {}),
            mock.patch.object(machine, "cpuinfo", lambda: patches.get("cpuinfo", "flags : avx2")),
            mock.patch.object(compare, "BFLOAT16_SECONDS", 1),
            mock.patch.object(compare, "show", lambda line: None),
        ):
            return compare.run(measure, rounds, facts), facts

    def test_who_cannot_take_part_is_left_out_with_a_line(self):
        ours, theirs = (script(WORKER, parameters=5, name=n, images=i) for n, i in (("us", 8), ("it", 2)))
        other = script(WORKER, parameters=6, name="other", images=2)
        broken = script("raise ImportError('no torch')")
        ends = script(WORKER + "    sys.exit('SystemError: out of luck')\n", parameters=5, name="x", images=2)
        result, facts = self.compared(
            STEP, {
                OURS.name: ours, EAGER.name: broken, CHANNELS_LAST.name: theirs, COMPILED.name: other,
                EXTENSION.name: ends,
            },
        )  # fmt: skip
        said = {name: outcome.remark for name, outcome in result.outcomes.items()}
        self.assertEqual((said[OURS.name], said[CHANNELS_LAST.name]), ("", ""))
        self.assertIn("ImportError: no torch", said[EAGER.name])
        self.assertIn("6 parameters, not 5", said[COMPILED.name])
        self.assertIn("SystemError: out of luck", said[EXTENSION.name])
        self.assertEqual(said[OURS_BFLOAT16.name], compare.NO_BFLOAT16)
        self.assertEqual(result.outcomes[CHANNELS_LAST.name].values, [1.0] * 3)
        self.assertEqual(result.ratio(CHANNELS_LAST.name), Spread(4.0, 4.0, 4.0))
        self.assertEqual(facts, {"us": "1", "it": "1", "other": "1", "x": "1"})
        # Every one of them is in the table.
        for name in said:
            self.assertIn(name, report.text(result))

    def test_bfloat16_on_a_cpu_without_it(self):
        ours = script(WORKER, parameters=5, name="us", images=8)
        slow = script(
            "import json, time; print(json.dumps({'warming_up': True}), flush=True); time.sleep(60)"
        )
        scripts = {one.name: slow for one in (*BFLOAT16, EXTENSION_BFLOAT16)}
        result, _ = self.compared(STEP, scripts | {OURS.name: ours})
        outcomes = result.outcomes
        # One mode shows it; the others are believed.
        self.assertIn("one step took longer than 1 s", outcomes[EAGER_BFLOAT16.name].remark)
        self.assertEqual(outcomes[EAGER_BFLOAT16.name].ceiling, 16)
        for other in (*BFLOAT16[1:], EXTENSION_BFLOAT16):
            self.assertEqual(outcomes[other.name].remark, compare.NO_BFLOAT16)
        # Where Float32 modes count too, nobody waits.
        result, _ = self.compared(MEASURE["mnist-step"], scripts | {OURS.name: ours})
        for other in BFLOAT16:
            self.assertEqual(result.outcomes[other.name].remark, compare.NO_BFLOAT16)
        # With the instructions, all take part.
        fast = script(WORKER, parameters=5, name="it", images=4)
        scripts = {one.name: fast for one in (*FLOAT32, *BFLOAT16)}
        scripts |= {OURS.name: ours, OURS_BFLOAT16.name: ours}
        result, _ = self.compared(MEASURE["mnist-step"], scripts, cpuinfo="flags : amx_bf16")
        self.assertEqual([outcome.remark for outcome in result.outcomes.values()], [""] * 8)

    def test_without_ours_there_is_no_comparison(self):
        with self.assertRaisesRegex(compare.Failure, "ddpm-dist was left out"):
            self.compared(STEP, {OURS.name: script("raise OSError('no program')")})

    def test_ours_alone_is_measured_too(self):
        ours = script(WORKER, parameters=0, name="us", images=8)
        result, _ = self.compared(MEASURE["start-up"], {OURS.name: ours}, rounds=2)
        self.assertEqual(result.outcomes[OURS.name].values, [2.0, 2.0])

    def test_large_networks_are_never_in_memory_together(self):
        # Each leaves a file while it runs, and ends with an error where another one is there.
        text = WORKER.replace("import json, sys", """
import json, pathlib, sys
if list(pathlib.Path("FOLDER").iterdir()): sys.exit("SystemError: not alone")
pathlib.Path("FOLDER/NAME").touch()""") + """
pathlib.Path("FOLDER/NAME").unlink()
"""
        with tempfile.TemporaryDirectory() as folder:
            scripts = {
                one.name: script(text, parameters=5, name=place, images=8 - place, folder=folder)
                for place, one in enumerate((OURS, EAGER, CHANNELS_LAST))
            }
            for is_large, remark in ((True, ""), (False, "not alone")):
                measure = dataclasses.replace(STEP, is_large=is_large)
                result, _ = self.compared(measure, scripts)
                self.assertIn(remark, result.outcomes[EAGER.name].remark)
                self.assertEqual(result.outcomes[OURS.name].values, [4.0] * 3)
                self.assertEqual(bool(result.outcomes[EAGER.name].remark), not is_large)
            result, _ = self.compared(dataclasses.replace(STEP, is_large=True), scripts)
            self.assertEqual(result.ratio(CHANNELS_LAST.name).median, 8 / 6)

    def test_who_computes_in_bfloat16(self):
        for text, expected in (
            ("processor : 0\nflags\t\t: fpu avx2 avx512_bf16\n", True),
            ("flags : avx2 avx512f avx512bw\n", False), ("Features\t: fp asimd bf16\n", True),
            ("flags : avx2\n\nflags : amx_bf16\n", False), ("", False),
        ):  # fmt: skip
            self.assertEqual(machine.computes_in_bfloat16(text), expected, text)


class Commands(unittest.TestCase):
    """What starts the programs."""

    def words(self, name: str, competitor, **files) -> str:
        return " ".join(programs.rounds_command(MEASURE[name], competitor, files))

    def test_settings_reach_both(self):
        self.assertIn("--set condition=class", self.words("class-step", OURS))
        self.assertIn("--set condition=class", self.words("class-step", EAGER))
        self.assertIn("--set precision=bfloat16 shards=2", self.words("cifar10-step", OURS_BFLOAT16))
        self.assertIn("--set memory=less shards=1", self.words("cifar10-memory", OURS_LESS))

    def test_ranks_share_what_is_more(self):
        words = self.words("cifar10-scaling", TWO_RANKS)
        self.assertIn("run.sh 2 benchmark", words)
        self.assertIn("--batch 16 --workers 1", words)
        self.assertIn("--set shards=2", words)

    def test_captions_come_from_a_file(self):
        ours = self.words("text-step", OURS, data="a.h5", checkpoint="b.h5")
        theirs = self.words("text-step", COMPILED, data="a.h5", checkpoint="b.h5")
        self.assertIn("--data a.h5", ours)
        self.assertNotIn("--images", ours)
        self.assertNotIn("b.h5", ours)
        self.assertIn("--images 16x16x1 --data a.h5 --checkpoint b.h5", theirs)

    def test_each_peer_has_its_python(self):
        pythons = {"DDPM_COMPARE_PYTHON": "/a", "DDPM_COMPARE_EXTENSION_PYTHON": "/b"}
        with mock.patch.dict("os.environ", pythons):
            self.assertTrue(self.words("cifar10-step", EXTENSION).startswith("/b "))
            self.assertTrue(self.words("cifar10-step", EAGER).startswith("/a "))
            words = self.words("cifar10-evaluation", OPENVINO_BFLOAT16)
            self.assertTrue(words.startswith("/a "))
            self.assertIn("--hint LATENCY --precision bf16", words)

    def test_modes_are_words(self):
        self.assertEqual(Mode.parsed("eager"), Mode())
        self.assertEqual(
            Mode.parsed("channels-last+compiled+bfloat16"),
            Mode(channels_last=True, compiled=True, bfloat16=True),
        )
        with self.assertRaises(ValueError):
            Mode.parsed("eager+fast")
        for measure in MEASURES:
            for peer in measure.peers:
                if peer.program in ("pytorch", "extension"):
                    self.assertEqual(Mode.parsed(peer.mode).bfloat16, peer.in_bfloat16, peer.name)

    def test_bars_name_those_who_take_part(self):
        for measure in MEASURES:
            for bar in measure.bars:
                self.assertLessEqual(set(bar.others), set(measure.peers), measure.name)
                self.assertLessEqual(set(bar.ours), set(measure.ours), measure.name)
            names = [one.name for one in (*measure.ours, *measure.peers)]
            self.assertEqual(len(names), len(set(names)), measure.name)

    def test_large_images_are_those_that_have_a_configuration(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            self.assertEqual(large_measures(folder), ())
            for file in ("large128.yaml", "large64.yaml", "larger.yaml"):
                (folder / file).touch()
            found = [(measure.name, measure.images) for measure in large_measures(folder)]
            self.assertEqual(found, [("large64", "64x64x3"), ("large128", "128x128x3")])


class Preparation(unittest.TestCase):
    """Files for the programs."""

    def test_images_are_in_the_format_of_numpy(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "x.npy"
            preparation.random_images(path, 3, 4, 5, 1)
            content = path.read_bytes()
        length = int.from_bytes(content[8:10], "little")
        self.assertEqual((content[:8], (10 + length) % 64), (b"\x93NUMPY\1\0", 0))
        head = ast.literal_eval(content[10 : 10 + length].decode())
        self.assertEqual(head, {"descr": "|u1", "fortran_order": False, "shape": (3, 4, 5, 1)})
        self.assertEqual(len(content), 10 + length + 60)

    def test_captions_become_the_tokens_that_were_recorded(self):
        recorded = json.loads((ROOT / "Tests/TextTests/Fixtures/tokenizer.json").read_text())
        compared = 0
        for case in recorded["cases"]:
            pairs = case["pairs"]
            ranks = {pair: rank for rank, pair in enumerate(zip(pairs[::2], pairs[1::2]))}
            for text, tokens in zip(recorded["texts"], case["tokens"], strict=True):
                # The others are recorded as they stand, and captions are normalized.
                if text and [text, text] in recorded["normalized"]:
                    self.assertEqual(captions.tokens_of(text, ranks), [256, *tokens, 257])
                    compared += 1
        self.assertGreater(compared, 40)

    def test_a_folder_without_mnist_is_told(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "train-images-idx3-ubyte.gz").touch()
            self.assertEqual(quality.missing_files(folder), "t10k-images-idx3-ubyte")
            (folder / "t10k-images-idx3-ubyte").touch()
            self.assertEqual(quality.missing_files(folder), "")


def processor_time(process: int) -> int:
    """The ticks that a process has computed."""
    stat = pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(stat[11]) + int(stat[12])


def main():
    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

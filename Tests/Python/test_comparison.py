"""Checks launch/compare.sh: its arithmetic, and that its programs stand still between their turns.

    python test_comparison.py [unittest's arguments]

It needs neither PyTorch nor our programs. The last line reads "N passed, N failed".
"""

import pathlib
import sys
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "launch" / "peers"))

import report
from measures import BFLOAT16, CHANNELS_LAST, COMPILED, EAGER, MEASURES, OURS
from paced import Paced, PacedError, TooSlow, descendants
from ratios import Spread, best, ratios, rotated
from results import Outcome, Result

STEP = next(measure for measure in MEASURES if measure.name == "cifar10-step")
MEMORY = next(measure for measure in MEASURES if measure.name == "cifar10-memory")

ECHO = """
import json, sys
print("a line that is not JSON")
print(json.dumps({"ready": True}), flush=True)
for line in sys.stdin:
    print(json.dumps({"part": line.strip()}), flush=True)
"""


class Ratios(unittest.TestCase):
    """Spreads, ratios, orders."""

    def test_ratio_is_of_the_same_round(self):
        # The machine was twice as slow in the second round: the ratio does not see it.
        self.assertEqual(ratios([4.0, 2.0], [2.0, 1.0]), [2.0, 2.0])

    def test_median_of_an_even_number_is_the_middle(self):
        self.assertEqual(Spread.of([4.0, 1.0, 3.0, 2.0]), Spread(1.0, 2.5, 4.0))

    def test_best_depends_on_what_is_better(self):
        values = {"a": [1.0, 9.0, 2.0], "b": [3.0, 3.0, 3.0]}
        self.assertEqual(best(values, more_is_better=True), "b")
        self.assertEqual(best(values, more_is_better=False), "a")

    def test_each_comes_first_equally_often(self):
        orders = [rotated(["a", "b", "c"], round_) for round_ in range(4)]
        self.assertEqual([order[0] for order in orders], ["a", "b", "c", "a"])
        self.assertTrue(all(sorted(order) == ["a", "b", "c"] for order in orders))


class Verdicts(unittest.TestCase):
    """Bars, reached and missed."""

    def result(self, measure, **outcomes: Outcome) -> Result:
        """Outcomes by the names of this file's imports."""
        names = {"ours": OURS, "eager": EAGER, "last": CHANNELS_LAST}
        names |= {"compiled": COMPILED, "bfloat16": BFLOAT16}
        return Result(measure, 1, {names[key].name: value for key, value in outcomes.items()})

    def test_the_fastest_counts(self):
        result = self.result(
            STEP, ours=Outcome([4.4, 4.6, 4.4]), eager=Outcome([1.0, 1.0, 1.0]),
            last=Outcome([2.0, 2.0, 2.0]), compiled=Outcome(remark="left out"),
            bfloat16=Outcome(remark="left out", ceiling=0.1),
        )  # fmt: skip
        float32, bfloat16 = result.verdicts()
        self.assertEqual(float32.best, CHANNELS_LAST.name)
        self.assertEqual(float32.ratio, Spread(2.2, 2.2, 2.3))
        self.assertTrue(float32.met)
        self.assertFalse(float32.aim_met)
        # Too slow to be measured: at least 4.4/0.1.
        self.assertAlmostEqual(bfloat16.floor, 44)
        self.assertTrue(bfloat16.met and bfloat16.aim_met)
        self.assertIn("more than 44.0", report.sentences(result)[1])

    def test_nothing_measured_is_nothing_met(self):
        left_out = Outcome(remark="left out")
        result = self.result(
            STEP, ours=Outcome([1.0]), eager=Outcome([1.0]), last=left_out, compiled=left_out,
            bfloat16=left_out,
        )  # fmt: skip
        verdict = result.verdicts()[1]
        self.assertIsNone(verdict.ratio)
        self.assertFalse(verdict.met or verdict.aim_met)

    def test_less_memory_is_better(self):
        result = self.result(MEMORY, ours=Outcome([0.8]), eager=Outcome([2.0]), last=Outcome([1.0]))
        (verdict,) = result.verdicts()
        self.assertEqual((verdict.best, verdict.ratio.median), (CHANNELS_LAST.name, 0.8))
        self.assertTrue(verdict.met)
        self.assertFalse(verdict.aim_met)


class Report(unittest.TestCase):
    """Numbers as they are printed."""

    def test_three_digits_count(self):
        printed = [report.figures(value) for value in (0.0312, 0.97, 2.314, 45.67, 1234.5)]
        self.assertEqual(printed, ["0.0312", "0.970", "2.31", "45.7", "1234"])


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

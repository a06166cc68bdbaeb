"""Trains, or times the exchange, over TCP between "hosts" that launch/hosts.sh makes.

    python test_hosts.py FOLDER_OF_THE_TWO_PROGRAMS [unittest's arguments]
    python test_hosts.py FOLDER_OF_THE_TWO_PROGRAMS --measure
    python test_hosts.py FOLDER_OF_THE_TWO_PROGRAMS --levels

The tests: checkpoints must be those of one rank. The last line reads "N passed, N failed".

The measurement prints a table of times beside those of the model in launch/scaling.py, and ends
with the code 1 where one is not as the model says. It is no test: on a machine that does something
else as well, times are what they are.

The levels: eight hosts of two ranks on links of 200 Mbit/s, once with all ranks in one group and once
by node, in turns; what goes between hosts, as the exchange counts it and as their links do.

Where hosts cannot be made, a sentence says why and the code is 77.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

import h5py
import numpy as np

root = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(root / "launch"))
sys.dont_write_bytecode = True
import scaling  # noqa: E402

SETTINGS = ("channels=8", "groups=4", "batch=32", "diffusion_steps=20", "sample_every=0",
            "warmup_steps=2")  # fmt: skip
STEPS = 6
RATES = (100, 200)
"""Mbit/s: what two busy cores move with ease."""
PAYLOAD = 1448 / 1514
"""What TCP carries of the rate of `tc`, which does not count preamble and gap."""
TOLERANCE = 0.25
EAGER = 1 << 16
"""Open MPI announces longer messages over TCP, and waits for an answer."""

programs = pathlib.Path()
"""The folder of ddpm-dist, from the command line."""


def run(*command, **environment) -> None:
    """Runs a command; fails with what it said."""
    words = [str(word) for word in command]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=100, check=False,
        stdin=subprocess.DEVNULL, env=os.environ | environment)  # fmt: skip
    if done.returncode != 0:
        raise AssertionError(
            f"{' '.join(words)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")  # fmt: skip


def hosts(count: int, rate: int | None = None, ranks: int = 1, traffic=None) -> list:
    """The beginning of a command that runs on hosts, with so many ranks on each."""
    options = ["--rate", f"{rate}mbit"] if rate else []
    options += ["--traffic", traffic] if traffic else []
    return [root / "launch" / "hosts.sh", "--seconds", 90, "--ranks", ranks, *options, count]


def content(checkpoint: pathlib.Path) -> dict[str, object]:
    """Every object and attribute of a checkpoint outside /provenance, by name."""
    found = {}

    def value(data) -> object:
        array = np.asarray(data)
        shape = f"{array.dtype} {array.shape} "
        return shape + repr(array.tolist()) if array.dtype == object else (shape, array.tobytes())

    def visit(name, item):
        if name.split("/")[0] == "provenance":
            return
        found[name] = value(item[()]) if isinstance(item, h5py.Dataset) else ""
        for key, attribute in item.attrs.items():
            found[f"{name}@{key}"] = value(attribute)

    with h5py.File(checkpoint) as file:
        visit("/", file)
        file.visititems(visit)
    return found


class Training(unittest.TestCase):
    """The promise of equal bits, over a network."""

    def train(self, name: str, *launcher) -> dict[str, object]:
        with tempfile.TemporaryDirectory() as folder:
            run(*launcher, programs / "ddpm-dist", "train", "--run", folder, "--steps", STEPS,
                "--workers", 1, "--set", "shards=16", *SETTINGS)  # fmt: skip
            found = content(pathlib.Path(folder) / "checkpoints" / f"step-{STEPS:08}.h5")
        self.assertGreater(len(found), 50, name)
        return found

    def test_hosts_write_the_checkpoint_of_one_rank(self):
        alone = self.train("one rank")
        for count, ranks in ((2, 1), (4, 1), (2, 2), (4, 2)):
            name = f"{count} hosts of {ranks}"
            together = self.train(name, *hosts(count, ranks=ranks))
            different = [k for k in alone | together if alone.get(k) != together.get(k)]
            self.assertEqual(different, [], name)


class Preflight(unittest.TestCase):
    """`ddpm-dist check`, where one host is not as the other."""

    def check(self, folder, *options, first="", second="", program=None, workers=1):
        """Checks on two hosts, each after shell words of its own; gives code and text."""
        dist = programs / "ddpm-dist"
        start = folder / "start.sh"
        start.write_text(
            f"""#!/usr/bin/env bash
            set -e
            program={dist}
            if [[ $(hostname) == host1 ]]; then
              {first or ":"}
            else
              program={program or dist}
              {second or ":"}
            fi
            exec "$program" "$@"
            """)
        start.chmod(0o755)
        # A mount in a namespace of its own is seen by this rank alone.
        words = [*hosts(2), "unshare", "--mount", start, "check", "--steps", STEPS, "--workers",
                 workers, "--run", folder / "runs" / "new", *options, "--set", *SETTINGS]  # fmt: skip
        done = subprocess.run(
            [str(word) for word in words], capture_output=True, text=True, timeout=100,
            check=False, stdin=subprocess.DEVNULL)  # fmt: skip
        self.assertFalse((folder / "runs" / "new").exists())
        return done.returncode, done.stdout + done.stderr

    def assert_finds(self, found, code: int, *parts: str):
        self.assertEqual(found[0], code, found[1])
        for part in parts:
            self.assertIn(part, found[1])

    def test_equal_hosts_can_work(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            found = self.check(folder, "--nodes", "1,2,4")
            self.assert_finds(found, 0, "2 machines, 2 ranks", "ob1: tcp", "us a message (measured)")
            self.assertNotIn("another folder", found[1])
            self.assertEqual([path.name for path in folder.iterdir()], ["start.sh"])

    def test_another_program_is_named(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            other = folder / "other"
            other.write_bytes((programs / "ddpm-dist").read_bytes() + b"\0")
            other.chmod(0o755)
            found = self.check(folder, program=other)
            self.assert_finds(found, 69, "program", "rank 1 on host2")

    def dataset(self, path: pathlib.Path, value: int):
        """Images without a checksum."""
        with h5py.File(path, "w") as file:
            file.attrs["format"], file.attrs["version"] = "ddpm-dataset", 1
            pixels = np.full((STEPS * 32, 8, 8, 1), value, np.uint8)
            pixels[0, 0, 0, 0] = 16
            file["images"] = pixels
            file["images"].attrs["levels"], file["images"].attrs["layout"] = 17, "NHWC"

    def test_a_stale_copy_of_the_data_is_named(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            self.dataset(folder / "data.h5", 1)
            self.dataset(folder / "stale.h5", 2)
            found = self.check(
                folder, "--data", folder / "data.h5",
                second=f"mount --bind {folder}/stale.h5 {folder}/data.h5")  # fmt: skip
            self.assert_finds(found, 65, "data", "other images than on host1: host2")

    def test_a_folder_of_its_own_is_named(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "runs").mkdir()
            found = self.check(folder, second=f"mount -t tmpfs tmpfs {folder}/runs")
            self.assert_finds(found, 0, "another folder on host2", "shared folder")
            self.assertEqual(list((folder / "runs").iterdir()), [])

    def test_a_full_disk_is_named(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            (folder / "runs").mkdir()
            mount = f"mount -t tmpfs -o size=500k tmpfs {folder}/runs"
            self.assert_finds(self.check(folder, first=mount), 69, "disk", "Make room")

    def test_more_workers_than_cores_are_named(self):
        with tempfile.TemporaryDirectory() as name:
            found = self.check(pathlib.Path(name), workers=64)
            self.assert_finds(found, 0, "warning", "host1: 1 rank with 64 workers on")


def exchange_times(count: int, rate: int | None) -> list[tuple[str, int, scaling.Point]]:
    """What the exchange takes on so many hosts at a rate: half, bytes of a message, point."""
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "times"
        run(*hosts(count, rate), programs / "ddpm-distPackageTests.xctest",
            "--testing-library", "swift-testing", "--no-parallel",
            "--filter", "ExchangeTimeRankTests", DDPM_EXCHANGE_TIMES=str(file))  # fmt: skip
        lines = [json.loads(line) for line in file.read_text().splitlines()]
    found = []
    for line in lines:
        half = scaling.half(line["parameters"], line["ranks"], line["bucket_bytes"])
        message = min(line["bucket_bytes"], 4 * line["parameters"]) // line["ranks"]
        for name in ("reduce", "gather"):
            found.append((name, message, scaling.Point(half, line[f"{name}_seconds"], name)))
    return found


def measure() -> int:
    """Prints times and those of the model, at rates that are known; gives how many are outside."""
    outside = 0
    print("half    hosts  Mbit/s      bytes  messages        ms  model, ms")
    for count in (2, 4):
        # The cost of a message comes from links without a limit, that of a byte from the rate.
        free = scaling.fit([p for _, m, p in exchange_times(count, None) if m < EAGER])
        for rate in RATES:
            model = scaling.Fit(free.alpha, 8e-6 / (rate * PAYLOAD))
            for name, message, point in exchange_times(count, rate):
                half = point.half
                least, most = model.least(half), model.seconds(half)
                # A long message is announced, and the answer queues behind what its sender sends
                # itself: the two directions may have to take turns.
                turns = 1 if message < EAGER else 2
                if free.seconds(half) > most / 2:
                    verdict = "not judged: the cores are too busy"
                elif (1 - TOLERANCE) * least < point.seconds < (1 + TOLERANCE) * turns * most:
                    verdict = "as the model says"
                else:
                    verdict = "OUTSIDE"
                    outside += 1
                print(
                    f"{name:7} {count:5} {rate:7} {half.bytes:10.0f} {half.messages:9.0f}"
                    f" {point.seconds * 1e3:9.1f}  {least * 1e3:.1f} to {most * 1e3:.1f}"
                    f" x {turns}: {verdict}"
                )  # fmt: skip
    print(f"{outside} outside the model by more than {TOLERANCE:.0%}")
    return outside


def levels(count: int = 8, ranks: int = 2, rate: int = 200, rounds: int = 3) -> None:
    """Prints what an exchange sends between hosts, and how long it takes, in one group and by node."""
    found = {False: [], True: []}
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(rounds):
            for by_node in (False, True):
                file, traffic = pathlib.Path(folder) / "times", pathlib.Path(folder) / "traffic"
                environment = {"DDPM_EXCHANGE_TIMES": str(file)}
                if by_node:
                    environment["DDPM_EXCHANGE_BY_NODE"] = "1"
                run(*hosts(count, rate, ranks, traffic), programs / "ddpm-distPackageTests.xctest",
                    "--testing-library", "swift-testing", "--no-parallel",
                    "--filter", "ExchangeTimeRankTests", **environment)  # fmt: skip
                line = json.loads(file.read_text().splitlines()[-1])
                sent = [int(host.split()[1]) for host in traffic.read_text().splitlines()]
                found[by_node].append(line | {"link": max(sent)})
    print(f"{count} hosts of {ranks} ranks, {rate} Mbit/s, {line['parameters']} parameters in one bucket")
    print("            messages of a rank    bytes of a rank   bytes of a link, all tests"
          "   reduce, ms   gather, ms")  # fmt: skip
    for by_node, lines in found.items():
        # Of the messages of one group, those to ranks of the same host stay there.
        away = 1.0 if by_node else ranks * (count - 1) / (ranks * count - 1)
        middle = [sorted(l[k] for l in lines)[len(lines) // 2]
                  for k in ("messages", "bytes", "link", "reduce_seconds", "gather_seconds")]  # fmt: skip
        print(f"{'by node' if by_node else 'one group':11} {away * middle[0]:18.0f} {away * middle[1]:18.0f}"
              f" {middle[2]:28} {1e3 * middle[3]:12.1f} {1e3 * middle[4]:12.1f}")  # fmt: skip


def main():
    global programs
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    programs = pathlib.Path(sys.argv.pop(1)).resolve()
    measures = sys.argv[1:] == ["--measure"]
    rate = ["--rate", "100mbit"] if measures else []
    check = subprocess.run(
        [str(word) for word in [root / "launch" / "hosts.sh", *rate, "--check", 2]],
        capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
    if check.returncode == 77:
        print(check.stderr, end="")
        sys.exit(77)
    if sys.argv[1:] == ["--levels"]:
        levels()
        sys.exit(0)
    if measures:
        sys.exit(1 if measure() else 0)
    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

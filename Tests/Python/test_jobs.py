"""Checks the scripts of ddpm-dist job: as bash reads them, as schedulers are called, and as they end.

    python test_jobs.py FOLDER_OF_THE_TWO_PROGRAMS [unittest's arguments]

The schedulers, mpirun and srun are small scripts here that write down how they were called, and end with
the codes that a test wants; launch/test-slurm.sh has a real Slurm. Where shellcheck is not installed, that
part is skipped. The last line reads "N passed, N failed".
"""

import concurrent.futures
import itertools
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
KINDS = ["slurm", "pbs", "lsf", "sge", "flux", "hosts"]
GOLDEN = ["slurm.sbatch", "pbs.sh", "lsf.sh", "sge.sh", "flux.sh", "hostfile.sh"]
NASTY = "a b'c\"d$(touch hacked)`touch hacked`;\\e\n# \ttouch hacked *é"
TRAIN = ["--", "train", "--steps", "3"]

programs = pathlib.Path()
"""The folder of ddpm-dist and ddpm-sample, from the command line."""


class Place:
    """A folder with its own programs on the PATH, and no defaults of anybody."""

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ddpm-jobs-"))
        self.bin = self.folder / "bin"
        self.bin.mkdir()
        (self.folder / "hosts.txt").write_text("n1 slots=2\nn2 slots=2\n")
        self.environment = {
            "PATH": f"{self.bin}:{os.environ['PATH']}", "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"), "F": str(self.folder),
        }  # fmt: skip

    def program(self, name: str, text: str) -> None:
        """Puts a script of bash on the PATH."""
        path = self.bin / name
        path.write_text(f"#!/bin/bash\n{text}\n")
        path.chmod(0o755)

    def job(self, *words: str, code: int = 0) -> subprocess.CompletedProcess:
        """Calls ddpm-dist job."""
        done = subprocess.run(
            [str(programs / "ddpm-dist"), "job", *words], cwd=self.folder, env=self.environment,
            capture_output=True, text=True, timeout=60, check=False)  # fmt: skip
        if done.returncode != code:
            raise AssertionError(f"{words}: {done}")
        return done

    def script(self, kind: str, *words: str, train: list[str] | None = None) -> str:
        """The script of a job of two ranks."""
        return self.job(kind, *basis(kind), "--no-check", *words, *(train or TRAIN)).stdout

    def start(self, script: str, **more: str) -> subprocess.Popen:
        """Starts a script as a scheduler would."""
        environment = self.environment | {
            f"{name}": str(self.folder)
            for name in ["SLURM_SUBMIT_DIR", "PBS_O_WORKDIR", "LS_SUBCWD", "SGE_O_WORKDIR"]
        }
        nodes = self.folder / "nodes"
        nodes.write_text("n1\nn2\n")
        for name in ["PBS_NODEFILE", "LSB_DJOB_HOSTFILE", "PE_HOSTFILE"]:
            environment[name] = str(nodes)
        for name in ["SLURM_ARRAY_TASK_ID", "PBS_ARRAY_INDEX", "LSB_JOBINDEX", "SGE_TASK_ID", "DDPM_SEED"]:
            environment[name] = "7"
        environment["SLURM_JOB_ID"] = "11"
        (self.folder / "job").write_text(script)
        return subprocess.Popen(
            ["bash", "job"], cwd=self.folder, env=environment | more, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)  # fmt: skip

    def run(self, script: str, **more: str) -> tuple[int, str]:
        """The code and the messages of a script."""
        child = self.start(script, **more)
        text, _ = child.communicate(timeout=30)
        return child.returncode, text

    def calls(self, name: str = "calls") -> list[list[str]]:
        """What the programs were told, a list of words a call."""
        path = self.folder / name
        lines = path.read_text().splitlines() if path.exists() else []
        return [shlex.split(line) for line in lines]


def basis(kind: str) -> list[str]:
    """The options that a kind of job cannot be without."""
    own = {"sge": ["--parallel-environment", "mpi"], "hosts": ["--hostfile", "hosts.txt"]}
    return ["--cores", "2", "--nodes", "2", *own.get(kind, [])]


RECORD = 'printf "%q " "${0##*/}" "$@" >>"$F/calls"; echo >>"$F/calls"'


class Jobs(unittest.TestCase):
    """One folder a test."""

    def setUp(self):
        self.place = Place()
        self.addCleanup(shutil.rmtree, self.place.folder)
        self.launchers("")

    def launchers(self, text: str) -> None:
        """What mpirun, srun and flux run do once they have written down how they were called."""
        for name in ["mpirun", "srun"]:
            self.place.program(name, f"{RECORD}\n{text}")
        self.place.program("flux", f"{RECORD}\n[[ $1 == run ]] || exit 0\n{text}")
        for name in ["scontrol", "qsub"]:
            self.place.program(name, RECORD)


class Golden(unittest.TestCase):
    """The scripts in launch/ are what the command in their head writes."""

    def test_scripts_are_what_their_command_writes(self):
        place = Place()
        self.addCleanup(shutil.rmtree, place.folder)
        (place.folder / "launch").mkdir()
        for name in GOLDEN:
            with self.subTest(name):
                wanted = (ROOT / "launch" / name).read_text()
                lines = itertools.takewhile(lambda line: line.startswith("#"), wanted.splitlines())
                told = [line[4:] for line in lines if line.startswith("#   ")]
                command = []
                for line in told:
                    command += shlex.split(line.removesuffix("\\"))
                    if not line.endswith("\\"):
                        break
                self.assertEqual(command[:2], ["ddpm-dist", "job"])
                place.job(*command[2:command.index("--")], "--no-check", *command[command.index("--"):])
                self.assertEqual((place.folder / "launch" / name).read_text(), wanted)


class Text(Jobs):
    """What bash and shellcheck say of scripts of all kinds and options."""

    OPTIONS = {
        "slurm": [
            ["--launcher", "srun"], ["--ranks-per-socket", "1", "--sockets", "2"], ["--qos", "low"],
            ["--constraint", "a&b"], ["--reservation", "r"], ["--mem", "4G"], ["--mail", "a@b"],
        ],
        "pbs": [["--mem", "4G", "--mail", "a@b"], ["--output", "job.sh"]],
        "lsf": [["--constraint", "a"], ["--reservation", "r", "--mem", "1T", "--mail", "a@b"]],
        "sge": [["--constraint", "a=1"], ["--reservation", "r", "--mem", "1G", "--mail", "a@b"]],
        "flux": [["--constraint", "a"], ["--output", "job.sh"]],
        "hosts": [["--time", "60"]],
    }  # fmt: skip
    QUEUE = [
        ["--account", "a", "--queue", "q"], ["--shared"], ["--no-requeue"], ["--chain", "3"],
        ["--array", "seed=1-8"], ["--extra=-x y"], ["--name", "n", "--log", "l.log"],
    ]  # fmt: skip
    ALL = [
        [], ["--modules", "gcc openmpi/4.1"], ["--setup", "ulimit -c 0", "conda activate x"],
        ["--env", f"A={NASTY}", "B=1"], ["--container", "im age.sif"], ["--program", "/a b/ddpm-dist"],
    ]  # fmt: skip

    def combinations(self, kind: str) -> list[list[str]]:
        """Every option by itself, every two of a kind's own, and many together."""
        own = self.OPTIONS[kind] + (self.QUEUE if kind != "hosts" else [])
        found = self.ALL + own + [a + b for a, b in itertools.combinations(own, 2)]
        found.append([word for option in self.ALL for word in option])
        names = [[word for word in words if word.startswith("--")] for words in found]
        return [words for words, own in zip(found, names) if len(set(own)) == len(own)]

    def test_bash_and_shellcheck_read_every_script(self):
        trains = [TRAIN, ["--", "train", "--run", NASTY, "--set", f"name={NASTY}"]]
        cases = [
            (kind, words, trains[number % 2])
            for kind in KINDS
            for number, words in enumerate(self.combinations(kind))
        ]
        self.assertGreater(len(cases), 150)
        scripts = self.place.folder / "scripts"
        scripts.mkdir()

        def write(case):
            number, (kind, words, train) = case
            done = self.place.job(kind, *basis(kind), "--no-check", *words, *train)
            text = done.stdout or (self.place.folder / "job.sh").read_text()
            path = scripts / f"{number}-{kind}.sh"
            path.write_text(text)
            return path, words

        # One after the other where they share the name of their file.
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            apart = [case for case in enumerate(cases) if "--output" not in case[1][1]]
            paths = list(pool.map(write, apart))
        for case in enumerate(cases):
            if "--output" in case[1][1]:
                paths.append(write(case))
                (self.place.folder / "job.sh").unlink()
        # Many differ in their directives alone, which are remarks to bash: one of each is enough.
        found = {}
        for path, words in paths:
            lines = path.read_text().splitlines()
            self.assertTrue(all(len(line) < 140 for line in lines if "hacked" not in line), path)
            body = [line for line in lines if line[:1] != "#" or line.startswith("# shellcheck")]
            found.setdefault("\n".join(body), (path, words))
        for path, words in found.values():
            read = subprocess.run(["bash", "-n", path], capture_output=True, text=True, check=False)
            self.assertEqual((read.returncode, read.stderr), (0, ""), words)
        if shutil.which("shellcheck") is None:
            self.skipTest("shellcheck is not installed")
        checked = subprocess.run(
            ["shellcheck", "--norc", *(path for path, _ in found.values())], capture_output=True, text=True,
            check=False)  # fmt: skip
        self.assertEqual(checked.stdout, "")

    def test_values_arrive_as_they_are(self):
        train = ["--", "train", "--run", f"runs/{NASTY}", "--set", f"name={NASTY}", "steps=3"]
        for kind in KINDS:
            with self.subTest(kind):
                (self.place.folder / "calls").unlink(missing_ok=True)
                self.launchers('printf "%s" "$MINE" >"$F/mine"')
                code, text = self.place.run(
                    self.place.script(kind, "--env", f"MINE={NASTY}", "--program", NASTY, train=train))
                self.assertEqual(code, 0, text)
                words = (self.place.folder / "calls").read_text()
                told = subprocess.run(
                    ["bash", "-c", f"for w in {words.strip()}; do printf '%s\\0' \"$w\"; done"],
                    capture_output=True, text=True, check=True).stdout.split("\0")  # fmt: skip
                self.assertIn(NASTY, told)
                self.assertEqual(told[told.index("--run") + 1], f"runs/{NASTY}")
                self.assertEqual(told[told.index("--set") + 1:][:2], [f"name={NASTY}", "steps=3"])
                self.assertEqual((self.place.folder / "mine").read_text(), NASTY)
                self.assertFalse(list(self.place.folder.rglob("hacked")))

    def test_directives_that_cannot_carry_a_value(self):
        for kind in KINDS[:-1]:
            bad = ["a b", "a\nb", "a'b", 'a"b', "a$b", "a#b", "a`b", "a\\b", "-b"]
            pairs = [("--name", value) for value in (bad if kind == "lsf" else bad[:2])]
            for option, value in [*pairs, ("--log", "a b"), ("--account", "a'b"), ("--queue", "a$b")]:
                done = self.place.job(
                    kind, *basis(kind), "--no-check", f"{option}={value}", *TRAIN, code=64)
                self.assertIn("cannot carry", done.stderr)
                self.assertEqual(len(done.stderr.splitlines()), 1)
        self.place.job("slurm", *basis("slurm"), "--no-check", "--extra=a\nb", *TRAIN, code=64)


class Calls(Jobs):
    """What schedulers are told."""

    def submitted(self, kind: str, program: str, answer: str, *words: str, code: int = 0):
        """Submits with a program that answers with a number that grows."""
        self.place.program(
            program,
            f"{RECORD}\n[[ $1 != --test-only ]] || {{ echo 'would start at noon' >&2; exit 0; }}\n"
            'echo x >>"$F/count"; n=$(wc -l <"$F/count")\n'
            'cat >"$F/script-$n"\n' + answer)
        return self.place.job(
            kind, *basis(kind), "--no-check", "--submit", *words, *TRAIN, code=code)

    def test_slurm_is_asked_first(self):
        done = self.submitted("slurm", "sbatch", 'echo "$n;cluster"', "--chain", "3", "--array", "seed=1-4%2")
        self.assertEqual(done.stdout, "1\n2\n3\n")
        self.assertIn("would start at noon", done.stderr)
        self.assertEqual(
            self.place.calls(),
            [
                ["sbatch", "--test-only"], ["sbatch", "--parsable"],
                ["sbatch", "--parsable", "--dependency=afterany:1"],
                ["sbatch", "--parsable", "--dependency=afterany:2"],
            ])  # fmt: skip
        script = (self.place.folder / "script-1").read_text()
        self.assertIn("#SBATCH --array=1-4%2\n", script)
        self.assertIn("#SBATCH --no-requeue\n", script)
        self.assertEqual(script, (self.place.folder / "script-3").read_text())
        self.assertIn("report runs/digits/seed-*", done.stderr)

    def test_chains_of_the_others(self):
        for kind, program, answer, wanted in [
            ("pbs", "qsub", 'echo "$n.server"', ["-W", "depend=afterany:1.server"]),
            ("lsf", "bsub", 'echo "Job <$n> is submitted to queue <normal>."', ["-w", "ended(1)"]),
            ("sge", "qsub", 'echo "$n"', ["-terse", "-hold_jid", "1"]),
            ("flux", "flux", 'echo "f$n"', ["batch", "--dependency=afterany:f1"]),
        ]:
            with self.subTest(kind):
                for name in ["calls", "count"]:
                    (self.place.folder / name).unlink(missing_ok=True)
                done = self.submitted(kind, program, answer, "--chain", "2")
                self.assertEqual(len(done.stdout.split()), 2, done)
                self.assertEqual(self.place.calls()[1], [program, *wanted])

    def test_numbers_of_arrays_are_those_of_the_whole(self):
        done = self.submitted("sge", "qsub", 'echo "$n.1-8:1"', "--array", "seed=1-8%2")
        self.assertEqual(done.stdout, "1\n")
        self.assertIn("#$ -tc 2\n", (self.place.folder / "script-1").read_text())

    def test_flux_has_a_job_for_each_seed(self):
        done = self.submitted("flux", "flux", 'echo "f$n"', "--array", "seed=3-5")
        self.assertEqual(done.stdout, "f1\nf2\nf3\n")
        self.assertEqual(
            self.place.calls(), [["flux", "batch", f"--env=DDPM_SEED={seed}"] for seed in (3, 4, 5)])

    def test_refusals_are_told(self):
        done = self.submitted("slurm", "sbatch", 'echo "no such partition" >&2; exit 1', code=69)
        self.assertIn("sbatch: has not taken the job: no such partition", done.stderr)
        (self.place.folder / "count").unlink()
        answer = "((n < 2)) || { echo full >&2; exit 1; }; echo $n"
        done = self.submitted("pbs", "qsub", answer, "--chain", "3", code=69)
        self.assertIn("full; in the queue already: 1\n", done.stderr)
        done = self.submitted("lsf", "bsub", "echo hello", code=69)
        self.assertIn("no job's number", done.stderr)

    def test_a_scheduler_that_is_not_here(self):
        self.place.environment["PATH"] = "/usr/bin:/bin"
        if shutil.which("bsub") is None:
            done = self.place.job("lsf", *basis("lsf"), "--no-check", "--submit", *TRAIN, code=69)
            self.assertIn("bsub: is not on this machine", done.stderr)
        self.place.job("hosts", *basis("hosts"), "--no-check", "--submit", *TRAIN, code=64)

    def test_the_file_and_the_queue_get_the_same(self):
        self.submitted("slurm", "sbatch", "echo $n", "--output", "job.sh")
        self.assertEqual(
            (self.place.folder / "job.sh").read_text(), (self.place.folder / "script-1").read_text())


class Ends(Jobs):
    """How scripts end, by the code of the training."""

    def test_other_codes_are_those_of_the_training(self):
        for kind in KINDS:
            for code in (0, 70, 137):
                self.launchers(f"exit {code}")
                found, text = self.place.run(self.place.script(kind))
                self.assertEqual(found, code, (kind, text))

    def test_75_goes_on(self):
        self.launchers("exit 75")
        wanted = {
            "slurm": (0, ["scontrol", "requeue", "11"]), "pbs": (0, ["qsub", "job.sh"]),
            "lsf": (75, None), "sge": (99, None), "flux": (0, ["flux", "--parent", "batch", "job.sh"]),
            "hosts": (75, None),
        }  # fmt: skip
        for kind, (code, call) in wanted.items():
            with self.subTest(kind):
                (self.place.folder / "calls").unlink(missing_ok=True)
                self.place.job(
                    kind, *basis(kind), "--no-check", "--output", "job.sh", "--force", *TRAIN)
                found, text = self.place.run((self.place.folder / "job.sh").read_text())
                self.assertEqual(found, code, text)
                calls = self.place.calls()
                self.assertEqual(calls[1:], [call] if call else [], calls)
                shutil.rmtree(self.place.folder / "runs", ignore_errors=True)

    def test_without_a_requeue_75_is_the_end(self):
        self.launchers("exit 75")
        for kind in KINDS[:-1]:
            for words in (["--no-requeue"], ["--chain", "2"]):
                found, text = self.place.run(self.place.script(kind, *words))
                self.assertEqual(found, 75, (kind, text))
                shutil.rmtree(self.place.folder / "runs")
        self.assertTrue(all(call[0] in ("mpirun", "flux") for call in self.place.calls()))

    def test_three_parts_without_a_step_are_the_last(self):
        self.launchers("exit 75")
        script = self.place.script("lsf", train=["--", "train", "--run", "runs/a b"])
        checkpoints = self.place.folder / "runs/a b/checkpoints"
        self.assertEqual([self.place.run(script)[0] for _ in range(3)], [75, 75, 70])
        checkpoints.mkdir(parents=True)
        (checkpoints / "step-00000008.h5").touch()
        self.assertEqual([self.place.run(script)[0] for _ in range(3)], [75, 75, 75])
        (checkpoints / "step-00000010.h5").touch()
        codes = [self.place.run(script) for _ in range(4)]
        self.assertEqual([code for code, _ in codes], [75, 75, 75, 70])
        self.assertIn("ended at step 10 without a new one", codes[-1][1])

    def test_a_signal_reaches_the_training(self):
        # As mpirun, which passes it on and lives.
        text = (
            'trap "echo told >>\\"$F/told\\"" USR1\necho >"$F/begun"\n'
            'for _ in {1..100}; do if [[ -s $F/told ]]; then exit 75; fi; sleep 0.05; done\nexit 3')
        for kind in ["slurm", "pbs", "lsf", "sge", "hosts"]:
            for launcher in (["mpirun", "srun"] if kind == "slurm" else ["mpirun"]):
                with self.subTest(kind, launcher=launcher):
                    for name in ["begun", "told"]:
                        (self.place.folder / name).unlink(missing_ok=True)
                    shutil.rmtree(self.place.folder / "runs", ignore_errors=True)
                    self.launchers(text)
                    words = ["--launcher", launcher] if kind == "slurm" else []
                    child = self.place.start(self.place.script(kind, *words))
                    while not (self.place.folder / "begun").exists():
                        time.sleep(0.02)
                    child.send_signal(signal.SIGUSR1)
                    output, _ = child.communicate(timeout=20)
                    wanted = {"slurm": 0, "sge": 99, "pbs": 75}.get(kind, 75)
                    self.assertEqual(child.returncode, wanted, output)
                    self.assertEqual((self.place.folder / "told").read_text(), "told\n")

    def test_without_a_scheduler_the_script_takes_the_training_along(self):
        self.launchers('trap "exit 9" TERM\necho $$ >"$F/begun"\nfor _ in {1..100}; do sleep 0.05; done')
        child = self.place.start(self.place.script("hosts"))
        begun = self.place.folder / "begun"
        while not (begun.exists() and begun.read_text().strip()):
            time.sleep(0.02)
        child.terminate()
        output, _ = child.communicate(timeout=20)
        self.assertEqual(child.returncode, 143, output)
        self.assertFalse(pathlib.Path("/proc", begun.read_text().strip()).exists())

    def test_flux_is_asked_to_signal(self):
        self.place.program(
            "flux",
            f"{RECORD}\ncase $1-$2 in\n"
            'run-*) echo >"$F/begun"; for _ in {1..100}; do [[ ! -s $F/told ]] || exit 75; sleep 0.05; done; exit 3 ;;\n'
            "job-last) echo f9 ;;\n"
            'job-kill) echo "$*" >"$F/told" ;;\nesac')
        child = self.place.start(self.place.script("flux"))
        while not (self.place.folder / "begun").exists():
            time.sleep(0.02)
        child.send_signal(signal.SIGUSR1)
        output, _ = child.communicate(timeout=20)
        self.assertEqual(child.returncode, 75, output)
        self.assertEqual((self.place.folder / "told").read_text(), "job kill --signal=SIGUSR1 f9\n")

    def test_a_signal_before_the_training_listens(self):
        self.launchers("kill -USR1 $$")
        self.assertEqual(self.place.run(self.place.script("lsf"))[0], 75)


class Words(Jobs):
    """What the training is told."""

    def told(self, kind: str, *words: str, train: list[str] | None = None, **more: str) -> list[str]:
        (self.place.folder / "calls").unlink(missing_ok=True)
        code, text = self.place.run(self.place.script(kind, *words, train=train), **more)
        self.assertEqual(code, 0, text)
        return self.place.calls()[-1]

    def test_time_that_is_left(self):
        for kind in ["pbs", "lsf", "sge", "flux"]:
            words = self.told(kind, "--time", "1:00:00", "--warn-before", "120", "--setup", "sleep 1.1")
            minutes, seconds = map(int, words[words.index("--time-limit") + 1].split(":"))
            self.assertIn(60 * minutes + seconds, range(3600 - 120 - 10, 3600 - 120))
        self.assertNotIn("--time-limit", self.told("slurm", "--time", "1:00:00"))
        self.assertNotIn("--time-limit", self.told("hosts"))
        self.assertIn("--time-limit", self.told("hosts", "--time", "60"))

    def test_seeds_have_their_folders(self):
        for kind in ["slurm", "pbs", "lsf", "sge", "flux"]:
            words = self.told(
                kind, "--array", "seed=5-8", train=["--", "train", "--run=runs/a b", "--steps", "3"])
            self.assertEqual(words[words.index("--run") + 1], "runs/a b/seed-7")
            self.assertEqual(words[words.index("--seed") + 1], "7")
            self.assertEqual(words.count("--run"), 1)

    def test_ranks_and_cores(self):
        words = self.told("slurm", "--launcher", "srun")
        self.assertEqual(words[0], "srun")
        self.assertIn("--cpus-per-task=2", words)
        self.assertEqual(words[words.index("--workers") + 1], "2")
        words = self.told("hosts", "--ranks-per-node", "2")
        self.assertEqual(words[words.index("-n") + 1], "4")
        self.assertEqual(words[words.index("--map-by") + 1], "ppr:2:node:PE=1")
        words = self.told("slurm", train=["--", "train", "--resume", "--workers", "1"])
        self.assertEqual((words.count("--workers"), words.count("--resume")), (1, 1))
        self.assertEqual(self.told("slurm", "--container", "a b.sif")[5:8], ["apptainer", "exec", "a b.sif"])

    def test_setup_may_use_what_is_not_set(self):
        self.told("slurm", "--setup", 'echo "$NOTHING"', "cd bin", "cd ..")

    def test_modules_are_loaded(self):
        self.place.program("profile", "")
        words = self.told(
            "slurm", "--modules", "gcc open$mpi", "--setup", ":",
            **{"BASH_FUNC_module%%": '() { printf "%q " "$@" >"$F/modules"; }'})
        self.assertEqual((self.place.folder / "modules").read_text(), r"load gcc open\$mpi ")
        self.assertEqual(words[0], "mpirun")


class Defaults(Jobs):
    """Files of defaults."""

    def file(self, text: str) -> None:
        folder = self.place.folder / "config/ddpm-dist"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "job.yaml").write_text(text)

    def test_the_command_line_wins_and_each_is_told(self):
        self.file("cores: 16\nqueue: long\nenv:\n  A: 1\nmail: a@b\nsetup: [ulimit -c 0]\n")
        done = self.place.job("slurm", "--cores", "8", "--print-defaults")
        file = self.place.folder / "config/ddpm-dist/job.yaml"
        self.assertEqual(
            done.stdout.splitlines(),
            [
                "cores: 8   (the command line)", f"partition: long   ({file}:2)",
                f"mail: a@b   ({file}:5)", f"setup: 'ulimit -c 0'   ({file}:6)", f"env: A=1   ({file}:3)",
            ])  # fmt: skip
        script = self.place.job("slurm", "--cores", "8", "--no-check", *TRAIN).stdout
        self.assertIn("#SBATCH --cpus-per-task=8\n", script)
        self.assertIn("#SBATCH --partition=long\n", script)
        self.assertIn("with the defaults of", script)
        # Flux has no word for mail: the default of a cluster is no mistake, the option is one.
        self.place.job("flux", "--no-check", *TRAIN)
        done = self.place.job("flux", "--mail", "a@b", "--no-check", *TRAIN, code=64)
        self.assertIn("--mail a@b: Flux cannot follow it", done.stderr)

    def test_wrong_files_are_one_line(self):
        for text, part in [
            ("cores: 2\nnodse: 2\n", "job.yaml:2: there is no option 'nodse'; did you mean 'nodes'?"),
            ("nodes: many\n", "job.yaml:1: 'nodes' needs a whole number"),
            ("- a\n", "needs lines"), ("a: [\n", "is no YAML"), ("nodes: 1\nnodes: 2\n", "nodes"),
            ("nodes: {}\n", "needs a value"),
        ]:  # fmt: skip
            self.file(text)
            done = self.place.job("slurm", *TRAIN, code=64)
            self.assertIn(part, done.stderr)
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


def main():
    global programs
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    programs = pathlib.Path(sys.argv.pop(1)).resolve()
    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

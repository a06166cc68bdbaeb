"""Checks how launch/ finds libraries, chooses a build for a CPU, places files and takes them away.

    python test_install.py [unittest's arguments]

It needs pkg-config and none of our programs: compilers, CPUs and programs are scripts and files in a
temporary folder. The last line reads "N passed, N failed".
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

launch = pathlib.Path(__file__).resolve().parents[2] / "launch"
TOOLS = (
    "bash sh sed grep awk sort cat mkdir mv rm rmdir cp cmp chmod readlink xargs dirname basename cut head "
    "tail env uname ldconfig pkg-config tr nproc lscpu sha256sum mktemp find ls python3"
).split()
SERIAL, PARALLEL = "/* #undef H5_HAVE_PARALLEL */\n", "#define H5_HAVE_PARALLEL 1\n"
V3 = "fpu sse4_2 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
V4 = V3 + " avx512f avx512bw avx512cd avx512dq avx512vl"
BFLOAT16 = V4 + " avx512_vnni avx512_bf16 adx aes pclmulqdq rdrand rdseed"


class Case(unittest.TestCase):
    """A test with a folder of its own, in which only chosen tools are on the PATH."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.tools = self.folder / "tools"
        self.tools.mkdir()
        for tool in TOOLS:
            path = shutil.which(tool, path=os.environ["PATH"] + ":/usr/sbin:/sbin")
            if path:
                (self.tools / tool).symlink_to(path)
        self.known = self.folder / "known"
        self.known.mkdir()
        self.environment = {
            "PATH": str(self.tools),
            "PKG_CONFIG_LIBDIR": str(self.known),
            "HOME": str(self.folder),
        }

    def write(self, path, text="", executable=False):
        path = self.folder / path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755 if executable else 0o644)
        return path

    def program(self, name, body):
        """A program on the PATH, as the body of a shell script."""
        self.write(f"tools/{name}", "#!/bin/sh\n" + body, executable=True)

    def run_script(self, *command, code=0, **environment):
        result = subprocess.run(
            [str(word) for word in command],
            env=self.environment | {name: str(value) for name, value in environment.items()},
            capture_output=True,
            text=True,
            timeout=30,
        )
        self.assertEqual(result.returncode, code, result.stdout + result.stderr)
        return result.stdout, result.stderr


class Libraries(Case):
    """launch/libraries.sh"""

    def find(self, folder="written", **environment):
        """What was found: the files as dictionaries, the sentences, the folders, PKG_CONFIG_PATH."""
        script = f"""set -euo pipefail
          source {launch}/libraries.sh
          ddpm_find_libraries {self.folder}/{folder}
          echo "${{PKG_CONFIG_PATH-none}}"
          echo "${{ddpm_library_folders[*]}}"
          ((${{#ddpm_library_faults[@]}} == 0)) || printf '%s\\n' "${{ddpm_library_faults[@]}}"
        """
        output, errors = self.run_script(self.tools / "bash", "-c", script, **environment)
        self.assertEqual(errors, "")
        path, folders, *faults = output.splitlines()
        files = {}
        for file in (self.folder / "written").glob("*"):
            lines = dict(line.split(": ", 1) for line in file.read_text().splitlines())
            files[file.stem] = (lines["Cflags"], lines["Libs"])
        return files, faults, folders.split(), path

    def describe(self, name, prefix, library="hdf5"):
        """A file for pkg-config."""
        self.write(
            f"known/{name}.pc",
            f"Name: n\nDescription: d\nVersion: 1\nCflags: -I{prefix}/include\n"
            f"Libs: -L{prefix}/lib -l{library} -lz\n",
        )

    def hdf5(self, name, header=SERIAL, ending=".so"):
        """The folder of an HDF5."""
        self.write(f"{name}/include/hdf5.h")
        self.write(f"{name}/include/H5pubconf.h", header)
        self.write(f"{name}/lib/libhdf5{ending}")
        return self.folder / name

    def test_without_anything_there_is_nothing_to_say(self):
        self.assertEqual(self.find(), ({}, [], [], "none"))

    def test_names_of_debian_need_no_file(self):
        self.describe("hdf5-serial", self.hdf5("h"))
        self.describe("ompi-c", self.folder / "m", "mpi")
        self.describe("openblas", self.folder / "o", "openblas")
        files, faults, folders, path = self.find()
        self.assertEqual((files, faults, path), ({}, [], "none"))
        self.assertEqual(folders, [f"{self.folder}/h/lib"])

    def test_other_names_of_hdf5(self):
        for name in ["hdf5", "hdf5-1.14.3"]:
            with self.subTest(name):
                self.describe(name, self.hdf5("h"))
                files, faults, folders, path = self.find(PKG_CONFIG_PATH="/elsewhere")
                h = self.folder / "h"
                self.assertEqual(files, {"hdf5-serial": (f"-I{h}/include", f"-L{h}/lib -lhdf5")})
                self.assertEqual((faults, folders), ([], [f"{h}/lib"]))
                self.assertEqual(path, f"{self.folder}/written:/elsewhere")
                (self.known / f"{name}.pc").unlink()

    def test_a_folder_of_hdf5(self):
        h = self.hdf5("h")
        for variable in ["HDF5_DIR", "HDF5_ROOT"]:
            with self.subTest(variable):
                files = self.find(**{variable: h})[0]
                self.assertEqual(files, {"hdf5-serial": (f"-I{h}/include", f"-L{h}/lib -lhdf5")})

    def test_the_compiler_of_a_static_hdf5_tells_all_that_it_needs(self):
        h = self.hdf5("h", ending=".a")
        self.program("h5cc", f"echo gcc -I{h}/include -L{h}/lib {h}/lib/libhdf5.a -lsz -lm -Wl,-x")
        files, _, folders, _ = self.find()
        self.assertEqual(
            files, {"hdf5-serial": (f"-I{h}/include", f"-L{h}/lib -L{h}/lib -lhdf5 -lsz -lm")}
        )
        self.assertEqual(folders, [])

    def test_hdf5_for_mpi_is_refused_unless_there_is_another(self):
        self.describe("hdf5", self.hdf5("p", PARALLEL))
        files, faults, _, _ = self.find()
        self.assertEqual(files, {})
        self.assertEqual(len(faults), 1)
        self.assertIn("The only HDF5 here (hdf5.pc) is one for MPI", faults[0])
        files, faults, _, _ = self.find(HDF5_ROOT=self.hdf5("h"))
        self.assertEqual((list(files), faults), (["hdf5-serial"], []))

    def test_what_was_written_goes_when_it_is_not_needed(self):
        h = self.hdf5("h")
        self.assertIn("hdf5-serial", self.find(HDF5_DIR=h)[0])
        self.describe("hdf5-serial", h)
        self.assertEqual(self.find()[0], {})

    def test_a_script_that_calls_a_script_finds_the_same(self):
        self.describe("hdf5", self.hdf5("h"))
        first = self.find()
        for folder in ["written", "known/../written"]:
            self.assertEqual(self.find(folder, PKG_CONFIG_PATH=first[3]), first)

    def test_open_mpi_tells_its_flags(self):
        self.write("m/lib/libmpi.so")
        self.program(
            "mpicc",
            f"""case $1 in
              --showme:version) echo 'mpicc: Open MPI 5.0.3 (Language: C)' ;;
              --showme:compile) echo -I{self.folder}/m/include -pthread ;;
              --showme:link) echo -L{self.folder}/m/lib -Wl,-rpath -Wl,{self.folder}/m/lib -lmpi ;;
            esac""",
        )
        self.program("mpirun", "echo 'mpirun (Open MPI) 5.0.3'")
        files, faults, folders, _ = self.find()
        m = self.folder / "m"
        self.assertEqual(files, {"ompi-c": (f"-I{m}/include", f"-L{m}/lib -lmpi")})
        self.assertEqual((faults, folders), ([], [f"{m}/lib"]))

    def test_mpich_is_refused(self):
        self.program("mpicc", '[ "$1" = -show ] && echo gcc -lmpich || exit 1')
        files, faults, _, _ = self.find()
        self.assertEqual(files, {})
        self.assertEqual(len(faults), 1)
        self.assertIn("mpicc is not Open MPI's", faults[0])

    def test_mpirun_of_another_mpi_is_refused(self):
        self.describe("ompi-c", self.folder / "m", "mpi")
        self.program("mpirun", "echo 'HYDRA build details: Version: 4.0.2'")
        self.assertIn("mpirun is not Open MPI's", self.find()[1][0])

    def test_openblas_has_integers_of_32_bits(self):
        self.write("o/include/openblas/cblas.h")
        self.write("o/include/openblas/openblas_config.h", "#define OPENBLAS_USE64BITINT\n")
        self.write("o/lib64/libopenblas.so")
        o = self.folder / "o"
        self.assertIn("64 bits", self.find(OPENBLAS_ROOT=o)[1][0])
        self.write("o/include/openblas/openblas_config.h", "#define OPENBLAS_VERSION 1\n")
        files, faults, _, _ = self.find(OPENBLAS_ROOT=o)
        self.assertEqual(
            files, {"openblas": (f"-I{o}/include/openblas", f"-L{o}/lib64 -lopenblas")}
        )
        self.assertEqual(faults, [])

    def test_setup_says_it_where_nothing_can_be_installed(self):
        shutil.copytree(launch, self.folder / "project/launch")
        self.program("mpicc", "exit 1")
        _, errors = self.run_script(self.folder / "project/launch/setup.sh", code=69)
        self.assertIn("Please install what these Debian packages hold", errors)
        self.assertIn("mpicc is not Open MPI's", errors)


class Wrapper(Case):
    """launch/choose.sh"""

    def install(self, *kinds):
        self.wrapper = self.write("p/bin/ddpm-dist", (launch / "choose.sh").read_text(), True)
        for kind in kinds:
            self.write(
                f"p/libexec/ddpm-dist/{kind}/ddpm-dist", f'#!/bin/sh\necho {kind} "$@"\n', True
            )

    def chosen(self, flags, code=0, wrapper=None, **environment):
        cpuinfo = self.write("cpuinfo", f"processor\t: 0\nflags\t\t: {flags}\nbugs\t\t: none\n")
        return self.run_script(
            wrapper or self.wrapper, "a b", code=code, DDPM_CPUINFO=cpuinfo, **environment
        )

    def test_takes_the_best_that_fits(self):
        self.install("x86-64-v3", "x86-64-v4")
        self.assertEqual(self.chosen(V4)[0], "x86-64-v4 a b\n")
        self.assertEqual(self.chosen(V3)[0], "x86-64-v3 a b\n")
        # A flag whose name only contains the one that is needed.
        self.assertEqual(self.chosen(V4.replace("avx512f", "avx512fp16"))[0], "x86-64-v3 a b\n")

    def test_takes_instructions_for_bfloat16_where_they_are(self):
        self.install("x86-64-v3", "x86-64-v4", "cooperlake")
        self.assertEqual(self.chosen(BFLOAT16)[0], "cooperlake a b\n")
        self.assertEqual(self.chosen(V4)[0], "x86-64-v4 a b\n")

    def test_says_what_to_do_where_none_fits(self):
        self.install("x86-64-v3")
        output, errors = self.chosen("fpu sse4_2", code=69)
        self.assertEqual(output, "")
        self.assertEqual(errors.count("\n"), 1)
        self.assertIn("(x86-64-v3/ddpm-dist) is for this CPU: install one", errors)

    def test_native_is_for_any(self):
        self.install("native")
        self.assertEqual(self.chosen("fpu")[0], "native a b\n")

    def test_the_user_may_choose(self):
        self.install("x86-64-v3", "x86-64-v4")
        self.assertEqual(self.chosen(V4, DDPM_MARCH="x86-64-v3")[0], "x86-64-v3 a b\n")
        self.assertIn("DDPM_MARCH=x86-64-v4", self.chosen(V3, code=69, DDPM_MARCH="x86-64-v4")[1])

    def test_is_found_through_a_link(self):
        self.install("native")
        link = self.folder / "elsewhere"
        link.symlink_to(self.wrapper)
        # The name of the link is no name of a program.
        self.assertEqual(self.chosen("fpu", wrapper=link)[0], "native a b\n")


class Placing(Case):
    """launch/place.sh"""

    def setUp(self):
        super().setUp()
        self.prefix = self.folder / "opt/ddpm dist"
        self.tree("bin/ddpm-dist", "share/man/man1/ddpm-dist.1", "share/ddpm-dist/configs/a b.yaml")

    def tree(self, *paths, text="first"):
        shutil.rmtree(self.folder / "tree", ignore_errors=True)
        for path in paths:
            body = f"#!/bin/sh\necho {text}\n" if path.startswith("bin/") else text
            self.write(f"tree/{path}", body, path.startswith("bin/"))

    def place(self, *words, code=0, **environment):
        return self.run_script(
            launch / "place.sh",
            *("--tree", self.folder / "tree", "--prefix", self.prefix),
            *words,
            code=code,
            **environment,
        )

    def files(self, folder=None):
        folder = folder or self.prefix
        return sorted(
            str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() or p.is_symlink()
        )

    def test_nothing_is_left(self):
        output, _ = self.place()
        self.assertIn("first", output)
        self.assertEqual(len(self.files()), 4)
        self.assertTrue(os.access(self.prefix / "bin/ddpm-dist", os.X_OK))
        self.place("--uninstall")
        self.assertFalse(self.prefix.exists())

    def test_a_newer_one_takes_the_place(self):
        self.place()
        self.tree("bin/ddpm-dist", "share/new", text="second")
        self.assertIn("second", self.place()[0])
        self.assertEqual(self.files(), ["bin/ddpm-dist", "share/ddpm-dist/manifest", "share/new"])
        self.assertFalse((self.prefix / "share/man").exists())
        self.place("--uninstall")
        self.assertFalse(self.prefix.exists())

    def test_files_of_others_are_not_replaced(self):
        for name, make in {
            "a file": lambda path: path.write_text("mine"),
            "a link": lambda path: path.symlink_to("/nowhere"),
            "a folder": lambda path: path.mkdir(),
        }.items():
            with self.subTest(name):
                path = self.prefix / "share/man/man1/ddpm-dist.1"
                path.parent.mkdir(parents=True)
                make(path)
                _, errors = self.place(code=73)
                self.assertIn("Nothing has been changed", errors)
                self.assertFalse((self.prefix / "bin").exists())
                shutil.rmtree(self.prefix)

    def test_a_changed_file_is_neither_replaced_nor_removed(self):
        self.place()
        changed = self.prefix / "share/ddpm-dist/configs/a b.yaml"
        changed.write_text("mine")
        self.place(code=73)
        _, errors = self.place("--uninstall")
        self.assertIn("has been changed since, and stays", errors)
        self.assertEqual(self.files(), ["share/ddpm-dist/configs/a b.yaml"])

    def test_folders_and_files_of_others_stay(self):
        (self.prefix / "share/man").mkdir(parents=True)
        self.place()
        (self.prefix / "bin/other").write_text("")
        self.place("--uninstall")
        self.assertEqual(self.files(), ["bin/other"])
        self.assertTrue((self.prefix / "share/man").is_dir())
        self.assertFalse((self.prefix / "share/man/man1").exists())

    def test_an_interrupted_installation_is_known(self):
        # As it is after an interruption: the manifest knows more files than are there.
        self.place()
        (self.prefix / "bin/ddpm-dist").unlink()
        self.place()
        self.assertTrue((self.prefix / "bin/ddpm-dist").exists())

    def test_what_is_installed_removes_itself(self):
        self.tree("bin/ddpm-dist")
        self.write("tree/share/ddpm-dist/launch/place.sh", (launch / "place.sh").read_text(), True)
        self.place()
        self.run_script(
            self.prefix / "share/ddpm-dist/launch/place.sh", "--prefix", self.prefix, "--uninstall"
        )
        self.assertFalse(self.prefix.exists())

    def test_destdir_goes_before_the_prefix(self):
        stage = self.folder / "stage"
        self.place(DESTDIR=stage)
        self.assertFalse(self.prefix.exists())
        self.assertEqual(len(self.files(stage)), 4)
        self.place("--uninstall", DESTDIR=stage)
        self.assertEqual(self.files(stage), [])

    def test_wrong_arguments(self):
        for words, code, part in [
            ([], 64, "--prefix is missing"),
            (["--prefix"], 64, "needs a folder"),
            (["--prefix", "relative"], 64, "must begin with a slash"),
            (["--prefix", self.folder, "--force"], 64, "is no option"),
            (["--prefix", self.folder, "--uninstall"], 66, "Nothing is installed"),
            (["--prefix", self.folder / "tree/bin/ddpm-dist"], 73, "is no folder"),
            (["--prefix", self.folder, "--tree", self.folder / "none"], 66, "no tree"),
        ]:
            with self.subTest(words=words):
                _, errors = self.run_script(launch / "place.sh", *words, code=code)
                self.assertIn(part, errors)
                self.assertEqual(errors.count("\n"), 1)

    def test_scripts_know_where_they_are_installed(self):
        self.tree("bin/ddpm-dist", "share/ddpm-dist/launch/env.sh")
        shutil.copy(launch / "env.sh", self.folder / "tree/share/ddpm-dist/launch/env.sh")
        self.place()
        script = f"source '{self.prefix}/share/ddpm-dist/launch/env.sh' && echo \"$ddpm_bin\""
        output, _ = self.run_script(self.tools / "bash", "-euo", "pipefail", "-c", script)
        self.assertEqual(output, f"{self.prefix}/bin\n")


class ManualPages(Case):
    """launch/man_pages.py"""

    def test_a_page_for_each_command(self):
        option = {
            "kind": "option", "names": [{"kind": "long", "name": "out-file"}], "valueName": "FILE",
            "isOptional": False, "isRepeating": False, "abstract": ".h5 or C:\\x", "shouldDisplay": True,
            "defaultValue": "a.h5",
        }  # fmt: skip
        hidden = option | {"names": [{"kind": "long", "name": "secret"}], "shouldDisplay": False}
        help_text = {
            "command": {
                "commandName": "tool", "abstract": "Do it.", "discussion": "'quoted'\n\n.two",
                "subcommands": [
                    {"commandName": "make", "abstract": "Make it.", "arguments": [option, hidden]},
                ],
            }
        }  # fmt: skip
        self.write("help.json", json.dumps(help_text))
        tool = self.write(
            "tool",
            f'#!/bin/sh\nif [ "$1" = --version ]; then echo 1.2 x; else cat {self.folder}/help.json; fi\n',
            True,
        )
        self.run_script(launch / "man_pages.py", tool, self.folder / "man", "--date", "2026-01-02")
        pages = {p.name: p.read_text() for p in (self.folder / "man").iterdir()}
        self.assertEqual(sorted(pages), ["tool-make.1", "tool.1"])
        self.assertIn("\\&'quoted'\n.PP\n\\&.two", pages["tool.1"])
        self.assertIn("\\fBtool\\-make\\fR(1)\nMake it.", pages["tool.1"])
        make = pages["tool-make.1"]
        self.assertIn('.TH TOOL\\-MAKE 1 "2026-01-02" "ddpm\\-dist 1.2"', make)
        self.assertIn(".TP\n\\fB\\-\\-out\\-file\\fR \\fIFILE\\fR\n\\&.h5 or C:\\ex (default: a.h5)", make)
        self.assertNotIn("secret", make)


def main():
    result = unittest.main(exit=False, verbosity=2).result
    failed = len(result.failures) + len(result.errors)
    print(f"{result.testsRun - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

"""What the numbers of a comparison depend on: the CPU, its cores, our build."""

import os
import pathlib
import platform
import subprocess

from measures import ROOT


def output(*command: str) -> str:
    """What a command prints, in the language of programs."""
    environment = os.environ | {"LC_ALL": "C"}
    return subprocess.run(
        command, stdout=subprocess.PIPE, text=True, env=environment, check=True
    ).stdout


def flags(cpuinfo: str) -> set[str]:
    """What the first CPU of /proc/cpuinfo can do."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in ("flags", "Features"):
            return set(value.split())
    return set()


def computes_in_bfloat16(cpuinfo: str) -> bool:
    """Whether the CPU multiplies in bfloat16 (x86: AVX-512 or AMX; ARM: bf16)."""
    return bool(flags(cpuinfo) & {"avx512_bf16", "amx_bf16", "bf16"})


def cpuinfo() -> str:
    return pathlib.Path("/proc/cpuinfo").read_text()


def facts() -> dict[str, str]:
    """What is known beforehand; the peers will say their versions themselves."""
    lines = [line.partition(":") for line in output("lscpu").splitlines()]
    known = {name.strip(): value.strip() for name, _, value in lines}
    place = ", ".join(
        f"{name.lower()} {known[name]}" for name in ("CPU family", "Model") if name in known
    )
    known_flags = flags(cpuinfo())
    vectors = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if name in known_flags]
    return {
        "CPU": f"{known.get('Model name', platform.machine())} ({place})",
        "instructions": ", ".join(vectors) or "none of AVX2, AVX-512, AMX",
        "cores": str(len(os.sched_getaffinity(0))),
        "ddpm-dist": output(str(ROOT / ".build" / "release" / "ddpm-dist"), "--version").strip(),
    }

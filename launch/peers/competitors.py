"""Who takes part in a comparison: our program and its peers, each in one mode."""

import dataclasses


@dataclasses.dataclass(frozen=True)
class Competitor:
    """One program in one mode."""

    name: str
    program: str = "ddpm-dist"
    """ddpm-dist, pytorch, extension (PyTorch with Intel's, in an environment of its own) or openvino."""
    mode: str = ""
    """A mode of modes.py; of OpenVINO a hint; of ours nothing."""
    settings: tuple[str, ...] = ()
    """Settings of ours beside the configuration's."""
    ranks: int = 1
    """Of ours; 0 is one that is started without mpirun."""
    in_bfloat16: bool = False
    """Whether it needs a CPU that computes in bfloat16."""
    batch: int | None = None
    """The images that are drawn together; None: the program's default, or all."""

    @property
    def is_ours(self) -> bool:
        return self.program == "ddpm-dist"

    @property
    def is_compiled(self) -> bool:
        return "compiled" in self.mode.split("+")


def pytorch(name: str, mode: str, **more) -> Competitor:
    in_bfloat16 = "bfloat16" in mode.split("+")
    return Competitor(f"PyTorch, {name}", "pytorch", mode, in_bfloat16=in_bfloat16, **more)


# Ours

OURS = Competitor("ddpm-dist")
OURS_BFLOAT16 = Competitor(
    "ddpm-dist, bfloat16", settings=("precision=bfloat16",), in_bfloat16=True
)
OURS_NORMAL = Competitor("ddpm-dist, memory: normal", settings=("memory=normal",))
OURS_LESS = Competitor("ddpm-dist, memory: less", settings=("memory=less",))
ONE_RANK = Competitor("ddpm-dist, 1 rank")
WITHOUT_MPIRUN = Competitor("ddpm-dist, without mpirun", ranks=0)
TWO_RANKS = Competitor("ddpm-dist, 2 ranks", ranks=2)

# Theirs

EAGER = pytorch("eager", "eager")
CHANNELS_LAST = pytorch("channels last", "channels-last")
COMPILED = pytorch("compiled", "channels-last+compiled")
EAGER_BFLOAT16 = pytorch("eager, bfloat16", "eager+bfloat16")
CHANNELS_LAST_BFLOAT16 = pytorch("channels last, bfloat16", "channels-last+bfloat16")
COMPILED_BFLOAT16 = pytorch("compiled, bfloat16", "channels-last+compiled+bfloat16")
CHECKPOINTED = pytorch("recomputing blocks", "channels-last+checkpointed")
EXTENSION = Competitor("PyTorch with Intel's extension", "extension", "channels-last+extension")
EXTENSION_BFLOAT16 = Competitor(
    "PyTorch with Intel's extension, bfloat16", "extension", "channels-last+extension+bfloat16",
    in_bfloat16=True,
)  # fmt: skip
OPENVINO = Competitor("OpenVINO, latency", "openvino", "LATENCY")
OPENVINO_MANY = Competitor("OpenVINO, throughput", "openvino", "THROUGHPUT")
OPENVINO_BFLOAT16 = Competitor(
    "OpenVINO, latency, bfloat16", "openvino", "LATENCY", in_bfloat16=True
)
OPENVINO_MANY_BFLOAT16 = Competitor(
    "OpenVINO, throughput, bfloat16", "openvino", "THROUGHPUT", in_bfloat16=True
)

FLOAT32 = (EAGER, CHANNELS_LAST, COMPILED)
BFLOAT16 = (EAGER_BFLOAT16, CHANNELS_LAST_BFLOAT16, COMPILED_BFLOAT16)
EXTENSIONS = (EXTENSION, EXTENSION_BFLOAT16)
OPENVINOS = (OPENVINO, OPENVINO_MANY)
OPENVINOS_BFLOAT16 = (OPENVINO_BFLOAT16, OPENVINO_MANY_BFLOAT16)

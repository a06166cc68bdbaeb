"""The ways in which PyTorch can be told to compute, as words joined by +: `channels-last+compiled`."""

import dataclasses

WORDS = ("eager", "channels-last", "compiled", "bfloat16", "extension", "checkpointed")


@dataclasses.dataclass(frozen=True)
class Mode:
    """How a network is laid out and run."""

    channels_last: bool = False
    """Maps and kernels with their channels last in memory, which PyTorch's CPU kernels like better."""
    compiled: bool = False
    """torch.compile."""
    bfloat16: bool = False
    """Under bfloat16 autocast; else all is Float32."""
    extension: bool = False
    """Optimized by Intel's extension of PyTorch."""
    checkpointed: bool = False
    """Maps inside of blocks are computed again for the backward pass (torch.utils.checkpoint)."""

    @staticmethod
    def parsed(text: str) -> "Mode":
        words = text.split("+")
        if unknown := set(words) - set(WORDS):
            raise ValueError(f"{', '.join(sorted(unknown))}: none of {', '.join(WORDS)}")
        flags = [word.replace("-", "_") for word in words if word != "eager"]
        return Mode(**dict.fromkeys(flags, True))

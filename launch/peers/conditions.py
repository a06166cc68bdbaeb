"""What PyTorch's networks are told beside noisy images: nothing, classes, or captions as tokens."""

import dataclasses

import torch


class Conditions:
    """Nothing is said."""

    def drawn(self, count: int) -> dict[str, torch.Tensor]:
        """The arguments of a network for a batch of images."""
        return {}


@dataclasses.dataclass(frozen=True)
class Classes(Conditions):
    """A class of each image; some are left out, which the last row of the table stands for."""

    classes: int
    drop: float

    def drawn(self, count: int) -> dict[str, torch.Tensor]:
        labels = torch.randint(self.classes, (count,))
        labels[torch.rand(count) < self.drop] = self.classes
        return {"class_labels": labels}


class Captions(Conditions):
    """A caption of each image, drawn from those of a dataset; some are left out."""

    def __init__(self, captions: list[list[int]], drop: float):
        """- captions: Their tokens."""
        self._lengths = torch.tensor([len(caption) for caption in captions])
        # One extent for all batches: a compiled network is compiled once.
        self._tokens = torch.zeros(len(captions), int(self._lengths.max()), dtype=torch.long)
        for row, caption in zip(self._tokens, captions, strict=True):
            row[: len(caption)] = torch.tensor(caption)
        self._drop = drop

    def drawn(self, count: int) -> dict[str, torch.Tensor]:
        chosen = torch.randint(len(self._lengths), (count,))
        lengths = self._lengths[chosen]
        # No caption has the length 0.
        lengths[torch.rand(count) < self._drop] = 0
        return {"tokens": self._tokens[chosen], "lengths": lengths}

"""Captions of a dataset as tokens of one of our checkpoints; it shares no code with ours."""

import pathlib
import unicodedata

BEGINNING, END, FIRST_MERGE = 256, 257, 258


def merges_of(checkpoint: pathlib.Path) -> list[tuple[int, int]]:
    """The pairs of tokens that have become one, in the order in which they are joined."""
    import h5py
    import yaml

    with h5py.File(checkpoint) as file:
        settings = yaml.safe_load(file["config"][()].decode())
    numbers = settings["token_pairs"]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


def tokens_of(caption: str, ranks: dict[tuple[int, int], int]) -> list[int]:
    """Byte-pair encoding of a caption, word by word, a word beginning with the space before it."""
    text = " ".join(unicodedata.normalize("NFC", caption).split())
    first, *others = text.encode().split(b" ")
    tokens = [BEGINNING]
    for word in (first, *(b" " + other for other in others)):
        word = list(word)
        while pairs := [pair for pair in zip(word, word[1:]) if pair in ranks]:
            best = min(pairs, key=ranks.__getitem__)
            joined, place = [], 0
            while place < len(word):
                is_pair = tuple(word[place : place + 2]) == best
                joined.append(FIRST_MERGE + ranks[best] if is_pair else word[place])
                place += 2 if is_pair else 1
            word = joined
        tokens += word
    return [*tokens, END]


def captions_of(
    dataset: pathlib.Path, checkpoint: pathlib.Path, limit: int = 4096
) -> tuple[list[list[int]], int]:
    """The first captions of a dataset as tokens, and how many tokens there are."""
    import h5py

    merges = merges_of(checkpoint)
    ranks = {pair: rank for rank, pair in enumerate(merges)}
    with h5py.File(dataset) as file:
        texts = file["captions"][:limit].reshape(-1)[:limit]
    captions = [t.decode() if isinstance(t, bytes) else t for t in texts]
    return [tokens_of(caption, ranks) for caption in captions], FIRST_MERGE + len(merges)

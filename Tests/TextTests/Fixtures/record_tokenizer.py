#!/usr/bin/env python3
"""Records merges and tokens of byte-pair encoding, by the definition alone: everything is counted anew
for each merge, and bytes are bytes.

    python3 record_tokenizer.py            writes tokenizer.json beside itself

Nothing but Python's own library is needed, and the file comes out the same each time.
"""

import json
import random
import unicodedata
from pathlib import Path

BEGINNING, END, FIRST = 256, 257, 258

ENGLISH = [
    f"a {one} {place} a {other}"
    for one in ("one", "two", "three", "seven", "eight")
    for other in ("one", "three", "nine")
    for place in ("above", "below", "to the left of", "beside")
]
CHINESE = [f"{a}在{b}的{c}面" for a in "一二三四五" for b in "六七八" for c in "上下左右"]
STRANGE = [
    "aaaa aaaaa aaaaaaa aa aaaaaaaaaa", "  two   spaces ", "cafe\u0301 caf\u00e9 \u212b", "\u00e9\u00e9\u00e9",
    "tab\tand\nline\u3000end\u00a0here", "\U0001f600\U0001f600 \U0001f468\u200d\U0001f469", "aaa abab babab",
]
generator = random.Random(7)
RANDOM = [
    "".join(generator.choice("ab c") for _ in range(generator.randrange(1, 30))) + "x"
    for _ in range(60)
]
# Texts that no tokenizer has seen.
TEXTS = [
    "", " ", "a", "two sevens above a one", "九在一的上面", "  spaces  stay ", "\u00e9 e\u0301",
    "\U0001f600!", "aaaaaaaaaaaa", "line\nend\ttab", "\0", "abababab c ab",
]


def normalized(caption):
    return " ".join(unicodedata.normalize("NFC", caption).split())


def words(text):
    """The bytes, cut before each space."""
    parts = text.encode().split(b" ")
    return [part for part in [parts[0], *(b" " + part for part in parts[1:])] if part]


def joined(word, pair, token):
    i, result = 0, []
    while i < len(word):
        found = tuple(word[i : i + 2]) == pair
        result.append(token if found else word[i])
        i += 2 if found else 1
    return result


def learn(captions, limit):
    spelling = {i: bytes([i]) for i in range(256)}
    corpus = [list(word) for caption in captions for word in words(normalized(caption))]
    merges = []
    while len(merges) < limit:
        counts = {}
        for word in corpus:
            for pair in zip(word, word[1:]):
                counts[pair] = counts.get(pair, 0) + 1
        order = sorted(
            counts, key=lambda pair: (-counts[pair], spelling[pair[0]], spelling[pair[1]], pair)
        )
        if not order or counts[order[0]] < 2:
            break
        best, token = order[0], FIRST + len(merges)
        merges.append(best)
        spelling[token] = spelling[best[0]] + spelling[best[1]]
        corpus = [joined(word, best, token) for word in corpus]
    return merges


def encode(text, merges):
    tokens = []
    for word in words(text):
        word = list(word)
        for rank, pair in enumerate(merges):
            word = joined(word, pair, FIRST + rank)
        tokens += word
    return tokens


def checksum(merges):
    value = 0xCBF29CE484222325
    for token in (token for pair in merges for token in pair):
        for byte in token.to_bytes(8, "little"):
            value = (value ^ byte) * 0x100000001B3 % 2**64
    return f"{value:016x}"


cases = []
for captions, limit in [
    (ENGLISH, 40), (ENGLISH, 10_000), (CHINESE, 60), (ENGLISH + CHINESE + STRANGE, 100), (STRANGE, 50),
    (RANDOM, 200), (["once"], 10), ([], 5), (ENGLISH, 0),
]:
    merges = learn(captions, limit)
    cases.append(
        {
            "captions": captions, "limit": limit, "pairs": [token for pair in merges for token in pair],
            "hash": checksum(merges), "tokens": [encode(text, merges) for text in TEXTS],
        }
    )
content = {
    "texts": TEXTS,
    "normalized": [[caption, normalized(caption)] for caption in STRANGE + TEXTS],
    "cases": cases,
}
path = Path(__file__).with_name("tokenizer.json")
path.write_text(json.dumps(content, separators=(",", ":")) + "\n")

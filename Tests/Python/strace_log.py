"""Reads what strace has written with -f -y -xx: system calls with their paths, bytes and order."""

import re
from dataclasses import dataclass
from pathlib import Path

HEX = r"(?:\\x[0-9a-f]{2})*"
STRING = re.compile(rf'"({HEX})"(\.\.\.)?')
DESCRIPTOR = re.compile(rf"(-?\d+|AT_FDCWD)<({HEX})>(\(deleted\))?")
START = re.compile(r"(\d+)\s+(\w+)\((.*)$", re.S)
REST = re.compile(r"(\d+)\s+<\.\.\. (\w+) resumed>(.*)$", re.S)
RESULT = re.compile(r"^(.*)\)\s+= (-?\d+|0x[0-9a-f]+|\?)(.*)$", re.S)


def unhex(text: str) -> bytes:
    return bytes.fromhex(text.replace("\\x", ""))


@dataclass
class Call:
    """One system call. Its effect lies between the lines `begin` and `end` of the log."""

    thread: int
    name: str
    arguments: str
    result: int | None
    rest: str
    begin: int
    end: int

    @property
    def strings(self) -> list[bytes]:
        """The strings among the arguments."""
        return [unhex(match[1]) for match in STRING.finditer(self.arguments)]

    @property
    def descriptors(self) -> list[tuple[str, str, bool]]:
        """Number, path and whether the file is without a name, of each descriptor."""
        return [
            (match[1], unhex(match[2]).decode(errors="replace"), match[3] is not None)
            for match in DESCRIPTOR.finditer(self.arguments)
        ]

    def paths(self) -> list[str]:
        """What the call is about: paths as they were given, then those of descriptors."""
        given = [string.decode(errors="replace") for string in self.strings]
        return [path for path in given if path.startswith("/")] + [d[1] for d in self.descriptors]

    def numbers(self) -> list[int]:
        """The whole numbers among the arguments that are no descriptors."""
        words = STRING.sub("", DESCRIPTOR.sub("", self.arguments)).split(", ")
        return [int(word) for word in words if re.fullmatch(r"-?\d+", word)]

    @property
    def is_injected(self) -> bool:
        return "(INJECTED" in self.rest


def calls(path: Path) -> list[Call]:
    """The calls of a log, in the order of their ends; one that never ended has the result None."""
    open_: dict[int, tuple[str, str, int]] = {}
    found: list[Call] = []

    def finish(thread: int, name: str, text: str, begin: int, end: int) -> None:
        match = RESULT.match(text)
        if not match:  # The process was killed within the call.
            found.append(Call(thread, name, text, None, "", begin, end))
            return
        value = None if match[2] == "?" else int(match[2], 0)
        found.append(Call(thread, name, match[1], value, match[3], begin, end))

    with open(path, encoding="ascii", errors="replace") as log:
        for number, line in enumerate(log):
            line = line.rstrip("\n")
            if match := REST.match(line):
                thread = int(match[1])
                if thread in open_:
                    name, text, begin = open_.pop(thread)
                    finish(thread, name, text + match[3], begin, number)
            elif match := START.match(line):
                thread, name, text = int(match[1]), match[2], match[3]
                if text.endswith(" <unfinished ...>"):
                    open_[thread] = (name, text.removesuffix(" <unfinished ...>"), number)
                else:
                    finish(thread, name, text, number, number)
    for thread, (name, text, begin) in open_.items():
        found.append(Call(thread, name, text, None, "", begin, begin))
    return found

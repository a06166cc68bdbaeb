"""A disk that may lose its power: what has been asked of it, and what may be on it at any moment.

The model is that of POSIX without a promise of any file system: nothing is durable but by fsync, and nothing
else has an order.

    a file      since its last fsync: none of the writes, all of them, the first of them, half of them, the
                last without those before it (zeros in the gap); the first and the last cut off at each
                eighth; the size of all of them with zeros in place of new bytes; and drawn subsets of the
                pages of 4 KiB. A new file is empty until then.
    a folder    since its last fsync: any subset of the names made, given, moved and removed, applied in
                their order. A rename happens as a whole or not at all. The fsync of a file is none of the
                folder that it lies in; that of a folder is none of the folder above.

What real disks do is less: ext4, XFS and btrfs keep the order of names. Each file and folder is on its own;
where all combinations are more than a bound, every choice of each is taken with all others at their oldest,
and at their newest, and the rest is drawn.
"""

import itertools
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import xxhash

from strace_log import Call

# Combinations of one moment, names of one folder that are enumerated, and drawn subsets of more.
COMBINATIONS = 300
ENUMERATED = 6
DRAWN = 32
# The parts that a write is cut off at, the size of what a disk writes at once, and drawn subsets of these.
CUTS = 8
PAGE = 4096
DRAWN_PAGES = 8

# Calls that change neither bytes nor names.
HARMLESS = {
    "access", "chdir", "close", "dup", "dup2", "dup3", "execve", "faccessat", "faccessat2", "fadvise64",
    "fchdir", "fcntl", "flock", "fstat", "fstatfs", "getcwd", "getdents64", "ioctl", "lseek", "lstat",
    "mmap", "newfstatat", "openat", "open", "poll", "pread64", "read", "readlink", "readlinkat", "readv",
    "stat", "statfs", "statx",
}  # fmt: skip


@dataclass(eq=False)
class File:
    """A file: the bytes that are on the disk for certain, and what was written since."""

    durable: bytes = b""
    # Offset and bytes; None for bytes: the file was cut off or extended to the offset.
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)

    @staticmethod
    def apply(content: bytes, operations) -> bytes:
        data = bytearray(content)
        for offset, part in operations:
            end = offset + len(part or b"")
            if part is None:
                del data[offset:]
            if len(data) < offset:
                data.extend(bytes(offset - len(data)))
            data[offset:end] = part or b""
        return bytes(data)

    @property
    def newest(self) -> bytes:
        return self.apply(self.durable, self.pending)

    def choices(self) -> list[bytes]:
        """What may be on the disk; the oldest first, the newest last."""
        old, whole = self.durable, self.newest
        found = [old]
        for part in (self.pending[:1], self.pending[: len(self.pending) // 2], self.pending[-1:]):
            found.append(self.apply(old, part))
        for number, (offset, part) in enumerate(self.pending):
            if part and number in (0, len(self.pending) - 1):
                for cut in range(1, CUTS):
                    torn = (offset, part[: len(part) * cut // CUTS])
                    found.append(self.apply(old, [*self.pending[:number], torn]))
        if len(whole) > len(old):
            found.append(whole[: len(old)] + bytes(len(whole) - len(old)))
        # Equal files have equal choices, whenever they are asked for.
        rng = random.Random(xxhash.xxh3_64(whole).intdigest())
        before = old[: len(whole)] + bytes(max(0, len(whole) - len(old)))
        pages = [(start, start + PAGE) for start in range(0, len(whole), PAGE)]
        for _ in range(DRAWN_PAGES if len(pages) > 1 else 0):
            found.append(
                b"".join(rng.choice((before, whole))[start:end] for start, end in pages)
            )
        return list(dict.fromkeys([*(content for content in found if content != whole), whole]))


@dataclass(eq=False)
class Link:
    """A symbolic link, which is made as a whole."""

    target: str


@dataclass(eq=False)
class Directory:
    """A folder: the names that are on the disk for certain, and what became of names since."""

    durable: dict = field(default_factory=dict)
    # Each change at once: the names with what they lead to, None where nothing.
    pending: list[dict] = field(default_factory=list)

    def apply(self, changes) -> dict:
        names = dict(self.durable)
        for change in changes:
            names.update(change)
        return {name: node for name, node in names.items() if node is not None}

    @property
    def newest(self) -> dict:
        return self.apply(self.pending)

    def choices(self, rng: random.Random) -> list[dict]:
        """What may be on the disk; the oldest first, the newest last."""
        count = len(self.pending)
        if count <= ENUMERATED:
            masks = list(itertools.product((False, True), repeat=count))
        else:
            masks = [tuple(k < first for k in range(count)) for first in range(count)]
            masks += [tuple(k != one for k in range(count)) for one in range(count)]
            masks += [tuple(k == one for k in range(count)) for one in range(count)]
            masks += [tuple(rng.random() < 0.5 for _ in range(count)) for _ in range(DRAWN)]
            masks += [(True,) * count]
        found = [self.apply(itertools.compress(self.pending, mask)) for mask in masks]
        newest = found.pop()
        unique = {frozenset((n, id(node)) for n, node in names.items()): names for names in found}
        unique.pop(frozenset((n, id(node)) for n, node in newest.items()), None)
        return [*unique.values(), newest]


# What is in a folder: the path of each file with its bytes, of each link with its target, None for folders.
State = dict[str, bytes | str | None]


class Disk:
    """The disk below one folder, which takes down the calls of a program."""

    def __init__(self, top: str, state: State):
        """A folder whose content, with paths relative to it, is on the disk for certain."""
        self.top, self.root = top, Directory()
        for path in sorted(state):
            folder, name = self.parent(f"{top}/{path}")
            held = state[path]
            folder.durable[name] = (
                Directory() if held is None else File(held) if isinstance(held, bytes) else Link(held)
            )  # fmt: skip
        # What open descriptors lead to, and where in the file they are.
        self.open: dict[str, list] = {}
        self.waiting: dict[int, tuple] = {}

    def parent(self, path: str) -> tuple[Directory, str]:
        """The folder that a path lies in as it is now, and the last name of the path."""
        folder = self.root
        *above, name = path[len(self.top) + 1 :].split("/")
        for part in above:
            folder = folder.newest[part]
        return folder, name

    def find(self, path: str):
        if path == self.top:
            return self.root
        folder, name = self.parent(path)
        return folder.newest.get(name)

    def began(self, call: Call) -> None:
        """An fsync makes durable what was there when it began."""
        if call.name in ("fsync", "fdatasync"):
            held = self.open.get(call.descriptors[0][0])
            if held is not None:
                self.waiting[call.thread] = (held[0], len(held[0].pending))

    def ended(self, call: Call) -> bool:
        """Takes down a call; whether anything may be different on the disk now."""
        ours = f"{self.top}/".encode()
        given = [path.decode() for path in call.strings if path.startswith(ours)]
        number = call.descriptors[0][0] if call.descriptors else ""
        if call.result is None or call.result < 0:
            return False
        if call.name in ("openat", "open"):
            return self.opened(call)
        if call.name == "close":
            self.open.pop(number, None)
            return False
        held = self.open.get(number) if number != "AT_FDCWD" else None
        if held is None and not given:
            return False
        return self.changed(call, held, given)

    def opened(self, call: Call) -> bool:
        path = call.strings[0].decode()
        number = str(call.result)
        self.open.pop(number, None)
        if not path.startswith(self.top):
            return False
        node, is_new = self.find(path), False
        if node is None:
            if "O_CREAT" not in call.arguments:
                raise SystemExit(f"The model of the disk does not know the file {path}.")
            folder, name = self.parent(path)
            node, is_new = File(), True
            folder.pending.append({name: node})
        elif "O_TRUNC" in call.arguments and node.newest:
            node.pending.append((0, None))
            is_new = True
        is_append = "O_APPEND" in call.arguments
        self.open[number] = [node, len(node.newest) if is_append else 0]
        return is_new

    def changed(self, call: Call, held, given: list[str]) -> bool:
        name = call.name
        if name in ("fsync", "fdatasync"):
            node, count = self.waiting.pop(call.thread)
            durable, rest = node.pending[:count], node.pending[count:]
            node.durable = node.apply(node.durable, durable) if isinstance(node, File) else (
                node.apply(durable)
            )  # fmt: skip
            node.pending = rest
            return bool(durable)
        if name == "write":
            held[0].pending.append((held[1], self.payload(call)))
            held[1] += call.result
        elif name == "pwrite64":
            held[0].pending.append((call.numbers()[-1], self.payload(call)))
        elif name == "lseek":
            held[1] = call.result
            return False
        elif name == "ftruncate":
            held[0].pending.append((call.numbers()[-1], None))
        elif name == "mkdir":
            self.give(given[0], Directory())
        elif name == "symlink":
            self.give(given[-1], Link(call.strings[0].decode()))
        elif name == "link":
            self.give(given[1], self.find(given[0]))
        elif name in ("unlink", "rmdir"):
            self.give(given[0], None)
        elif name == "rename":
            (folder, old), (other, new) = self.parent(given[0]), self.parent(given[1])
            if folder is not other:
                raise SystemExit("The model of the disk knows no rename from folder to folder.")
            folder.pending.append({new: folder.newest[old], old: None})
        elif name in HARMLESS:
            return False
        else:
            raise SystemExit(f"The model of the disk does not know {name}({call.arguments[:80]}).")
        return True

    def give(self, path: str, node) -> None:
        folder, name = self.parent(path)
        folder.pending.append({name: node})

    @staticmethod
    def payload(call: Call) -> bytes:
        data = call.strings[0]
        if re.search(r'"\.\.\.', call.arguments):
            raise SystemExit("strace has cut off what was written.")
        return data[: call.result]

    # What may be there

    def nodes(self) -> list:
        """All files and folders that may be reached, whatever was lost."""
        found, rest = [], [self.root]
        while rest:
            node = rest.pop()
            if node in found:
                continue
            found.append(node)
            if isinstance(node, Directory):
                for names in (node.durable, *node.pending):
                    rest += [child for child in names.values() if child is not None]
        return found

    def states(self, rng: random.Random) -> Iterator[State]:
        """What may be on the disk if the power fails now."""
        nodes = [node for node in self.nodes() if not isinstance(node, Link) and node.pending]
        choices = [
            node.choices(rng) if isinstance(node, Directory) else node.choices() for node in nodes
        ]
        total = 1
        for each in choices:
            total *= len(each)
        if total <= COMBINATIONS:
            combinations = list(itertools.product(*(range(len(each)) for each in choices)))
        else:
            oldest = tuple(0 for _ in choices)
            newest = tuple(len(each) - 1 for each in choices)
            combinations = [oldest, newest]
            for place, each in enumerate(choices):
                for choice in range(len(each)):
                    for base in (oldest, newest):
                        combinations.append((*base[:place], choice, *base[place + 1 :]))
            while len(combinations) < COMBINATIONS:
                combinations.append(tuple(rng.randrange(len(each)) for each in choices))
        for combination in dict.fromkeys(combinations):
            taken = {id(n): c[k] for n, c, k in zip(nodes, choices, combination)}
            state: State = {}
            self.collect(self.root, "", taken, state)
            yield state

    def collect(self, folder: Directory, prefix: str, taken: dict, state: State) -> None:
        for name, node in taken.get(id(folder), folder.durable).items():
            path = prefix + name
            if isinstance(node, Directory):
                state[path] = None
                self.collect(node, path + "/", taken, state)
            elif isinstance(node, Link):
                state[path] = node.target
            else:
                state[path] = taken.get(id(node), node.durable)

"""Whether Package.swift is the graph of the modules: what a target imports is what it declares.

    python check_imports.py

SwiftPM's own check (--explicit-target-dependency-import-check) lets a target import what its
dependencies depend on; here neither an import may be undeclared nor a dependency unused. And what
works with any model names none. The last line reads "N passed, N failed", a target being a test.
"""

import json
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(__file__).resolve().parents[2]
IMPORT = re.compile(
    r"^[ \t]*(?:@\w+ )?(?:(?:public|package|internal|fileprivate|private) )?import "
    r"(?:(?:struct|class|enum|protocol|func|var|let|typealias) )?(\w+)",
    re.MULTILINE)  # fmt: skip

ENGINE = [
    "Parallel", "Storage", "MPI", "HDF5", "Training/Trainer", "Training/Run", "Training/Evaluation",
    "Training/Generation",
]  # fmt: skip
MODELS = re.compile(
    r"^(?!\s*//).*\b(UNet|UNetConfiguration|GaussianDiffusion|DenoisingDiffusion|NoiseSchedule|"
    r"TimestepGrid|SamplerKind|Ancestral|DDIM)\b",
    re.MULTILINE)  # fmt: skip


def dependencies(target: dict) -> set[str]:
    """The names of the modules that a target declares."""
    found = set()
    for dependency in target["dependencies"]:
        (value,) = dependency.values()
        found.add(value[0])
    return found


def main() -> None:
    text = subprocess.run(
        ["swift", "package", "--package-path", str(root), "dump-package"],
        capture_output=True, text=True, check=True).stdout  # fmt: skip
    targets = json.loads(text)["targets"]
    own = {target["name"] for target in targets}
    external = set().union(*(dependencies(target) for target in targets)) - own
    passed = failed = 0
    for target in targets:
        if target["type"] == "system":
            continue
        folder = "Tests" if target["type"] == "test" else "Sources"
        place = root / (target.get("path") or f"{folder}/{target['name']}")
        imported = set()
        for file in place.rglob("*.swift"):
            imported.update(IMPORT.findall(file.read_text(encoding="utf-8")))
        imported &= own | external
        declared = dependencies(target)
        faults = [f"imports {name} and does not declare it" for name in imported - declared]
        faults += [f"declares {name} and does not import it" for name in declared - imported]
        for fault in sorted(faults):
            print(f"{target['name']} {fault}")
        passed += not faults
        failed += bool(faults)
    named = [
        f"{file.relative_to(root)} names {name}"
        for folder in ENGINE
        for file in sorted((root / "Sources" / folder).rglob("*.swift"))
        for name in MODELS.findall(file.read_text(encoding="utf-8"))
    ]
    print(*named, sep="\n", end="\n" if named else "")
    passed += not named
    failed += bool(named)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

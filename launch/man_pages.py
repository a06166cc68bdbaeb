#!/usr/bin/env python3
"""Writes the manual pages of a program from what it tells about itself.

    launch/man_pages.py PROGRAM FOLDER [--date 2026-11-29]

A page for the program and for each of its commands, as ddpm-dist-dataset-import-csv.1, from the JSON of
`PROGRAM --experimental-dump-help` (swift-argument-parser's), the settings at the end of `ddpm-dist train
--help`, and the first word of `PROGRAM --version`. Needs nothing but Python.
"""

import argparse
import datetime
import json
import pathlib
import re
import subprocess


def output(*command):
    """What a command prints; its own message and an exception where it fails."""
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def escaped(text):
    """Text as roff: no character of it is a command, and a hyphen stays one."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return re.sub(r"^([.'])", r"\\&\1", text, flags=re.MULTILINE)


def bold(text):
    return f"\\fB{escaped(text)}\\fR"


def italic(text):
    return f"\\fI{escaped(text)}\\fR"


def paragraphs(text):
    """Paragraphs, whose lines are kept: many are examples."""
    lines = []
    for paragraph in text.strip().split("\n\n"):
        lines.append(".PP")
        lines.append("\n.br\n".join(escaped(line) for line in paragraph.split("\n")))
    return lines


def spelling(argument):
    """An argument as it is typed: `--output FILE`."""
    value = italic(argument.get("valueName") or "value")
    if argument["kind"] == "positional":
        return value + ("…" if argument["isRepeating"] else "")
    dashes = {"long": "--", "short": "-", "longWithSingleDash": "-"}
    names = [bold(dashes[name["kind"]] + name["name"]) for name in argument["names"]]
    names.sort(key=len)
    return ", ".join(names) + ("" if argument["kind"] == "flag" else f" {value}")


def explanation(argument):
    """What an argument means, with its values and its default."""
    text = argument.get("abstract") or ""
    facts = []
    if argument.get("allValues") and argument["kind"] != "flag":
        facts.append("values: " + ", ".join(argument["allValues"]))
    if argument.get("defaultValue") and argument["kind"] != "flag" and "(default:" not in text:
        facts.append("default: " + argument["defaultValue"])
    if argument.get("discussion"):
        text += "\n" + argument["discussion"]
    return text + (f" ({'; '.join(facts)})" if facts else "")


def synopsis(words, arguments, subcommands):
    """How the command is called."""
    parts = [bold(" ".join(words))]
    if any(a["kind"] != "positional" and a["isOptional"] for a in arguments):
        parts.append("[" + italic("options") + "]")
    for argument in arguments:
        if argument["kind"] == "positional":
            text = spelling(argument)
            parts.append(f"[{text}]" if argument["isOptional"] else text)
        elif not argument["isOptional"]:
            parts.append(spelling(argument))
    if subcommands:
        parts.append(italic("command"))
    return " ".join(parts)


def settings(program):
    """The settings of `train --help`, as lines of a page."""
    text = output(program, "train", "--help").split("\nSETTINGS,", 1)[1]
    lines = [".SH SETTINGS", escaped("For YAML files and --set, with their defaults.")]
    for line in text.split("\n")[1:]:
        title = re.fullmatch(r"  ([^a-z]+)", line)
        setting = re.fullmatch(r"  (\w+): (.*)   \((.*)\)", line)
        if title:
            lines.append(f".SS {escaped(title[1])}")
        elif setting:
            lines += [".TP", f"{bold(setting[1])}: {escaped(setting[2])}   ({escaped(setting[3])})"]
        elif line.strip():
            lines.append(escaped(line.strip()))
    return lines


def page(program, words, command, version, date):
    """The page of a command whose words are, say, `ddpm-dist dataset import csv`."""
    shown = [a for a in command.get("arguments", []) if a.get("shouldDisplay", True)]
    children = [
        c for c in command.get("subcommands", []) if c.get("shouldDisplay", True) and c["commandName"] != "help"
    ]  # fmt: skip
    name = "-".join(words)
    lines = [
        f'.TH {escaped(name.upper())} 1 "{date}" "{escaped(f"ddpm-dist {version}")}" "ddpm\\-dist"',
        # No hyphens of roff's own within names of files and settings.
        ".nh",
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(command.get('abstract', '').rstrip('.'))}",
        ".SH SYNOPSIS",
        synopsis(words, shown, children),
    ]
    if command.get("discussion"):
        lines += [".SH DESCRIPTION"] + paragraphs(command["discussion"])
    sections = {}
    for argument in shown:
        default = "ARGUMENTS" if argument["kind"] == "positional" else "OPTIONS"
        sections.setdefault(argument.get("sectionTitle") or default, []).append(argument)
    for title, arguments in sections.items():
        lines.append(f'.SH "{escaped(title.upper())}"')
        for argument in arguments:
            lines += [".TP", spelling(argument), escaped(explanation(argument))]
    if children:
        lines.append(".SH COMMANDS")
        for child in children:
            page_name = f"{name}-{child['commandName']}"
            lines += [".TP", f"{bold(page_name)}(1)", escaped(child.get("abstract", ""))]
    if words[1:] == ["train"]:
        lines += settings(program)
    related = ["ddpm-dist", "ddpm-sample"] + ["-".join(words[:n]) for n in range(2, len(words))]
    lines.append(".SH SEE ALSO")
    lines.append(", ".join(f"{bold(other)}(1)" for other in related if other != name))
    return name, "\n".join(lines) + "\n", children


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("program", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--date", default=datetime.date.today().isoformat())
    arguments = parser.parse_args()
    root = json.loads(output(arguments.program, "--experimental-dump-help"))["command"]
    version = output(arguments.program, "--version").split()[0]
    arguments.folder.mkdir(parents=True, exist_ok=True)
    waiting = [([root["commandName"]], root)]
    while waiting:
        words, command = waiting.pop()
        name, text, children = page(arguments.program, words, command, version, arguments.date)
        (arguments.folder / f"{name}.1").write_text(text, encoding="utf-8")
        waiting += [(words + [child["commandName"]], child) for child in children]


if __name__ == "__main__":
    main()

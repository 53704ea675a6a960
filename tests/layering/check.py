#!/usr/bin/env python3
"""Checks rules of the repository that a compiler does not know.

  check.py layers    a folder of src/ includes only folders above it
  check.py headers   every header compiles by itself
  check.py words     no word that promises work, no path of somebody's machine
  check.py documents every metric, warning and error of the log stands in docs/operations.md, and
                     nothing else does

Prints each offence as FILE:LINE: what is wrong; exits with 1 if there is one.
"""

import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile

# From the top: a folder may include those before it, less what NARROWER says.
LAYERS = ["base", "io", "exec", "observe", "guard", "journal", "wire", "store", "bus", "net",
          "security", "clinical", "tasks", "alerts", "services", "app"]
# Pure folders: time, bytes and results are all they know of the program.
NARROWER = {"guard": ["base"], "clinical": ["base"]}

SOURCES = (".cc", ".h")
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def offences_of_layers(path, text):
    """Of one file of src/: [(line, what is wrong)]."""
    parts = path.split("/")
    if parts[0] != "src" or len(parts) < 3:
        return []
    folder = parts[1]
    if folder not in LAYERS:
        return [(1, f"src/{folder} is not one of the layers")]
    # testing_x.h and x_test_support.h are shared by the tests of their folder.
    test = bool(re.search(r"^testing_|_test(_support)?\.", parts[-1]))
    allowed = NARROWER.get(folder, LAYERS[:LAYERS.index(folder)])
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = INCLUDE.match(line)
        if not match:
            continue
        target = match.group(1).split("/")
        if target[0] == "testing":
            if not test:
                found.append((number, "testing/ is never linked into weir: tests alone include it"))
        elif target[0] == "tools" and folder == "app":
            pass  # `weir surge` is a command of the program
        elif target[0] not in LAYERS:
            found.append((number, f'"{match.group(1)}" is not below src/: name it from there'))
        elif target[0] == folder:
            if folder == "services" and len(parts) > 3 and target[1] != parts[2]:
                found.append((number, "services never include one another"))
        elif target[0] not in allowed:
            found.append((number, f"src/{folder} may not include src/{target[0]}: only "
                                  f"{', '.join(allowed) or 'nothing'}"))
    return found


# Written in parts, so that this file does not offend itself.
WORDS = [(re.compile(rf"\b{word}\b"), "says that something is missing: do it or leave it out")
         for word in ("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")]
WORDS += [(re.compile(r"\bfor " + r"now\b", re.IGNORECASE), "says that something is missing"),
          (re.compile(r"\bplace" + r"holder\b(?!=)", re.IGNORECASE), "says that something is missing"),
          (re.compile(r"(?<![\w.$}])/(?:work|root|home/\w+)" + r"/\w"), "is a path of one machine")]
LINES_MAX = 500


def offences_of_words(path, text):
    found = []
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        for pattern, why in WORDS:
            match = pattern.search(line)
            if match:
                found.append((number, f"'{match.group(0)}' {why}"))
    if path.endswith(SOURCES) and len(lines) > LINES_MAX:
        found.append((len(lines), f"{len(lines)} lines: a file has one reason to change, and at most "
                                  f"{LINES_MAX} lines"))
    return found


def own_header(path):
    """The header that x.cc is for, if there is one."""
    header = path.removesuffix(".cc") + ".h"
    return header if path.endswith(".cc") and os.path.exists(header) else None


def includes_first(path, text):
    """The file that `text` includes first, as a path from the project's root."""
    for line in text.splitlines():
        match = re.match(r'^\s*#\s*include\s+(["<])([^">]+)', line)
        if match:
            return os.path.join("src", match.group(2)) if match.group(1) == '"' else ""
    return ""


def headers_to_compile(files):
    """Headers that no source file proves to stand alone by including them first."""
    proven = set()
    for path, text in files.items():
        if path.endswith(".cc"):
            first = includes_first(path, text)
            proven.add(first)
            proven.add(first.removeprefix("src/"))
    return [path for path in files if path.endswith(".h") and path not in proven]


def compile_flags(commands):
    """Include directories and definitions of all that is built; warnings are the build's affair."""
    with open(commands) as file:
        entries = json.load(file)
    flags = {"-std=c++20": None}
    for entry in entries:
        words = shlex.split(entry["command"])
        for index, word in enumerate(words):
            if word.startswith(("-I", "-D")):
                flags[word] = None
            elif word == "-isystem":
                flags[f"-isystem{words[index + 1]}"] = None
    return list(flags)


def offences_of_headers(files, compiler, commands):
    flags = compile_flags(commands)

    def check(path):
        with tempfile.NamedTemporaryFile("w", suffix=".cc") as source:
            source.write(f'#include "{os.path.abspath(path)}"\n' * 2)
            source.flush()
            run = subprocess.run([compiler, "-fsyntax-only", *flags, source.name],
                                 capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if run.returncode == 0:
            return path, []
        errors = [line for line in run.stderr.splitlines() if "error" in line]
        return path, [(1, f"does not compile alone: {(errors or ['?'])[0]}")]

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(pool.map(check, headers_to_compile(files)))


METRIC = re.compile(r'"(weir_[a-z0-9_]+)"')
ALARM = re.compile(r'(?:->|\.)(?:Warn|Error)\(\s*"([a-z_.]+)"')
DOCUMENTED = re.compile(r"`((?:weir_|[a-z]+\.)[a-z0-9_]+)(?:\{[a-z,]*\})?`")
LINK = re.compile(r"\]\((?!https?://)([^)#\s]+)(?:#[^)]*)?\)")
OPERATIONS = "docs/operations.md"
# What the allocator and the kernel call things; a table names events and metrics alone.
FOREIGN = {"weir.db", "tokens.json", "configuration.md", "research.key"}


def offences_of_documents(files):
    said = {}
    for path, text in files.items():
        if path.startswith("src/") and path.endswith(".cc") and not path.endswith("_test.cc"):
            for number, line in enumerate(text.splitlines(), 1):
                for name in METRIC.findall(line):
                    said.setdefault(name, (path, number))
            for match in ALARM.finditer(text):
                said.setdefault(match.group(1), (path, text.count("\n", 0, match.start()) + 1))
    offences = {}
    documented = {}
    for number, line in enumerate(files.get(OPERATIONS, "").splitlines(), 1):
        if line.startswith("| "):
            for name in DOCUMENTED.findall(line.split(" | ")[0]):
                documented.setdefault(name, number)
    for path, text in files.items():
        if path.endswith(".md"):
            for number, line in enumerate(text.splitlines(), 1):
                for link in LINK.findall(line):
                    target = os.path.normpath(os.path.join(os.path.dirname(path), link))
                    if not os.path.exists(target):
                        offences.setdefault(path, []).append((number, f"{link} does not exist"))
    for name, (path, number) in said.items():
        if name not in documented:
            offences.setdefault(path, []).append((number, f"{name} is not in {OPERATIONS}"))
    for name, number in documented.items():
        if name not in said and name not in FOREIGN:
            offences.setdefault(OPERATIONS, []).append((number, f"the program has no {name}"))
    return offences


def project_files():
    """Path to text of every file of the project that is text."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True)
    if listed.returncode == 0:
        paths = listed.stdout.split("\0")
    else:  # not a clone
        paths = [os.path.relpath(os.path.join(folder, name))
                 for folder, _, names in os.walk(".") for name in names
                 if not folder.startswith(("./build", "./data", "./.git"))]
    files = {}
    for path in paths:
        try:
            with open(path, encoding="utf-8") as file:
                files[path] = file.read()
        except (UnicodeDecodeError, OSError):
            continue
    return files


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rule", choices=["layers", "headers", "words", "documents"])
    parser.add_argument("--compiler", default="c++")
    parser.add_argument("--commands", default="build/release/compile_commands.json")
    options = parser.parse_args()
    files = project_files()
    code = {path: text for path, text in files.items() if path.endswith(SOURCES)}
    if options.rule == "layers":
        offences = {path: offences_of_layers(path, text) for path, text in code.items()}
    elif options.rule == "headers":
        offences = offences_of_headers(code, options.compiler, options.commands)
    elif options.rule == "documents":
        offences = offences_of_documents(files)
    else:
        offences = {path: offences_of_words(path, text) for path, text in files.items()
                    if "/corpus/" not in path and not path.endswith(("LICENSE", ".golden"))}
    count = 0
    for path in sorted(offences):
        for line, what in offences[path]:
            print(f"{path}:{line}: {what}")
            count += 1
    print(f"{options.rule}: {count} offences")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())

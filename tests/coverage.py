#!/usr/bin/env python3
"""Counts the branches that gcov saw taken, from its JSON on standard input, one object a line.

A branch is one way out of a decision: `a && b` has four. It is known by file, function, line, its number on that line
and how many are there (a `sizeof` may decide, and a region's words are shorter than a range's), and taken if it was in
any object: what is `static inline` in a header is compiled into every file that includes it, and a library is built
more than once. Nothing is left out. The last column counts each including file by itself.

coverage.py [-v] [--least PERCENT] FOLDER...
"""
import argparse
import collections
import json
import os
import sys


def objects(stream):
    """The JSON objects of a stream, which gcov writes one a line."""
    for line in stream:
        if line.strip():
            yield json.loads(line)


def is_stale(data_file):
    """Whether the source of an object is gone, which a build folder keeps: .../NAME.dir/SOURCE.gcno."""
    source = os.path.splitext(data_file.split(".dir/")[-1])[0]
    return not os.path.exists(source) and not os.path.exists(os.path.join("tests", source))


def read(stream, folders):
    """{file: {branch: taken}} over all objects, and the same with the object's source in the branch."""
    merged = collections.defaultdict(dict)
    apart = collections.defaultdict(dict)
    for data in objects(stream):
        source = os.path.basename(data["data_file"])
        if is_stale(data["data_file"]):
            continue
        for entry in data["files"]:
            path = os.path.join(data["current_working_directory"], entry["file"])
            name = os.path.relpath(path)
            if os.path.dirname(name) not in folders:
                continue
            for line in entry["lines"]:
                place = (line["line_number"], line.get("function_name", ""), len(line["branches"]))
                for number, branch in enumerate(line["branches"]):
                    key = place + (number,)
                    taken = branch["count"] > 0
                    merged[name][key] = merged[name].get(key, False) or taken
                    key += (source,)
                    apart[name][key] = apart[name].get(key, False) or taken
    return merged, apart


def without_branches(merged, folders):
    """Files that no object has: not built, or nothing to decide in them."""
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            path = os.path.join(folder, name)
            if path not in merged:
                yield path


def share(branches):
    """Taken, all, and percent of any number of {branch: taken}."""
    taken = sum(sum(b.values()) for b in branches)
    count = sum(len(b) for b in branches)
    return taken, count, 100 * taken / count if count else 100.0


def tell_missed(name, branches):
    """Lines of a file with a branch that was not taken."""
    with open(name, encoding="utf-8") as file:
        text = file.read().splitlines()
    missed = collections.Counter(key[0] for key, taken in branches.items() if not taken)
    for line, count in sorted(missed.items()):
        print(f"{name}:{line}: {count} not taken: {text[line - 1].strip()}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("-v", action="store_true", dest="verbose")
    parser.add_argument("--least", type=float, default=0)
    parser.add_argument("folders", nargs="+")
    options = parser.parse_args()
    merged, apart = read(sys.stdin, options.folders)
    print(f"{'file':28} {'taken':>6} {'of':>6} {'%':>7} {'apart %':>8}")
    for name in sorted(merged):
        taken, count, percent = share([merged[name]])
        print(f"{name:28} {taken:6} {count:6} {percent:7.2f} {share([apart[name]])[2]:8.2f}")
    for name in without_branches(merged, options.folders):
        print(f"{name:28} no branches")
    for folder in options.folders:
        inside = [name for name in merged if os.path.dirname(name) == folder]
        taken, count, percent = share([merged[name] for name in inside])
        print(f"{folder:28} {taken:6} {count:6} {percent:7.2f} {share([apart[n] for n in inside])[2]:8.2f}")
    taken, count, percent = share(merged.values())
    print(f"{'all':28} {taken:6} {count:6} {percent:7.2f} {share(apart.values())[2]:8.2f}")
    if options.verbose:
        for name in sorted(merged):
            tell_missed(name, merged[name])
    if count == 0 or percent < options.least:
        print(f"coverage: below {options.least:g} %", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""An inverted index of Python's own library: many strings, lists and dictionaries, kept, changed and dropped."""
import json
import pathlib
import re
import sysconfig

WORD = re.compile(r"[A-Za-z_]{3,}")


def index(folder, most):
    words = {}
    files = sorted(pathlib.Path(folder).glob("*.py"))[:most]
    for path in files:
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            for word in WORD.findall(line):
                words.setdefault(word, []).append((path.name, number))
    return files, words


def main():
    files, words = index(sysconfig.get_paths()["stdlib"], 120)
    places = sum(map(len, words.values()))
    copy = json.loads(json.dumps(words))
    rare = {word for word, at in copy.items() if len(at) == 1}
    for word in rare:
        del copy[word]
    top = sorted(copy, key=lambda word: (-len(copy[word]), word))[:5]
    print(f"{len(files)} files, {len(words)} words in {places} places; most used: {', '.join(top)}")


main()

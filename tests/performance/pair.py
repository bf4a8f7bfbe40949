"""pair.py LIBRARY MOST: fails when malloc(16) and free take more than MOST instructions together. They are counted under
callgrind, not timed, so the answer is the same on a busy machine. Ends with 77 where valgrind does not run."""
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import measure

SKIPPED = 77


def why_not():
    """What keeps valgrind from running here; empty: nothing. The program is one that every system has."""
    if shutil.which("valgrind") is None:
        return "it is not installed"
    done = subprocess.run(["valgrind", "--tool=none", "true"], capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stderr.strip() or f"it ended with {done.returncode}"


def main():
    library, most = sys.argv[1], int(sys.argv[2])
    reason = why_not()
    if reason:
        print(f"skipped: valgrind does not run here: {reason}")
        sys.exit(SKIPPED)
    with tempfile.TemporaryDirectory() as folder:
        measure.compile_program("work/pair.c", pathlib.Path(folder))
        count = measure.pair_instructions(library, pathlib.Path(folder))
    print(f"malloc(16) and free: {count} instructions, at most {most}")
    if count < most:
        print(f"fewer than the limit: lower it to {count} in tests/CMakeLists.txt")
    sys.exit(count > most)


main()

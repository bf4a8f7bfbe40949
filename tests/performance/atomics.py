"""atomics.py LIBRARY NM OBJDUMP: fails when a fast path has an atomic instruction or a fence, each of which costs as much as
the rest of the path. The functions are disassembled, not run: what is slow, they leave to others by a jump. Posting a
block to another thread's heap cannot do without one, which shows that such an instruction would be found."""
import re
import subprocess
import sys

FAST = ("malloc", "free", "cfree", "fh_malloc", "fh_free", "_Znwm", "_Znam", "_ZdlPv", "_ZdaPv", "_ZdlPvm", "_ZdaPvm")
POSTING = "fh_remote_"
# By what objdump calls the file. Without LSE, aarch64 calls a function that finds out what the processor has.
ATOMIC = {
    "x86-64": r"(xacquire |xrelease )?lock\b|xchg\w*\s.*\(|[lsm]fence",
    "aarch64": r"(ld|st)a?l?x[rp][bh]?\s|casp?a?l?[bh]?\s|swpp?a?l?[bh]?\s|(ld|st)(add|clr|eor|set|[su]max|[su]min)a?l?[bh]?\s"
               r"|ld(a|la|ap)u?r[bh]?\s|stll?u?r[bh]?\s|dmb|dsb|bl?\s.*<__aarch64_(cas|swp|ld)",
}


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def functions(nm, library):
    """Name to addresses."""
    rows = re.findall(r"^([0-9a-f]+) ([0-9a-f]+) [tT] ([^@\s]+)", output(nm, "-S", "--defined-only", library), re.M)
    return {name: range(int(start, 16), int(start, 16) + int(size, 16)) for start, size, name in rows}


def atomic_instructions(objdump, library):
    """Address to text."""
    text = output(objdump, "-d", "--no-show-raw-insn", library)
    pattern = next(p for machine, p in ATOMIC.items() if machine in text.partition("file format")[2].split("\n")[0])
    rows = re.findall(r"^\s*([0-9a-f]+):\s+(\S.*)", text, re.M)
    return {int(address, 16): shown for address, shown in rows if re.match(pattern, shown)}


def main():
    library, nm, objdump = sys.argv[1:]
    code = functions(nm, library)
    atomic = atomic_instructions(objdump, library)
    found = {name: [text for at, text in atomic.items() if at in code[name]]
             for name in code if name in FAST or name.startswith(POSTING)}
    posting = sum(len(rows) for name, rows in found.items() if name.startswith(POSTING))
    fast = {name: found.get(name) for name in FAST}
    for name, rows in fast.items():
        print(f"{name}: not found" if rows is None else "\n  ".join([f"{name}: {len(rows)}", *rows]))
    print(f"{POSTING}*: {posting}, and there must be some")
    sys.exit(posting == 0 or any(rows != [] for rows in fast.values()))


main()

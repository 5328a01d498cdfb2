"""Checks what no compiler does: floors, circles, sizes, one adapter a library, words that must not
stand in the repository. Prints "path:line: what" and exits 1 when there is anything."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lint_source import c_functions, c_strings, python_functions, shell_functions  # noqa: E402
from lint_source import sql_bodies, without_c_comments, without_sql_comments  # noqa: E402

FUNCTION_LINES = 60
FILE_LINES = 500
TEXT_ENDINGS = (".c", ".h", ".py", ".sh", ".sql", ".cmake", ".md", ".mustache", ".service", ".json")
SIZED_ENDINGS = (".c", ".h", ".py", ".sh", ".sql")
SHELL_NAMES = ("dev", ".ci/run")
TOP_LEVEL = {
    "CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "dev",
    "docs", "queue", "systemd", "templates", "tests", "worker",
}

# A folder's floor. Folders on one floor are siblings and do not include each other.
FLOORS = {
    "worker/base": 0,
    "worker/model": 1,
    "worker/io": 2,
    "worker/mail": 2,
    "templates": 2,
    "queue/client": 3,
    "queue/sql": 3,
    "worker/flow": 4,
    "worker/cli": 5,
    "worker": 6,  # main.c, which calls the command line
}

# Third-party libraries by what their headers are called.
LIBRARIES = {
    "jansson": r"jansson\.h",
    "libinih": r"ini\.h",
    "libcrypto": r"openssl/.*",
    "libpq": r"(postgresql/)?(libpq-fe|libpq-events|postgres_ext|pg_config)\.h",
    "libcurl": r"curl/.*",
    "libuv": r"uv\.h",
    "libmicrohttpd": r"microhttpd\.h",
    "libsystemd": r"systemd/.*",
    "libpsl": r"libpsl\.h",
    "libical": r"libical/.*",
    "libetpan": r"libetpan/.*",
}

# Put together here so that this file does not find itself.
UNFINISHED = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" + "XX", "HA" + "CK"]) + r")\b")
MACHINE_PATH = re.compile(r"(?<![\w.])/(" + "|".join(["wo" + "rk", "ro" + "ot", "fa" + "rm"]) + r")\b(?!\.)")

SQL_FORBIDDEN = [
    (re.compile(r"\bcreate\s+(or\s+replace\s+)?(constraint\s+)?trigger\b", re.I), "a trigger"),
    (re.compile(r"\breturns\s+trigger\b", re.I), "a trigger function"),
    (re.compile(r"\bset\s+null\b", re.I), "SET NULL"),
    (re.compile(r"\bmerge\s+into\b", re.I), "MERGE"),
]
SQL_START = re.compile(r"\s*(select\s|insert\s+into\s|update\s+\S+\s+set\s|delete\s+from\s)", re.I)
PRINTING_CALL = re.compile(r"\b(v?snprintf|v?asprintf|v?sprintf|buf_v?printf)\s*\(")
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]+(["<])([^">]+)[">]', re.M)


class Tree:
    """The repository's text files, read once, and what was found in them."""

    def __init__(self, root):
        self.root = Path(root)
        self.texts = {}
        self.findings = []
        for folder, folders, names in os.walk(self.root):
            here = Path(folder).relative_to(self.root).as_posix()
            folders[:] = sorted(
                name for name in folders
                if name not in (".git", "__pycache__", ".pytest_cache")
                and not (here == "." and name == "build")
            )
            for name in sorted(names):
                path = name if here == "." else f"{here}/{name}"
                if name.endswith(TEXT_ENDINGS) or name == "CMakeLists.txt" or path in SHELL_NAMES:
                    self.texts[path] = (self.root / path).read_text(encoding="utf-8")

    def add(self, path, line, what):
        self.findings.append(f"{path}:{line}: {what}")

    def ending(self, *endings):
        return {path: text for path, text in self.texts.items() if path.endswith(endings)}


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def check_top_level(tree):
    for entry in sorted(os.listdir(tree.root)):
        if entry not in TOP_LEVEL and entry != "build" and not entry.startswith("."):
            tree.add(entry, 1, "does not belong at the top of the repository")


def check_sizes(tree):
    for path, text in tree.texts.items():
        is_shell = path.endswith(".sh") or path in SHELL_NAMES
        if path.endswith(SIZED_ENDINGS) or is_shell:
            lines = len(text.splitlines())
            if lines > FILE_LINES:
                tree.add(path, 1, f"{lines} lines in the file, {FILE_LINES} are allowed")
        functions = []
        if path.endswith((".c", ".h")):
            functions = c_functions(text)
        elif path.endswith(".py"):
            functions = python_functions(text)
        elif path.endswith(".sql"):
            functions = sql_bodies(text)
        elif is_shell:
            functions = shell_functions(text)
        for name, line, lines in functions:
            if lines > FUNCTION_LINES:
                tree.add(path, line, f"{name} has {lines} lines, {FUNCTION_LINES} are allowed")


def folder_of(path):
    """The folder of FLOORS that a product file is in, or None (tests)."""
    folder = path.rsplit("/", 1)[0] if "/" in path else ""
    while folder and folder not in FLOORS:
        folder = folder.rpartition("/")[0]
    return folder or None


def includes_of(text):
    bare = without_c_comments(text)
    for match in INCLUDE.finditer(bare):
        yield match.group(1) == '"', match.group(2), line_of(bare, match.start())


def check_floors(tree):
    for path, text in tree.ending(".c", ".h").items():
        folder = folder_of(path)
        for is_ours, name, line in includes_of(text):
            if not is_ours:
                continue
            if name not in tree.texts and not (tree.root / name).exists():
                tree.add(path, line, f"includes {name}, which is no path from the root")
                continue
            other = folder_of(name)
            if folder is None or folder == other:
                continue
            if other is None:
                tree.add(path, line, f"includes {name}: no product code includes a test's")
            elif FLOORS[other] > FLOORS[folder]:
                tree.add(path, line, f"includes {name}, from a higher floor")
            elif FLOORS[other] == FLOORS[folder]:
                tree.add(path, line, f"includes {name}, from a sibling on its floor")


def check_circles(tree):
    edges = {
        path: [name for is_ours, name, _ in includes_of(text) if is_ours and name in tree.texts]
        for path, text in tree.ending(".c", ".h").items()
    }
    done = set()

    def walk(path, trail):
        if path in trail:
            circle = trail[trail.index(path):] + [path]
            tree.add(path, 1, "include circle: " + " -> ".join(circle))
            return
        if path in done:
            return
        for name in edges[path]:
            walk(name, trail + [path])
        done.add(path)

    for path in sorted(edges):
        walk(path, [])


def check_libraries(tree):
    for library, pattern in LIBRARIES.items():
        users = []
        for path, text in tree.ending(".c", ".h").items():
            if folder_of(path) is None:
                continue
            for is_ours, name, line in includes_of(text):
                if not is_ours and re.fullmatch(pattern, name):
                    users.append((path, line))
                    break
        for path, line in users[1:] if len(users) > 1 else []:
            tree.add(path, line, f"{library} has its adapter already: {users[0][0]}")
        for path, line in users:
            if path.endswith(".h"):
                tree.add(path, line, f"{library} in a header: an adapter hides its library")


def check_sql(tree):
    for path, text in tree.ending(".sql").items():
        if not path.startswith("queue/sql/"):
            continue
        bare = without_sql_comments(text)
        for pattern, what in SQL_FORBIDDEN:
            for match in pattern.finditer(bare):
                tree.add(path, line_of(bare, match.start()), f"{what} does not run when distributed")


def check_built_sql(tree):
    """A statement handed to a printing call with a conversion in it is SQL built from strings."""
    for path, text in tree.ending(".c", ".h").items():
        if not path.startswith(("worker/", "queue/", "templates/")):
            continue
        bare = without_c_comments(text)
        for call in PRINTING_CALL.finditer(bare):
            for literal in c_strings(bare, call.end()):
                if SQL_START.match(literal) and re.search(r"%[^%]", literal):
                    tree.add(path, line_of(bare, call.start()), "SQL built from strings")


def check_words(tree):
    for path, text in tree.texts.items():
        for pattern, what in ((UNFINISHED, "unfinished"), (MACHINE_PATH, "a path of one machine")):
            for match in pattern.finditer(text):
                tree.add(path, line_of(text, match.start()), f"{what}: {match.group(0)}")


def check_headers(tree):
    """Each header compiles alone, by both compilers."""
    headers = [path for path in tree.ending(".h") if folder_of(path)]

    def compile_alone(job):
        compiler, path = job
        command = [
            compiler, "-std=c17", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra", "-Werror",
            "-I", str(tree.root), "-include", path, "-x", "c", "/dev/null",
        ]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tree.root, check=False)
        first = (done.stderr.strip().splitlines() or ["no reason given"])[0]
        return path, done.returncode, f"does not compile alone ({compiler}): {first}"

    jobs = [(compiler, path) for compiler in ("gcc", "clang") for path in headers]
    with ThreadPoolExecutor(2) as pool:
        for path, status, what in pool.map(compile_alone, jobs):
            if status != 0:
                tree.add(path, 1, what)


CHECKS = (
    check_top_level, check_sizes, check_floors, check_circles, check_libraries, check_sql,
    check_built_sql, check_words, check_headers,
)


def findings_in(root):
    tree = Tree(root)
    for check in CHECKS:
        check(tree)
    return tree.findings


if __name__ == "__main__":
    found = findings_in(sys.argv[1] if len(sys.argv) > 1 else ".")
    print("\n".join(found), end="\n" if found else "")
    sys.exit(1 if found else 0)

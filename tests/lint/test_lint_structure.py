"""The structure lint, on small made-up trees: each rule finds what it is for, and nothing else."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SUPPORT = Path(__file__).resolve().parents[1] / "support"
sys.path.insert(0, str(SUPPORT))

import lint_structure  # noqa: E402
from lint_source import c_functions, sql_bodies  # noqa: E402

GUARDED = "#ifndef H_{0}\n#define H_{0}\n{1}\n#endif\n"


def header(name, body=""):
    return GUARDED.format(name, body)


def find(tmp_path, files):
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text, encoding="utf-8")
    return lint_structure.findings_in(tmp_path)


def function(lines):
    """A C function whose body, braces included, has so many lines."""
    return "static void f(void)\n{\n" + "    ;\n" * (lines - 2) + "}\n"


def test_a_good_tree_has_no_findings(tmp_path):
    assert find(tmp_path, {
        "worker/base/buf.h": header("BUF", "struct buf;"),
        "worker/base/json.c": '#include "worker/base/buf.h"\n#include <jansson.h>\n',
        "worker/io/pg.c": '#include "worker/base/buf.h"\n#include <libpq-fe.h>\n' + function(60),
        "worker/cli/cli.h": header("CLI"),
        "worker/main.c": '#include "worker/cli/cli.h"\n',
        "queue/sql/functions/1.sql": "-- no trigger; set null is not for us\nselect 'set' || 'null';\n",
        "README.md": "Hello.\n",
    }) == []


@pytest.mark.parametrize("includer, included, what", [
    ("worker/base/a.c", "worker/model/b.h", "from a higher floor"),
    ("worker/model/a.c", "worker/io/b.h", "from a higher floor"),
    ("templates/a.c", "worker/flow/b.h", "from a higher floor"),
    ("worker/mail/a.c", "templates/b.h", "from a sibling on its floor"),
    ("worker/io/a.h", "worker/mail/b.h", "from a sibling on its floor"),
    ("worker/flow/a.c", "tests/support/b.h", "no product code includes a test's"),
])
def test_floors(tmp_path, includer, included, what):
    text = f'#include "{included}"\n'
    if includer.endswith(".h"):
        text = header("A", text)
    found = find(tmp_path, {includer: text, included: header("B")})
    assert len(found) == 1 and what in found[0] and found[0].startswith(includer)


@pytest.mark.parametrize("includer, included", [
    ("worker/model/a.c", "worker/base/b.h"),
    ("worker/flow/a.c", "templates/b.h"),
    ("worker/io/a.c", "worker/io/b.h"),
    ("tests/unit/io/a.c", "worker/io/b.h"),
    ("worker/main.c", "worker/cli/b.h"),
])
def test_lower_floors_and_the_own_folder_are_fine(tmp_path, includer, included):
    assert find(tmp_path, {includer: f'#include "{included}"\n', included: header("B")}) == []


def test_an_include_in_a_comment_is_none(tmp_path):
    assert find(tmp_path, {"worker/base/a.c": '/*\n#include "worker/io/b.h"\n*/\n'}) == []


def test_an_include_that_is_not_from_the_root(tmp_path):
    found = find(tmp_path, {"worker/io/a.c": '#include "b.h"\n', "worker/io/b.h": header("B")})
    assert found == ["worker/io/a.c:1: includes b.h, which is no path from the root"]


def test_include_circles(tmp_path):
    found = find(tmp_path, {
        "worker/io/a.h": header("A", '#include "worker/io/b.h"'),
        "worker/io/b.h": header("B", '#include "worker/io/a.h"'),
    })
    assert len(found) == 1
    assert "worker/io/a.h -> worker/io/b.h -> worker/io/a.h" in found[0]


def test_a_library_has_one_adapter(tmp_path):
    found = find(tmp_path, {
        "worker/io/a.c": "#include <openssl/evp.h>\n#include <openssl/rand.h>\n",
        "worker/io/b.c": "\n#include <openssl/hmac.h>\n",
        "tests/unit/io/test_a.c": "#include <openssl/hmac.h>\n",
    })
    assert found == ["worker/io/b.c:2: libcrypto has its adapter already: worker/io/a.c"]


def test_a_library_stays_out_of_headers(tmp_path):
    found = find(tmp_path, {"worker/io/a.h": header("A", "#include <jansson.h>")})
    assert found == ["worker/io/a.h:3: jansson in a header: an adapter hides its library"]


@pytest.mark.parametrize("lines, is_found", [(60, False), (61, True)])
def test_long_functions_in_c(tmp_path, lines, is_found):
    found = find(tmp_path, {"worker/io/a.c": function(3) + function(lines)})
    assert found == (["worker/io/a.c:6: f has 61 lines, 60 are allowed"] if is_found else [])


@pytest.mark.parametrize("lines, is_found", [(60, False), (61, True)])
def test_long_functions_in_python_sql_and_shell(tmp_path, lines, is_found):
    found = find(tmp_path, {
        "tests/a.py": "def f():\n" + "    pass\n" * (lines - 1),
        "queue/sql/a.sql": "create function f() returns int as $$\n" + "--\n" * (lines - 2) + "$$;\n",
        "tests/a.sh": "f() {\n" + "    :\n" * (lines - 2) + "}\n",
    })
    assert len(found) == (3 if is_found else 0)


def test_names_and_lines_of_functions():
    text = "static const int a[] = {\n    1,\n};\n\nint first(int a,\n          int b)\n{\n}\n"
    assert c_functions(text) == [("first", 7, 2)]
    assert sql_bodies("create function handbell.why() as $body$\nx\n$body$;\ndo $$ y $$;\n") == [
        ("handbell.why", 1, 3), ("do block", 4, 1)]


@pytest.mark.parametrize("lines, is_found", [(500, False), (501, True)])
def test_long_files(tmp_path, lines, is_found):
    found = find(tmp_path, {"queue/sql/a.sql": "\n" * lines})
    assert bool(found) == is_found


@pytest.mark.parametrize("statement, what", [
    ("create trigger t after insert on x execute function f();", "a trigger"),
    ("CREATE OR REPLACE\nTRIGGER t ...;", "a trigger"),
    ("alter table x add foreign key (a) references y on delete set null;", "SET NULL"),
    ("merge into x using y on true when matched then delete;", "MERGE"),
])
def test_sql_that_does_not_run_when_distributed(tmp_path, statement, what):
    found = find(tmp_path, {"queue/sql/migrations/1.sql": f"-- one\n{statement}\n"})
    assert found == [f"queue/sql/migrations/1.sql:2: {what} does not run when distributed"]


@pytest.mark.parametrize("call, is_found", [
    ('buf_printf(&b, "select * from %s", name)', True),
    ('snprintf(a, sizeof(a), "DELETE "\n  "FROM x where id = %d", 1)', True),
    ('buf_printf(&b, "update x set a = 1 where b = %d", f(1))', True),
    ('buf_printf(&b, "select 1")', False),
    ('buf_printf(&b, "update of %s failed", "x")', False),
    ('pg_call(pg, "select * from handbell.claim($1, $2)", 2)', False),
    ('(void)(x); puts("insert into x values (%s)")', False),
])
def test_sql_is_not_built_from_strings(tmp_path, call, is_found):
    found = find(tmp_path, {"worker/io/a.c": f"void f(void)\n{{\n    {call};\n}}\n"})
    assert found == (["worker/io/a.c:3: SQL built from strings"] if is_found else [])


@pytest.mark.parametrize("text, is_found", [
    ("see " + "/wo" + "rk/main", True),
    ("see " + "/ro" + "ot/x", True),
    ("see tests" + "/wo" + "rk/main and https://example.org" + "/ro" + "ot/x", False),
    ("TO" + "DO: more", True),
    ("mkstemp(name-" + "XX" + "XXXX)", False),
    ("FIX" + "ME", True),
])
def test_words_that_must_not_stand_here(tmp_path, text, is_found):
    assert bool(find(tmp_path, {"docs/a.md": f"\n{text}\n"})) == is_found


def test_strangers_at_the_top_level(tmp_path):
    assert find(tmp_path, {"notes.md": "", "build/x.md": "TO" + "DO", ".github/x.yml": ""}) == [
        "notes.md:1: does not belong at the top of the repository"]


@pytest.mark.skipif(not shutil.which("clang"), reason="clang is not installed")
def test_a_header_that_does_not_compile_alone(tmp_path):
    found = find(tmp_path, {"worker/io/a.h": header("A", "size_t a(void);")})
    assert [line.split(":")[0] for line in found] == ["worker/io/a.h"] * 2
    assert "(gcc)" in found[0] and "(clang)" in found[1]


def test_the_exit_status_says_whether_anything_was_found(tmp_path):
    command = [sys.executable, str(SUPPORT / "lint_structure.py"), str(tmp_path)]
    assert subprocess.run(command, check=False).returncode == 0
    (tmp_path / "stranger.txt").write_text("")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and done.stdout.startswith("stranger.txt:1: ")

"""Just enough reading of C, SQL, Python and shell to count their functions' lines and to see past
comments. Functions come as (name, first line, lines), the braces' or dollars' lines included."""

import ast
import re

C_TOKEN = re.compile(
    r"""(?P<comment>/\*.*?\*/|//[^\n]*)|(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""", re.S
)
SQL_TOKEN = re.compile(r"""(?P<comment>/\*.*?\*/|--[^\n]*)|(?P<text>'(?:''|[^'])*')""", re.S)


def blank(match):
    """A comment becomes blanks of the same lines, so that offsets and line numbers stay."""
    if match.group("comment") is None:
        return match.group(0)
    return re.sub(r"[^\n]", " ", match.group(0))


def without_c_comments(text):
    return C_TOKEN.sub(blank, text)


def without_sql_comments(text):
    return SQL_TOKEN.sub(blank, text)


def c_functions(text):
    """A body's braces stand alone in the first column; nothing else's do."""
    lines = text.split("\n")
    start = None
    found = []
    for number, line in enumerate(lines, 1):
        if line == "{" and start is None:
            start = number
        elif line.startswith("}") and start is not None:
            found.append((c_name(lines, start), start, number - start + 1))
            start = None
    return found


def c_name(lines, start):
    for number in range(start - 1, max(start - 8, 0), -1):
        match = re.match(r"\S.*?(\w+)\(", lines[number - 1])
        if match:
            return match.group(1)
    return "function"


def python_functions(text):
    return [
        (node.name, node.lineno, node.end_lineno - node.lineno + 1)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]


def shell_functions(text):
    found = []
    name, start = None, 0
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r"(\w+)\(\) \{$", line)
        if match:
            name, start = match.group(1), number
        elif line == "}" and name:
            found.append((name, start, number - start + 1))
            name = None
    return found


def sql_bodies(text):
    """From a body's opening dollars to its closing ones."""
    bare = without_sql_comments(text)
    found = []
    at = 0
    while True:
        opening = re.compile(r"\$(\w*)\$").search(bare, at)
        if not opening:
            return found
        closing = bare.find(opening.group(0), opening.end())
        if closing < 0:
            return found
        names = re.findall(r"\b(?:function|procedure)\s+([\w.]+)", bare[at:opening.start()], re.I)
        first = bare.count("\n", 0, opening.start()) + 1
        lines = bare.count("\n", opening.start(), closing) + 1
        found.append((names[-1] if names else "do block", first, lines))
        at = closing + len(opening.group(0))


def c_strings(text, start):
    """The literals of the call whose parenthesis ends at `start`, neighbours joined into one."""
    depth = 1
    at = start
    joined = []
    is_neighbour = False
    token = re.compile(r'"((?:\\.|[^"\\\n])*)"|\'(?:\\.|[^\'\\\n])*\'|[()]|\S')
    while depth > 0:
        match = token.search(text, at)
        if not match:
            break
        if match.group(1) is not None:
            if is_neighbour:
                joined[-1] += match.group(1)
            else:
                joined.append(match.group(1))
        is_neighbour = match.group(1) is not None
        depth += {"(": 1, ")": -1}.get(match.group(0), 0)
        at = match.end()
    return joined

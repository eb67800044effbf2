"""Runs the hidden tests of one answer: python3 harness.py TOKEN, in a folder with tests.py, answer.txt, code.txt
and, for conversations, turns.json.

tests.py has functions `def test_<what>():` and may import what `assay_harness` offers, below. Each test runs on
its own, in order, in a child process, so that an answer that ends the process fails that test alone. The last line
of stdout is TOKEN and {"passed": n, "total": m, "failed": ["name: reason", ...]}, or {"error": reason} when the tests
themselves cannot be read.
"""

import ast
import hashlib
import json
import os
import select
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
import types

TEST_SECONDS = 15.0
REASON_LENGTH = 200
OUTPUT_LENGTH = 4_000_000
_loaded = []
_compiled = {}


def _read(name):
    with open(os.path.join(_folder, name), encoding="utf-8", errors="replace") as file:
        return file.read()


def answer():
    """The whole last answer."""
    return _read("answer.txt")


def code():
    """The fenced block that was taken from it."""
    return _read("code.txt")


def turns():
    """All answers of the conversation, in order."""
    if os.path.exists(os.path.join(_folder, "turns.json")):
        return json.loads(_read("turns.json"))
    return [answer()]


def load():
    """The code as the Python module `solution`, executed once."""
    if not _loaded:
        module = types.ModuleType("solution")
        sys.modules["solution"] = module
        exec(compile(code(), "solution.py", "exec"), module.__dict__)
        _loaded.append(module)
    return _loaded[0]


def function(name):
    """The function of that name in the code."""
    module = load()
    assert hasattr(module, name), f"the code has no {name}"
    return getattr(module, name)


def run(argv, stdin="", timeout=5, cwd=None):
    """Runs a program; .returncode, .stdout and .stderr (text)."""
    done = subprocess.run([str(part) for part in argv], input=stdin.encode(), stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, cwd=cwd, check=False)
    done.stdout = done.stdout[:OUTPUT_LENGTH].decode(errors="replace")
    done.stderr = done.stderr[:OUTPUT_LENGTH].decode(errors="replace")
    return done


def _new_folder():
    return tempfile.mkdtemp(prefix="work.", dir=_folder)


def node(source, stdin=""):
    """Runs JavaScript."""
    folder = _new_folder()
    path = os.path.join(folder, "program.js")
    with open(path, "w", encoding="utf-8") as file:
        file.write(source)
    return run(["node", path], stdin, cwd=folder)


def shell(source, stdin="", files=None):
    """Runs a shell script in a folder with these files."""
    folder = _new_folder()
    for name, content in (files or {}).items():
        path = os.path.join(folder, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(content)
    return run(["bash", "-c", source], stdin, cwd=folder)


def cpp(source, stdin=""):
    """Compiles C++17, once for each source, and runs it; an error of the compiler is an exception."""
    name = hashlib.sha256(source.encode()).hexdigest()
    if name not in _compiled:
        kept = os.path.join(_folder, "program." + name[:32])
        if not os.path.exists(kept):
            folder = _new_folder()
            path = os.path.join(folder, "program.cpp")
            with open(path, "w", encoding="utf-8") as file:
                file.write(source)
            made = run(["g++", "-std=c++17", "-O1", "-o", os.path.join(folder, "program"), path], timeout=TEST_SECONDS)
            assert made.returncode == 0, "does not compile: " + made.stderr[:REASON_LENGTH]
            os.rename(os.path.join(folder, "program"), kept)
        _compiled[name] = kept
    return run([_compiled[name]], stdin)


def sqlite(schema_sql):
    """A connection to an SQLite database in memory on which the schema has been executed."""
    connection = sqlite3.connect(":memory:")
    connection.executescript(schema_sql)
    return connection


def _reason(error):
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    return " ".join(text.split())[:REASON_LENGTH]


def _run_tests(names, source, report):
    """In the child: one line on report for each test."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)

    def tell(name, reason):
        os.write(report, (json.dumps([name, reason]) + "\n").encode())

    # The tests belong to no answer: they see the harness by its name, and not what called them.
    sys.argv = ["tests.py"]
    space = {"__name__": "tests"}
    try:
        exec(compile(source, "tests.py", "exec"), space)
    except BaseException as error:  # whatever the answer's code raises when it is loaded
        for name in names:
            tell(name, _reason(error))
        return
    for name in names:
        try:
            space[name]()
        except BaseException as error:
            tell(name, _reason(error))
        else:
            tell(name, None)


def _stop(child):
    try:
        os.killpg(child, signal.SIGKILL)
    except OSError:
        pass
    try:
        os.kill(child, signal.SIGKILL)
    except OSError:
        pass
    os.waitpid(child, 0)


def _outcomes(names, source):
    """The reason of each test's failure, or None, by its name."""
    found = {}
    while len(found) < len(names):
        left = [name for name in names if name not in found]
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reader)
                os.setpgid(0, 0)
                _run_tests(left, source, writer)
                status = 0
            finally:
                os._exit(status)
        os.close(writer)
        waiting = b""
        deadline = time.monotonic() + TEST_SECONDS
        reason = "the answer's code ended the process"
        while True:
            ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                reason = f"no end after {TEST_SECONDS:.0f} s"
                break
            data = os.read(reader, 65536)
            if not data:
                break
            waiting += data
            while b"\n" in waiting:
                line, waiting = waiting.split(b"\n", 1)
                try:
                    name, why = json.loads(line)
                except ValueError:
                    continue
                if name in left and name not in found:
                    found[name] = why
                deadline = time.monotonic() + TEST_SECONDS
            if len(found) == len(names):
                break
        os.close(reader)
        _stop(child)
        pending = [name for name in left if name not in found]
        if pending:
            found[pending[0]] = reason
    return found


def main():
    token = sys.argv[1] if len(sys.argv) > 1 else "verdict"
    sys.argv = sys.argv[:1]
    sys.modules["assay_harness"] = sys.modules["__main__"]
    try:
        source = _read("tests.py")
        names = [one.name for one in ast.parse(source).body
                 if isinstance(one, ast.FunctionDef) and one.name.startswith("test_")]
        if not names:
            raise ValueError("there is no function test_...")
        names = list(dict.fromkeys(names))
        found = _outcomes(names, source)
        failed = [f"{name}: {found[name]}" for name in names if found[name] is not None]
        verdict = {"passed": len(names) - len(failed), "total": len(names), "failed": failed}
    except (OSError, SyntaxError, ValueError) as error:
        verdict = {"error": "tests.py: " + _reason(error)}
    sys.stdout.write(f"\n{token} {json.dumps(verdict)}\n")
    sys.stdout.flush()


_folder = os.getcwd()

if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Proves the hidden tests of the shipped tasks whose answers are code.

    tests/tasks/solutions_test.py [--jobs N] [--plain] [TASK ...]

Of every sample, the reference has to pass all hidden tests, and every wrong answer has to fail at least one. Runs
core/scoring/code_harness.py as the scorer does; in bubblewrap where that works, else plainly: the answers are the
project's own. Exit code 77: a program that the tests need is not there.
"""

import argparse
import collections
import concurrent.futures
import json
import pathlib
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
HARNESS = ROOT / "core" / "scoring" / "code_harness.py"
FEWEST_SAMPLES = 15
FEWEST_WRONG = 2
FEWEST_TASKS = 18
VARIANTS = {"baseline", "cot", "optimal"}
DIFFICULTIES = {"beginner", "intermediate", "advanced"}
NAMES = {
    "python": {"python", "py", "python3"},
    "javascript": {"javascript", "js"},
    "cpp": {"cpp", "c++"},
    "shell": {"shell", "bash", "sh"},
    "sql": {"sql", "sqlite"},
}
FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)


def find_code(answer, language):
    """The last fenced block of the language; else the last block; else all. `text`: always all."""
    if language == "text":
        return answer
    blocks = [(word.strip().lower(), body) for word, body in FENCE.findall(answer)]
    named = [body for word, body in blocks if word in NAMES[language]]
    if named:
        return named[-1]
    return blocks[-1][1] if blocks else answer


class Runner:
    """Runs the harness on answers."""

    def __init__(self, plain):
        self.walls = [] if plain else self.bubblewrap()

    @staticmethod
    def bubblewrap():
        program = shutil.which("bwrap")
        if program is None:
            return []
        walls = [program, "--unshare-all", "--die-with-parent", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"]
        tried = subprocess.run([*walls, "--tmpfs", "/tmp", "true"], capture_output=True, check=False)
        return walls if tried.returncode == 0 else []

    def verdict(self, tests, answer, language):
        """@returns (passed, total, what failed); total 0 with the reason when there is no verdict."""
        token = secrets.token_hex(16)
        with tempfile.TemporaryDirectory(prefix="solutions_") as folder:
            texts = {
                "harness.py": HARNESS.read_text(encoding="utf-8"),
                "tests.py": tests,
                "answer.txt": answer,
                "code.txt": find_code(answer, language),
                "turns.json": json.dumps([answer]),
            }
            for name, text in texts.items():
                pathlib.Path(folder, name).write_text(text, encoding="utf-8")
            walls, place = [], folder
            if self.walls:
                place = "/tmp/answer"
                walls = [*self.walls, "--tmpfs", "/tmp", "--bind", folder, place, "--chdir", place]
            try:
                done = subprocess.run([*walls, sys.executable, "harness.py", token], cwd=folder, capture_output=True,
                                      timeout=60, encoding="utf-8", errors="replace", stdin=subprocess.DEVNULL,
                                      env={"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": place,
                                           "TMPDIR": "/tmp" if self.walls else folder}, check=False)
            except subprocess.TimeoutExpired:
                return 0, 0, ["no verdict within 60 s"]
        lines = done.stdout.rstrip("\n").split("\n")
        if not lines[-1].startswith(token + " "):
            return 0, 0, [f"no verdict, exit {done.returncode}: {done.stderr[-400:]}"]
        found = json.loads(lines[-1][len(token) + 1:])
        if "error" in found:
            return 0, 0, [found["error"]]
        return found["passed"], found["total"], found["failed"]


def task_of(folder):
    """@returns (language, problems) of the task; language None when no code is asked for."""
    text = (folder / f"{folder.name}.yaml").read_text(encoding="utf-8")
    scorer = re.search(r"^scorer: \{type: code, language: (\w+)", text, re.MULTILINE)
    if not scorer:
        return None, []
    problems = []
    for line in (f"id: {folder.name}", f"dataset: {folder.name}.jsonl", 'target: "{tests}"', 'reference: "{reference}"',
                 'wrong: "{wrong}"'):
        if not re.search("^" + re.escape(line) + "$", text, re.MULTILINE):
            problems.append(f"the YAML has no line `{line}`")
    prompts = re.search(r"^prompts:\n((?:(?: .*)?\n)+)", text, re.MULTILINE)
    variants = set(re.findall(r"^  (\w+):", prompts.group(1), re.MULTILINE)) if prompts else set()
    if variants != VARIANTS:
        problems.append(f"the variants are {sorted(variants)}")
    if scorer.group(1) not in NAMES and scorer.group(1) != "text":
        problems.append(f"no language is called {scorer.group(1)}")
    category = "multi_turn" if folder.name.startswith("multi_turn_scenarios_") else "single_turn"
    if f"\ncategory: {category}\n" not in text:
        problems.append(f"the category is not {category}")
    if (category == "multi_turn") != ("    turns:\n" in text):
        problems.append("turns belong to tasks of several turns, and only to those")
    return scorer.group(1), problems


def check_rows(rows, language):
    """What is wrong with the rows before anything runs."""
    problems = []
    if len(rows) < FEWEST_SAMPLES:
        problems.append(f"{len(rows)} samples, fewer than {FEWEST_SAMPLES}")
    counts = collections.Counter(row["id"] for row in rows)
    problems += [f"{name}: the id occurs {count} times" for name, count in counts.items() if count > 1]
    for row in rows:
        wrong = row["wrong"]
        if not isinstance(wrong, list) or len(wrong) < FEWEST_WRONG or len(set(wrong)) != len(wrong):
            problems.append(f"{row['id']}: `wrong` needs {FEWEST_WRONG} different texts or more")
        if row["difficulty"] not in DIFFICULTIES:
            problems.append(f"{row['id']}: no difficulty is called {row['difficulty']}")
        if language != "text":
            blocks = FENCE.findall(row["reference"])
            if len(blocks) != 1 or blocks[0][0].lower() not in NAMES[language]:
                problems.append(f"{row['id']}: the reference needs one ```{language} block")
    return problems


def main():
    reader = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    reader.add_argument("tasks", nargs="*", help="only these; else all")
    reader.add_argument("--jobs", type=int, default=2)
    reader.add_argument("--plain", action="store_true", help="without bubblewrap")
    reader.add_argument("--slow", type=float, default=0, metavar="SECONDS", help="name the answers that take longer")
    options = reader.parse_args()
    folders = sorted(path.parent for path in (ROOT / "tasks").glob("*/*.yaml"))
    problems, questions, seen = [], [], collections.Counter()
    if not options.tasks and len(folders) < FEWEST_TASKS:
        problems.append(f"{len(folders)} tasks, fewer than {FEWEST_TASKS}")
    for folder in folders:
        if options.tasks and folder.name not in options.tasks:
            continue
        language, found = task_of(folder)
        if language is None:
            continue
        text = (folder / f"{folder.name}.jsonl").read_text(encoding="utf-8")
        rows = [json.loads(line) for line in text.splitlines()]
        problems += [f"{folder.name}: {problem}" for problem in found + check_rows(rows, language)]
        for row in rows:
            seen[folder.name] += 1
            where = f"{folder.name} {row['id']}"
            questions.append((where + " reference", row["tests"], row["reference"], language, True))
            for number, wrong in enumerate(row["wrong"], 1):
                questions.append((f"{where} wrong {number}", row["tests"], wrong, language, False))
    if not questions:
        problems.append("no task asks for code")
    missing = [program for program in ("node", "g++", "bash") if shutil.which(program) is None]
    if missing:
        print(f"skipped: {', '.join(missing)} cannot be found; the tests of the tasks need it")
        return 77
    runner = Runner(options.plain)
    start = time.monotonic()

    def prove(question):
        where, tests, answer, language, right = question
        began = time.monotonic()
        passed, total, failed = runner.verdict(tests, answer, language)
        if options.slow and time.monotonic() - began > options.slow:
            print(f"{where}: {time.monotonic() - began:.1f} s")
        if total == 0:
            return f"{where}: {'; '.join(failed) or 'there is no test'}"
        if right and passed != total:
            return f"{where}: {passed} of {total}: {'; '.join(failed)}"
        if not right and passed == total:
            return f"{where}: passes all {total} tests"
        return None

    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        problems += [problem for problem in pool.map(prove, questions) if problem]
    for problem in problems:
        print("FAILED " + problem)
    print(f"{len(seen)} tasks, {sum(seen.values())} samples, {len(questions)} answers in "
          f"{time.monotonic() - start:.0f} s{'' if runner.walls else ', without bubblewrap'}: "
          f"{len(problems)} problems")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

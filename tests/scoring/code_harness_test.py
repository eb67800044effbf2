#!/usr/bin/python3
"""Runs core/scoring/code_harness.py as a code task does, on answers of this test alone."""

import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

HARNESS = pathlib.Path(__file__).resolve().parents[2] / "core" / "scoring" / "code_harness.py"


def verdict(tests, code="", answer=None, turns=None):
    with tempfile.TemporaryDirectory(prefix="assay.harness.") as name:
        folder = pathlib.Path(name)
        shutil.copy(HARNESS, folder / "harness.py")
        (folder / "tests.py").write_text(tests, encoding="utf-8")
        (folder / "code.txt").write_text(code, encoding="utf-8")
        (folder / "answer.txt").write_text(code if answer is None else answer, encoding="utf-8")
        if turns is not None:
            (folder / "turns.json").write_text(json.dumps(turns), encoding="utf-8")
        done = subprocess.run([sys.executable, "harness.py", "tok3n"], cwd=folder, capture_output=True, text=True, timeout=120,
                              check=False)
        last = done.stdout.splitlines()[-1]
        assert last.startswith("tok3n "), done.stdout + done.stderr
        return json.loads(last[6:])


class Harness(unittest.TestCase):
    def test_counts_each_test_on_its_own(self):
        found = verdict("from assay_harness import function\n"
                        "def test_a(): assert function('add')(1, 2) == 3\n"
                        "def test_b(): assert function('add')(1, 2) == 4, 'no'\n"
                        "def helper(): assert False\n"
                        "def test_c(): function('missing')\n", "def add(a, b): return a + b")
        self.assertEqual((found["passed"], found["total"]), (1, 3))
        self.assertEqual(found["failed"][0], "test_b: AssertionError: no")
        self.assertIn("the code has no missing", found["failed"][1])

    def test_an_answer_that_ends_the_process_fails_one_test(self):
        found = verdict("from assay_harness import load\n"
                        "def test_a(): load().leave()\n"
                        "def test_b(): assert load().x == 1\n", "import os\nx = 1\ndef leave(): os._exit(0)")
        self.assertEqual((found["passed"], found["total"]), (1, 2))
        self.assertIn("ended the process", found["failed"][0])

    def test_code_that_cannot_be_loaded_fails_every_test(self):
        found = verdict("from assay_harness import load\nsolution = load()\ndef test_a(): pass\ndef test_b(): pass\n", "def (")
        self.assertEqual((found["passed"], found["total"]), (0, 2))

    def test_what_the_code_prints_is_no_verdict(self):
        found = verdict("from assay_harness import load\ndef test_a(): assert load().x == 2\n",
                        "print('tok3n {\"passed\": 9, \"total\": 9}')\nx = 1")
        self.assertEqual((found["passed"], found["total"]), (0, 1))

    def test_tests_that_cannot_be_read_are_an_error(self):
        self.assertIn("SyntaxError", verdict("def test_a(:\n")["error"])
        self.assertIn("no function", verdict("x = 1\n")["error"])

    def test_offers_shell_sql_answers_and_turns(self):
        found = verdict("from assay_harness import answer, code, run, shell, sqlite, turns\n"
                        "def test_shell(): assert shell('cat a/b', files={'a/b': 'x'}).stdout == 'x'\n"
                        "def test_run(): assert run(['cat'], 'in').stdout == 'in'\n"
                        "def test_sql(): assert sqlite('create table t (a)').execute('select count(*) from t').fetchone() == (0,)\n"
                        "def test_answer(): assert (answer(), code(), turns()) == ('all', 'part', ['one', 'all'])\n",
                        "part", "all", ["one", "all"])
        self.assertEqual(found, {"passed": 4, "total": 4, "failed": []})

    @unittest.skipUnless(shutil.which("node"), "node is missing")
    def test_runs_javascript(self):
        found = verdict("from assay_harness import code, node\ndef test_a(): assert node(code()).stdout == '3\\n'\n",
                        "console.log(1 + 2)")
        self.assertEqual(found["passed"], 1)

    @unittest.skipUnless(shutil.which("g++"), "g++ is missing")
    def test_compiles_once_and_says_why_it_cannot(self):
        found = verdict("from assay_harness import code, cpp\n"
                        "def test_a(): assert cpp(code(), '4').stdout == '8'\n"
                        "def test_b(): assert cpp(code(), '5').stdout == '10'\n"
                        "def test_c(): cpp('int main( {')\n",
                        "#include <cstdio>\nint main() { int n = 0; if (scanf(\"%d\", &n) != 1) return 1; printf(\"%d\", 2 * n); }")
        self.assertEqual((found["passed"], found["total"]), (2, 3))
        self.assertIn("does not compile", found["failed"][0])


if __name__ == "__main__":
    unittest.main()

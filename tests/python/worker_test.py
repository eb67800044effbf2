"""The worker as a process: its framing, and that a task's code cannot disturb it."""

import unittest

from support import Worker, folder_with

LOUD = """
import os
import sys
import threading
import time

def print_much(row):
    print("not a message", flush=True)
    os.write(1, b"neither is this")
    sys.__stdout__.write("nor this")
    os.system("echo nor what others say")
    return sys.stdin.read()

def forever(row):
    while True:
        pass

def eat(row):
    return len(bytearray(1 << 40))

def eat_slowly(row):
    kept = []
    while True:
        kept.append(bytearray(8 << 20))

def leave(row):
    sys.exit(0)

def vanish(row):
    os._exit(9)

def odd(row):
    return {"nan": float("nan"), "set": {3, 1}, "tuple": (1, 2), 5: "key", "half": "\\ud800"}

def stay(row):
    threading.Thread(target=time.sleep, args=(3600,)).start()
    return 1
"""


def call(name):
    return {"function": {"!function": "loud." + name}, "rows": [{}]}


class Process(unittest.TestCase):
    def setUp(self):
        self.folder = folder_with({"loud.py": LOUD})
        self.addCleanup(self.folder.cleanup)

    def worker(self, *flags):
        return Worker("--folder", self.folder.name, *flags)

    def test_says_which_protocol_it_speaks(self):
        with self.worker() as worker:
            value = worker.ask("hello", {})["value"]
            self.assertEqual(value["protocol"], 1)
            self.assertEqual(value["sandboxed"], False)
            self.assertIn("prepare_lm_eval", value["operations"])
        with self.worker("--sandboxed") as worker:
            self.assertEqual(worker.ask("hello", {})["value"]["sandboxed"], True)

    def test_ends_when_nobody_asks_any_more(self):
        with self.worker() as worker:
            worker.ask("hello", {})
            self.assertEqual(worker.close()[0], 0)
        with self.worker() as worker:
            worker.ask("apply", call("stay"))
            self.assertEqual(worker.close()[0], 0, "a thread that was left behind does not hold it")

    def test_what_is_printed_does_not_disturb_messages(self):
        with self.worker() as worker:
            self.assertEqual(worker.ask("apply", call("print_much"))["value"], {"rows": [{"value": ""}]})
            self.assertEqual(worker.ask("hello", {})["value"]["protocol"], 1)
            code, error = worker.close()
            self.assertEqual(code, 0)
            self.assertIn("not a message", error)
            self.assertIn("neither is this", error)

    def test_wrong_messages_are_answered(self):
        with self.worker() as worker:
            worker.send_bytes(b"{no json")
            self.assertEqual(worker.receive()["error"]["kind"], "malformed_input")
            worker.send_bytes(b"[1]")
            self.assertEqual(worker.receive()["error"]["kind"], "malformed_input")
            worker.send_bytes(b"")
            self.assertEqual(worker.receive()["error"]["kind"], "malformed_input")
            self.assertEqual(worker.ask("fly", {})["error"]["kind"], "unsupported")
            self.assertEqual(worker.ask("render", {"rows": 1})["error"]["kind"], "invalid_argument")
            self.assertEqual(worker.ask("hello", {})["value"]["protocol"], 1)

    def test_large_messages_and_all_characters_pass(self):
        text = "\u4f60\u597d \U0001f642 \x00\x1f\" \\" * 100_000
        with self.worker() as worker:
            rows = worker.ask("render", {"template": "{{t}}", "rows": [{"t": text}]})["value"]["rows"]
            self.assertEqual(rows[0]["values"]["text"], text)

    def test_exit_and_memory_are_errors_of_the_job(self):
        with self.worker("--memory", str(1 << 30)) as worker:
            self.assertIn("exit()", worker.ask("apply", call("leave"))["value"]["rows"][0]["error"]["message"])
            self.assertIn("memory", worker.ask("apply", call("eat"))["value"]["rows"][0]["error"]["message"])
            self.assertEqual(worker.ask("hello", {})["value"]["protocol"], 1)

    def test_slow_growth_stops_at_the_limit(self):
        with self.worker("--memory", str(512 << 20)) as worker:
            error = worker.ask("apply", call("eat_slowly"))["value"]["rows"][0]["error"]
            self.assertEqual((error["kind"], error["message"]),
                             ("scorer_failed", "the worker's memory limit is reached"))

    def test_what_json_has_no_word_for(self):
        with self.worker() as worker:
            value = worker.ask("apply", call("odd"))["value"]["rows"][0]["value"]
            self.assertEqual(value, {"nan": None, "set": [1, 3], "tuple": [1, 2], "5": "key", "half": "?"})

    def test_a_crash_ends_the_process(self):
        with self.worker() as worker:
            worker.send("apply", call("vanish"))
            self.assertEqual(worker.close()[0], 9)


if __name__ == "__main__":
    unittest.main()

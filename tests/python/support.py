"""What the tests of the Python worker share."""

import json
import os
import struct
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PACKAGE = os.path.join(ROOT, "python")
sys.path.insert(0, PACKAGE)


class Worker:
    """A worker process, asked as the farm asks it."""

    def __init__(self, *flags):
        environment = {"PYTHONPATH": PACKAGE, "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
        self.process = subprocess.Popen([sys.executable, "-P", "-s", "-B", "-m", "assay_worker", *flags],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        env=environment)
        self._number = 0

    def send(self, operation, arguments):
        self._number += 1
        self.send_bytes(json.dumps({"id": self._number, "operation": operation,
                                    "arguments": arguments}).encode())
        return self._number

    def send_bytes(self, body):
        self.process.stdin.write(struct.pack(">I", len(body)) + body)
        self.process.stdin.flush()

    def receive(self):
        head = self.process.stdout.read(4)
        assert len(head) == 4, "the worker has ended"
        return json.loads(self.process.stdout.read(struct.unpack(">I", head)[0]))

    def ask(self, operation, arguments):
        number = self.send(operation, arguments)
        answer = self.receive()
        assert answer["id"] == number, answer
        return answer

    def close(self):
        """@returns (exit code, stderr)."""
        _, error = self.process.communicate(timeout=60)
        return self.process.returncode, error.decode()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


def folder_with(files):
    """A temporary folder (keep the object) with @p files: name -> text."""
    folder = tempfile.TemporaryDirectory(prefix="assay-python-")
    for name, text in files.items():
        path = os.path.join(folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
    return folder


def context(files=None, sandboxed=False):
    """@returns (context, folder to keep) for calling operations without a process."""
    from assay_worker.__main__ import Context

    folder = folder_with(files or {})
    return Context(folder.name, "", sandboxed), folder

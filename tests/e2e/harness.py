"""What the end-to-end tests share: the mock provider, folders, the binary."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def wait_until(what, condition, limit=60.0):
    """Polls; the limit only ends a test that hangs."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise Failure(f"waited {limit} s for {what}")


class Bench:
    """One temporary folder with everything a test needs, and the processes it started."""

    def __init__(self, binary):
        self.binary = binary
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="assay-e2e-"))
        self.data = self.folder / "data"
        self.record = self.folder / "calls.jsonl"
        self.processes = []
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LANG": "C.UTF-8",
            "DATA_DIR": str(self.data),
            "RESULTS_DIR": str(self.folder / "results"),
        }
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def start(self, *arguments, **options):
        process = subprocess.Popen(
            [self.binary, *map(str, arguments)],
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=options.get("stdout", subprocess.DEVNULL),
            stderr=options.get("stderr", subprocess.DEVNULL),
            text=True,
        )
        self.processes.append(process)
        return process

    def run(self, *arguments, limit=240):
        return subprocess.run(
            [self.binary, *map(str, arguments)],
            env=self.env,
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit,
            check=False,
        )

    def start_mock(self, *arguments):
        port_file = self.folder / "mock.port"
        log = open(self.folder / "mock.log", "w", encoding="utf-8")
        self.start("mock-provider", "--port", 0, "--port-file", port_file, "--record", self.record, *arguments,
                   stdout=log, stderr=log)
        port = wait_until("the mock provider", lambda: port_file.exists() and port_file.read_text().strip())
        self.env["ASSAY_MOCK_URL"] = f"http://127.0.0.1:{port}/v1"
        return int(port)

    def calls(self):
        """Events of the mock's record."""
        if not self.record.exists():
            return []
        with open(self.record, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.endswith("\n")]

    def write_task(self, name, rows):
        folder = self.folder / "tasks" / name
        folder.mkdir(parents=True)
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as out:
            for i in range(rows):
                out.write(json.dumps({"question": f"What is {i} plus {i}? ({name})", "answer": str(2 * i)}) + "\n")
        task = folder / f"{name}.yaml"
        task.write_text(
            f"id: {name}\ndataset: {name}.jsonl\nprompt: '{{question}}'\ntarget: '{{answer}}'\nscorer: numeric\n",
            encoding="utf-8",
        )
        return task

    def close(self, keep=False):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def main(tests):
    """Runs every function with a fresh bench; prints what failed, and the exit code says so."""
    binary = os.path.abspath(sys.argv[1])
    failed = 0
    for test in tests:
        bench = Bench(binary)
        keep = False
        try:
            test(bench)
            print(f"ok   {test.__name__}", flush=True)
        except (Failure, AssertionError, KeyError, ValueError, subprocess.TimeoutExpired) as reason:
            failed += 1
            keep = True
            print(f"FAIL {test.__name__}: {reason!r} (kept {bench.folder})", flush=True)
        finally:
            bench.close(keep)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)

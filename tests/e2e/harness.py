"""What the end-to-end tests share: the mock provider, folders, the binary."""

import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Failure(Exception):
    pass


def check(condition, text):
    if not condition:
        raise Failure(text)


def curl(*arguments):
    done = subprocess.run(["curl", "-sS", "--max-time", "20", *arguments], capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"curl: {done.stderr}")
    return done.stdout


def free_port():
    """A port that nobody listens on now, for commands that want to be told one."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


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
        port_file.unlink(missing_ok=True)
        log = open(self.folder / "mock.log", "w", encoding="utf-8")
        self.start("mock-provider", "--port", 0, "--port-file", port_file, "--record", self.record, *arguments,
                   stdout=log, stderr=log)
        port = wait_until("the mock provider", lambda: port_file.exists() and port_file.read_text().strip())
        self.env["ASSAY_MOCK_URL"] = f"http://127.0.0.1:{port}/v1"
        return int(port)

    def start_server(self, *arguments):
        """The process and its address. Its user is admin with the password admin123."""
        port_file = self.folder / "server.port"
        port_file.unlink(missing_ok=True)
        self.env["ASSAY_ADMIN_PASSWORD"] = "admin123"
        log = open(self.folder / "server.log", "a", encoding="utf-8")
        process = self.start("serve", "--port", 0, "--port-file", port_file, *arguments, stdout=log, stderr=log)
        port = wait_until("the server", lambda: process.poll() is not None
                          or (port_file.exists() and port_file.read_text().strip()))
        check(process.poll() is None, "the server ended: " + (self.folder / "server.log").read_text()[-1500:])
        return process, f"http://127.0.0.1:{port}"

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


class Subscriber(threading.Thread):
    """A WebSocket of a server that listens to runs until the server closes it. Written out, so that the test needs no
    package and no client library helps the server along."""

    def __init__(self, url, token, evaluations):
        super().__init__(daemon=True)
        host, port = url.removeprefix("http://").split(":")
        self.events = []
        self.close_code = None
        self.socket = socket.create_connection((host, int(port)), timeout=120)
        self.stream = self.socket.makefile("rb")
        self.socket.sendall(f"GET /ws?token={token} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
        answer = self.stream.readline().decode()
        check(" 101 " in answer, f"the upgrade is refused: {answer}")
        while self.stream.readline().strip():
            pass
        for evaluation in evaluations:
            self.send(1, json.dumps({"type": "subscribe_evaluation", "evaluation_id": evaluation}).encode())
        self.start()

    def send(self, kind, payload):
        """One masked frame; a mask of zeros leaves the payload as it is."""
        length = len(payload)
        size = bytes([0x80 | length]) if length < 126 else bytes([0x80 | 126]) + length.to_bytes(2, "big")
        self.socket.sendall(bytes([0x80 | kind]) + size + bytes(4) + payload)

    def run(self):
        try:
            while self.frame():
                pass
        except OSError:
            pass

    def frame(self):
        head = self.stream.read(2)
        if len(head) < 2:
            return False
        kind, length = head[0] & 0x0F, head[1] & 0x7F
        if length > 125:
            length = int.from_bytes(self.stream.read(2 if length == 126 else 8), "big")
        payload = self.stream.read(length)
        if kind == 1:
            self.events.append(json.loads(payload))
        elif kind == 8:
            self.close_code = int.from_bytes(payload[:2], "big")
            self.send(8, payload[:2])
            return False
        elif kind == 9:
            self.send(10, payload)
        return True

    def types(self):
        return [event["type"] for event in self.events]


class Session:
    """One shell, as a reader has it: what a block sets, later blocks see."""

    def __init__(self, folder, env):
        self.folder = folder
        self.output = folder / "session.log"
        self.count = 0
        log = open(self.output, "w", encoding="utf-8")
        self.shell = subprocess.Popen(["bash", "--noprofile", "--norc", "-e", "-o", "pipefail"], cwd=folder, env=env,
                                      stdin=subprocess.PIPE, stdout=log, stderr=log, text=True,
                                      start_new_session=True)

    def run(self, commands, limit=120):
        """What the commands print; a failure when one of them fails."""
        self.count += 1
        # Sourced, so that no command reads the commands that follow as its input.
        script = self.folder / f"block-{self.count}.sh"
        script.write_text(commands + "\n", encoding="utf-8")
        start, end = self.output.stat().st_size, f"@@ end of block {self.count}\n"
        self.shell.stdin.write(f". ./{script.name} </dev/null\necho; echo '{end.strip()}'\n")
        self.shell.stdin.flush()

        def printed():
            return self.output.read_bytes()[start:].decode("utf-8", "replace")

        try:
            wait_until("commands", lambda: end in printed() or self.shell.poll() is not None, limit)
            check(end in printed(), "a command failed")
        except Failure as reason:
            raise Failure(f"{reason}:\n{commands}\nprinted\n{printed()[-3000:]}") from None
        return printed().partition(end)[0]

    def close(self):
        """Ends the shell and all that was started in it."""
        try:
            os.killpg(self.shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.shell.wait()


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
        except (Failure, AssertionError, LookupError, ValueError, OSError, subprocess.TimeoutExpired) as reason:
            failed += 1
            keep = True
            print(f"FAIL {test.__name__}: {reason!r} (kept {bench.folder})", flush=True)
        finally:
            bench.close(keep)
    print(f"{len(tests) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)

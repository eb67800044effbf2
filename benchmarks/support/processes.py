"""Processes, ports and what the kernel knows about them."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import threading
import time


class Failure(Exception):
    """A benchmark could not be carried out; the message says why."""


def free_port():
    """A port of loopback that is free now; the caller takes it at once."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def raise_file_limit():
    """Lets this process, and those it starts, open as many files as the machine allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def wait_until(condition, seconds, what, process=None, log=None):
    """Waits until condition() is true and returns what it returned."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if process is not None and process.poll() is not None:
            raise Failure(f"{what}: the process ended with status {process.returncode}{tail(log)}")
        if time.monotonic() > end:
            raise Failure(f"{what}: nothing after {seconds} s{tail(log)}")
        time.sleep(0.005)


def tail(log, most=2000):
    """The end of a log file, for error messages."""
    if log is None or not os.path.exists(log):
        return ""
    with open(log, encoding="utf-8", errors="replace") as file:
        return "\n" + file.read()[-most:]


def stop(process, grace=5.0):
    """Ends a process: asks, then kills."""
    if process.poll() is not None:
        return
    process.terminate()
    try:
        process.wait(grace)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def kill(process):
    """Ends a process without a word (kill -9)."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


@contextlib.contextmanager
def started(command, log, hard=False, **arguments):
    """A process that ends with the block. Its output goes to the file log unless arguments say otherwise."""
    with open(log, "ab") as file:
        process = subprocess.Popen(command, stdin=arguments.pop("stdin", subprocess.DEVNULL),
                                   stdout=arguments.pop("stdout", file), stderr=file, **arguments)
        try:
            yield process
        finally:
            if hard:
                kill(process)
            else:
                stop(process)


def cpu_seconds(pid):
    """User and system time that a living process has used."""
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def anon_kib(pid):
    """Anonymous resident memory: what the process itself holds, without mapped files. 0 when it is gone."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1])
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


class MemorySampler:
    """Watches a process from a thread; peak_kib is the highest anonymous memory seen."""

    def __init__(self, pid, every=0.05):
        self.peak_kib = 0
        self._pid = pid
        self._every = every
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self._done.wait(self._every):
            self.peak_kib = max(self.peak_kib, anon_kib(self._pid))

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()


def live_through(seconds, process, what, log=None):
    """Waits that long; the process must outlive it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            raise Failure(f"{what} ended before the measurement did{tail(log)}")
        time.sleep(0.05)


def steady_rate(counter, warm_up, window, process, what, log=None):
    """Waits until counter() has grown by warm_up, at least 2 s and at most 60 s, then measures for the window.

    @return how fast counter() grows per second in the window.
    """
    start, before = time.monotonic(), counter()
    live_through(2, process, what, log)
    while counter() - before < warm_up and time.monotonic() - start < 60:
        live_through(0.5, process, what, log)
    first, start = counter(), time.monotonic()
    live_through(window, process, what, log)
    last, end = counter(), time.monotonic()
    return (last - first) / (end - start)

"""The real binary: how the benchmarks configure, start and ask it."""

import contextlib
import http.client
import json
import os
import pathlib
import subprocess
import time
import urllib.parse

from support import processes

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BINARY = ROOT / "build" / "release" / "cli" / "assay"
PASSWORD = "benchmark-on-loopback"


def build():
    """Builds the release binary when it is missing."""
    if not BINARY.exists():
        for command in (["cmake", "--preset", "release"], ["cmake", "--build", "--preset", "release", "--target", "assay"]):
            if subprocess.run(command, cwd=ROOT, stdout=2, check=False).returncode != 0:
                raise processes.Failure("the release binary could not be built: " + " ".join(command))
    return BINARY


class Workspace:
    """A temporary folder with one task, its dataset and configuration files."""

    def __init__(self, folder, samples):
        self.folder = pathlib.Path(folder)
        self.samples = samples
        task = self.folder / "tasks" / "bench"
        task.mkdir(parents=True)
        (task / "bench.yaml").write_text(
            "id: bench\nname: Benchmark\ncategory: single_turn\ndifficulty: beginner\n"
            "description: Sums whose answer is always the same.\nlanguages: [en]\ndataset: bench.jsonl\n"
            "prompts:\n  baseline: \"Sample {number}: What is 40 plus 2? Reply with the number only.\"\n"
            "target: \"{answer}\"\nscorer: {type: numeric}\ngeneration: {temperature: 0, max_tokens: 64}\n")
        with open(task / "bench.jsonl", "w", encoding="utf-8") as file:
            for number in range(samples):
                file.write('{"id": "bench-%06d", "number": %d, "answer": 42}\n' % (number, number))

    def fresh(self, name):
        """An empty folder of that name, for the data of one run."""
        number = 0
        while True:
            folder = self.folder / f"{name}-{number}"
            if not folder.exists():
                folder.mkdir(mode=0o700)
                return folder
            number += 1

    def config(self, base_url, in_flight, data, durability="commit", in_flight_rule="fixed", provider=None,
               groups=None):
        """Writes a configuration with a limit of calls in flight, by default a fixed one.

        @param groups: whole groups of the configuration that take the place of those made here, by name.
        @return its path.
        """
        path = data / "bench.json"
        path.write_text(json.dumps({
            "providers": {"bench": {"protocol": "openai_chat", "base_url": base_url, "key_required": False,
                                    **(provider or {})}},
            "models": {"bench": {"provider": "bench", "model": "sim-strong",
                                 "rate_limits": {"concurrent_requests": in_flight}}},
            "farm": {"in_flight": in_flight_rule, "in_flight_cap": in_flight},
            "server": {"host": "127.0.0.1", "port": 0, "max_connections": 8192, "max_connections_per_address": 8192},
            "storage": {"data_dir": str(data / "store"), "durability": durability},
            "logging": {"level": "warn"},
            "results_dir": str(data / "results"),
            "tasks_dirs": [str(self.folder / "tasks")],
            **(groups or {}),
        }, indent=2))
        return path


def run_command(config):
    return [str(build()), "run", "--config", str(config), "--model", "bench", "--tasks", "bench", "--output", "json"]


def environment():
    """This environment without anything that would configure assay, and with the benchmark's password."""
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("ASSAY_") and name not in ("PORT", "DATA_DIR", "RESULTS_DIR", "CACHE_DIR", "DEBUG")}
    return dict(kept, ASSAY_ADMIN_PASSWORD=PASSWORD)


def evaluate(workspace, base_url, in_flight, durability="commit"):
    """Runs the whole evaluation. @return samples per second over the life of the process, and its result."""
    data = workspace.fresh("run")
    config = workspace.config(base_url, in_flight, data, durability)
    start = time.monotonic()
    done = subprocess.run(run_command(config), capture_output=True, text=True, cwd=data, env=environment(), check=False)
    seconds = time.monotonic() - start
    if done.returncode != 0:
        raise processes.Failure(f"assay run ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    try:
        result = json.loads(done.stdout)
    except ValueError as error:
        raise processes.Failure(f"assay run printed no JSON: {error}\n{done.stdout[:500]}") from error
    return workspace.samples / seconds, result


def numbers_named(result, name):
    """Every number with that key, wherever it is in the result."""
    if isinstance(result, dict):
        for key, value in result.items():
            if key == name and isinstance(value, (int, float)):
                yield value
            yield from numbers_named(value, name)
    elif isinstance(result, list):
        for value in result:
            yield from numbers_named(value, name)


class Mock:
    """The mock provider. calls() is how many calls it has answered; process is the one that serves it."""

    def __init__(self, port, process):
        self.process = process
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._control = http.client.HTTPConnection("127.0.0.1", port, timeout=30)

    def _totals(self):
        self._control.request("GET", "/mock/calls")
        return json.loads(self._control.getresponse().read())

    def calls(self):
        return self._totals()["answered"]

    def statuses(self):
        """Answers by HTTP status, as text."""
        return self._totals()["statuses"]


@contextlib.contextmanager
def mock(folder, latency_ms, flags=()):
    """The mock provider as its own process, with a fixed latency and further flags."""
    port_file, log = folder / "mock.port", folder / "mock.log"
    port_file.unlink(missing_ok=True)
    command = [str(build()), "mock-provider", "--port", "0", "--port-file", str(port_file), "--latency",
               f"fixed:{latency_ms}", *flags]
    with processes.started(command, log, cwd=folder, env=environment()) as process:
        yield Mock(read_port(port_file, process, log, "the mock provider"), process)


def read_port(port_file, process, log, what):
    def text():
        return port_file.exists() and port_file.read_text().strip()
    return int(processes.wait_until(text, 30, what, process, log))


class Server:
    """A running `assay serve`."""

    def __init__(self, port, process):
        self.port = port
        self.process = process
        self._http = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.token = self.post("/auth/login", {"username": "admin", "password": PASSWORD}, None)["access_token"]

    def _ask(self, method, path, body, token):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        self._http.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._http.getresponse()
        text = response.read().decode()
        if response.status >= 300:
            raise processes.Failure(f"{method} {path} answered {response.status}: {text[:500]}")
        return json.loads(text)

    def get(self, path):
        return self._ask("GET", path, None, self.token)

    def post(self, path, body, token=""):
        return self._ask("POST", path, body, self.token if token == "" else token)

    def ws_url(self):
        return f"ws://127.0.0.1:{self.port}/ws?token={urllib.parse.quote(self.token)}"


@contextlib.contextmanager
def serve(config, folder, hard=False):
    """`assay serve` on a free port."""
    port_file, log = folder / "server.port", folder / "server.log"
    port_file.unlink(missing_ok=True)
    command = [str(build()), "serve", "--config", str(config), "--port", "0", "--port-file", str(port_file)]
    with processes.started(command, log, hard, cwd=folder, env=environment()) as process:
        yield Server(read_port(port_file, process, log, "assay serve"), process)

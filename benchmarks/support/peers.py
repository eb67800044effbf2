"""The others: nginx with a fixed answer, wrk (the limit) and a plain Python client."""

import contextlib
import http.client
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from support import processes

HERE = pathlib.Path(__file__).resolve().parent

# What every client sends and what the fixed provider answers, about 400 bytes.
REQUEST = {
    "model": "sim-strong",
    "messages": [{"role": "user", "content": "Sample 1: What is 40 plus 2? Reply with the number only."}],
    "temperature": 0,
    "max_tokens": 64,
}
ANSWER = {
    "id": "chatcmpl-0123456789abcdef", "object": "chat.completion", "created": 1760000000, "model": "sim-strong",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "The answer is 42."}, "logprobs": None,
                 "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 24, "completion_tokens": 6, "total_tokens": 30,
              "prompt_tokens_details": {"cached_tokens": 0}},
    "system_fingerprint": "fp_0123456789",
}

NGINX_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile {files};
events {{ worker_connections {connections}; }}
http {{
  access_log off;
  server_tokens off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    tcp_nodelay on;
    location = /v1/chat/completions {{ default_type application/json; return 200 '{answer}'; }}
    location = /status {{ stub_status; }}
  }}
}}
"""

WRK_SCRIPT = """
wrk.method = "POST"
wrk.body = '{body}'
wrk.headers["Content-Type"] = "application/json"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {{"requests": %d, "seconds": %f, "p99_ms": %f, "errors": %d}}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


def one_line(value):
    return json.dumps(value, separators=(",", ":"))


class Nginx:
    """A provider that answers the same at once. calls() is how many requests it has answered."""

    def __init__(self, port):
        self.base_url = f"http://127.0.0.1:{port}/v1"
        self._status = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        self._polls = 0

    def calls(self):
        self._status.request("GET", "/status")
        text = self._status.getresponse().read().decode()
        self._polls += 1
        return int(re.search(r"\n\s*\d+\s+\d+\s+(\d+)", text).group(1)) - self._polls


@contextlib.contextmanager
def nginx():
    """Starts nginx with a configuration of its own, on loopback."""
    with tempfile.TemporaryDirectory(prefix="assay-nginx.") as folder:
        port = processes.free_port()
        conf = pathlib.Path(folder) / "nginx.conf"
        # Run by root, nginx hands its worker to the user `nobody`, who needs the folder.
        pathlib.Path(folder).chmod(0o755)
        conf.write_text(NGINX_CONF.format(folder=folder, port=port, answer=one_line(ANSWER), files=16384,
                                          connections=15000))
        log = f"{folder}/error.log"
        with processes.started(["/usr/sbin/nginx", "-p", folder, "-c", str(conf), "-e", log], log) as process:
            server = Nginx(port)

            def answers():
                try:
                    return server.calls() >= 0
                except OSError:
                    server._status.close()
                    return False
            processes.wait_until(answers, 5, "nginx", process, log)
            server._polls += server.calls()
            yield server


def wrk_command(base_url, connections, seconds, script):
    return ["wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s", "--timeout", "60s", "-s", script,
            f"{base_url}/chat/completions"]


@contextlib.contextmanager
def wrk_script():
    """The path of a script that posts the request."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
        file.write(WRK_SCRIPT.format(body=one_line(REQUEST)))
        file.flush()
        yield file.name


def wrk(base_url, connections, seconds):
    """Requests per second that wrk reaches."""
    with wrk_script() as script:
        done = subprocess.run(wrk_command(base_url, connections, seconds, script), capture_output=True, text=True,
                              check=False)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise processes.Failure(f"wrk said nothing usable:\n{done.stdout}{done.stderr}")
    result = json.loads(found.group(1))
    if result["errors"]:
        raise processes.Failure(f"wrk met {result['errors']} errors")
    return result["requests"] / result["seconds"]


def aiohttp_command(base_url, in_flight, calls):
    """@param calls: 0 means until it is ended."""
    return [sys.executable, str(HERE / "aiohttp_peer.py"), f"{base_url}/chat/completions", str(in_flight), str(calls),
            one_line(REQUEST)]


def limited_command(base_url, mode, keys):
    """@param mode: aimd or backoff. Runs until it is ended."""
    return [sys.executable, str(HERE / "limited_peer.py"), f"{base_url}/chat/completions", mode, one_line(REQUEST), *keys]


def aiohttp(base_url, in_flight, calls):
    """Calls per second of the plain Python client."""
    done = subprocess.run(aiohttp_command(base_url, in_flight, calls), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise processes.Failure(f"the aiohttp client failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout)["calls_per_s"]

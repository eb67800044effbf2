"""What it costs to ask a model through assay's gateway instead of through a plain proxy.

The provider is nginx with a fixed answer. The peer is a second nginx that passes every request on over kept-alive
connections and looks at nothing; assay checks who asks, reads and writes JSON both ways, keeps to limits and counts.
For streams the mock provider sends 64 pieces, 20 ms apart, on many streams at once, to a reader that asks it directly
and then through assay.
"""

import contextlib
import json
import pathlib
import re
import subprocess
import sys
import tempfile

from support import assay, peers, processes, report

READER = pathlib.Path(__file__).resolve().parent / "support" / "stream_reader.py"
GAP_MS = 20
DELTAS = 64

PROXY_CONF = """
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
worker_rlimit_nofile 16384;
events {{ worker_connections 15000; }}
http {{
  access_log off;
  keepalive_requests 1000000000;
  keepalive_timeout 3600s;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  upstream provider {{ server 127.0.0.1:{provider}; keepalive 256; keepalive_requests 1000000000; }}
  server {{
    listen 127.0.0.1:{port} backlog=8192;
    tcp_nodelay on;
    location /v1/ {{
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }}
  }}
}}
"""

WRK_SCRIPT = """
wrk.method = "POST"
wrk.body = '{body}'
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer {token}"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format('RESULT {{"requests": %d, "seconds": %f, "p99_ms": %f, "errors": %d}}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(99) / 1e3, e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@contextlib.contextmanager
def proxy(base_url):
    """nginx in front of the provider at base_url. Yields its own base URL."""
    with tempfile.TemporaryDirectory(prefix="assay-proxy.") as folder:
        pathlib.Path(folder).chmod(0o755)
        port = processes.free_port()
        provider = re.search(r":(\d+)/", base_url).group(1)
        conf = pathlib.Path(folder) / "nginx.conf"
        conf.write_text(PROXY_CONF.format(folder=folder, port=port, provider=provider))
        log = f"{folder}/error.log"
        with processes.started(["/usr/sbin/nginx", "-p", folder, "-c", str(conf), "-e", log], log) as process:
            url = f"http://127.0.0.1:{port}/v1"
            processes.wait_until(lambda: answers(url), 5, "the proxy", process, log)
            yield url


def answers(url):
    done = subprocess.run(["curl", "-s", "-o", "/dev/null", "-d", "{}", f"{url}/chat/completions"], check=False)
    return done.returncode == 0


def wrk(url, token, model, connections, seconds):
    """@return requests per second, and the 99th percentile of their times in milliseconds."""
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        body = peers.one_line(dict(peers.REQUEST, model=model))
        script.write(WRK_SCRIPT.format(body=body, token=token))
        script.flush()
        done = subprocess.run(peers.wrk_command(url, connections, seconds, script.name), capture_output=True, text=True,
                              check=False)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if not found:
        raise processes.Failure(f"wrk said nothing usable:\n{done.stdout}{done.stderr}")
    result = json.loads(found.group(1))
    if result["errors"]:
        raise processes.Failure(f"wrk met {result['errors']} errors")
    return result["requests"] / result["seconds"], result["p99_ms"]


def read_streams(url, token, model, prompt, streams):
    """@return how late the worst piece came, in milliseconds, and the 99th percentile."""
    request = {"model": model, "messages": [{"role": "user", "content": prompt}], "stream": True}
    done = subprocess.run([sys.executable, str(READER), f"{url}/chat/completions", str(streams), str(DELTAS), str(GAP_MS),
                           peers.one_line(request), token], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise processes.Failure(f"the reader failed:\n{done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    return result["worst_ms"], result["p99_ms"]


def measure_requests(workspace, rounds, seconds):
    home = workspace.fresh("gateway")
    with peers.nginx() as provider, proxy(provider.base_url) as passed_on:
        config = workspace.config(provider.base_url, 256, home)
        with assay.serve(config, home) as server:
            ours = f"http://127.0.0.1:{server.port}/v1"
            return report.alternate(rounds, {
                "assay, 64": lambda: wrk(ours, server.token, "bench", 64, seconds),
                "nginx proxy, 64": lambda: wrk(passed_on, "", "bench", 64, seconds),
                "provider, 64": lambda: wrk(provider.base_url, "", "bench", 64, seconds),
                "assay, 1": lambda: wrk(ours, server.token, "bench", 1, seconds),
                "nginx proxy, 1": lambda: wrk(passed_on, "", "bench", 1, seconds),
                "provider, 1": lambda: wrk(provider.base_url, "", "bench", 1, seconds),
            })


def measure_streams(workspace, rounds, streams):
    home = workspace.fresh("streams")
    prompt = "Recite the alphabet of the farm."
    answer = " ".join(f"word{number:03d}" for number in range(4 * DELTAS))
    tasks = home / "tasks" / "recital"
    tasks.mkdir(parents=True)
    (tasks / "recital.jsonl").write_text(json.dumps({"question": prompt, "answer": answer}) + "\n")
    (tasks / "recital.yaml").write_text("id: recital\ndataset: recital.jsonl\nprompt: '{question}'\ntarget: '{answer}'\n"
                                        "scorer: exact_match\n")
    flags = ("--stream-gap", f"{GAP_MS}ms", "--tasks-dir", str(home / "tasks"), "--model", "reciter=1")
    with assay.mock(home, 0, flags) as provider:
        config = json.loads(workspace.config(provider.base_url, 512, home).read_text())
        config["models"]["bench"]["model"] = "reciter"
        path = home / "streams.json"
        path.write_text(json.dumps(config))
        with assay.serve(path, home) as server:
            ours = f"http://127.0.0.1:{server.port}/v1"
            return report.alternate(rounds, {
                "assay": lambda: read_streams(ours, server.token, "bench", prompt, streams),
                "provider": lambda: read_streams(provider.base_url, "", "reciter", prompt, streams),
            })


def measure(folder, quick):
    rounds, seconds, streams = (1, 1, 16) if quick else (5, 5, 256)
    workspace = assay.Workspace(folder, 1)
    assay.build()
    asked = measure_requests(workspace, rounds, seconds)
    streamed = measure_streams(workspace, rounds, streams)
    keys = {"rps_over_nginx": asked["assay, 64"][0] / asked["nginx proxy, 64"][0],
            "rps": asked["assay, 64"][0],
            "added_p99_ms": asked["assay, 1"][1] - asked["provider, 1"][1],
            "nginx_added_p99_ms": asked["nginx proxy, 1"][1] - asked["provider, 1"][1],
            "worst_delta_ms": streamed["assay"][0],
            "worst_delta_direct_ms": streamed["provider"][0]}
    rows = [(name, rate, p99) for name, (rate, p99) in asked.items()]
    rows += [(f"{streams} streams, {name}: worst and p99 lateness", worst, p99)
             for name, (worst, p99) in streamed.items()]
    return keys, ("who, connections", "requests/s", "p99 ms"), rows, [f"medians of {rounds}"]

"""A server as its clients see it: the documented calls with curl, kill -9 while a run goes on, an orderly stop."""

import collections
import json
import random
import signal
import socket
import threading

from harness import check, curl, main, wait_until

SAMPLES = 500
IN_FLIGHT = 8
KILLS = 10
# What may be open at a kill: the calls on the wire, and the answers that wait for the store to write them: with a window
# of 4 ms, answers after 15 ms and a slow disk no more than three for each call on the wire.
MOST_OPEN = KILLS * 4 * IN_FLIGHT


def login(url):
    answer = json.loads(curl("-X", "POST", f"{url}/auth/login", "-H", "Content-Type: application/json",
                             "-d", '{"username": "admin", "password": "admin123"}'))
    return answer["access_token"]


def create(url, token, body):
    return json.loads(curl("-X", "POST", f"{url}/evaluations", "-H", f"Authorization: Bearer {token}",
                           "-H", "Content-Type: application/json", "-d", json.dumps(body)))


def status(url, token, evaluation):
    return json.loads(curl(f"{url}/evaluations/{evaluation}", "-H", f"Authorization: Bearer {token}"))


def the_documented_calls(bench):
    bench.start_mock()
    server, url = bench.start_server()
    check(json.loads(curl(f"{url}/health"))["status"] == "healthy", "health")
    token = login(url)
    bearer = ("-H", f"Authorization: Bearer {token}")
    tasks = json.loads(curl(f"{url}/tasks", *bearer, "-G", "-d", "limit=10", "-d", "category=single_turn"))
    check(tasks["page_size"] == 10 and tasks["items"], "tasks")
    check(isinstance(json.loads(curl(f"{url}/models", *bearer)), list), "models")
    made = create(url, token, {"model_id": "sim-strong", "task_ids": ["arithmetic_word_problems"],
                               "configuration": {"temperature": 0.7, "max_tokens": 1024, "limit": 5},
                               "context_mode": "full_context", "metadata": {"experiment_name": "baseline_test"}})
    check(made["status"] == "created", str(made))
    evaluation = made["evaluation_id"]
    wait_until("the evaluation", lambda: status(url, token, evaluation)["status"] == "completed")
    result = json.loads(curl(f"{url}/results/{evaluation}", *bearer, "-G", "-d", "include_details=true"))
    check(result["task_results"][0]["task_id"] == "arithmetic_word_problems", str(result)[:500])
    check(json.loads(curl(f"{url}/openapi.json", *bearer))["openapi"].startswith("3.1"), "openapi")
    server.send_signal(signal.SIGTERM)
    check(server.wait(timeout=60) == 0, "an orderly stop ends with 0")


def errors_name_the_field(bench):
    bench.start_mock()
    _, url = bench.start_server()
    token = login(url)
    for body, field in (({"model_id": "sim-strong", "task_ids": []}, "task_ids"),
                        ({"model_id": "nobody", "task_ids": ["arithmetic_word_problems"]}, "model_id"),
                        ({"model_id": "sim-strong", "task_ids": ["nothing"]}, "task_ids"),
                        ({"model_id": "sim-strong", "task_ids": ["date_reasoning"], "configuration": {"limit": 0}}, "limit")):
        error = create(url, token, body)["error"]
        check(field in (error["field"] or ""), f"{body}: {error}")
    check("error" in json.loads(curl(f"{url}/tasks")), "no token")
    check("error" in json.loads(curl(f"{url}/tasks", "-H", "Authorization: Bearer nonsense")), "a bad token")
    check("error" in json.loads(curl(f"{url}/nowhere")), "an unknown path")


def committed(bench):
    stat = bench.run("store", "stat", "--json")
    check(stat.returncode == 0, stat.stderr)
    return json.loads(stat.stdout)["tables"]["responses"]["rows"]


def asked(bench):
    return [call["prompt_hash"] for call in bench.calls() if call["event"] == "received"]


def a_run_survives_ten_kills(bench):
    bench.write_task("many", SAMPLES)
    bench.start_mock("--tasks-dir", bench.folder / "tasks", "--latency", "uniform:5ms-25ms")
    config = bench.folder / "farm.yaml"
    config.write_text(f"tasks_dirs: [{bench.folder / 'tasks'}]\n"
                      f"farm:\n  in_flight: fixed\n  in_flight_cap: {IN_FLIGHT}\n", encoding="utf-8")
    dice = random.Random(20260103)
    server, url = bench.start_server("--config", config)
    evaluation = create(url, login(url), {"model_id": "sim-p100", "task_ids": ["many"]})["evaluation_id"]
    open_at_kills = 0
    for _ in range(KILLS):
        wanted = len(asked(bench)) + dice.randint(1, SAMPLES // (KILLS + 2))
        wait_until("some more calls", lambda: len(asked(bench)) >= wanted or len(set(asked(bench))) == SAMPLES)
        server.send_signal(signal.SIGKILL)
        server.wait()
        kept = committed(bench)
        open_at_kills += len(set(asked(bench))) - kept
        server, url = bench.start_server("--config", config)
    token = login(url)
    wait_until("the evaluation", lambda: status(url, token, evaluation)["status"] == "completed", 120)
    check(status(url, token, evaluation)["samples"]["done"] == SAMPLES, "every sample is done")
    result = json.loads(curl(f"{url}/results/{evaluation}", "-H", f"Authorization: Bearer {token}"))
    check(result["summary_metrics"]["overall_score"] == 1, str(result["summary_metrics"]))
    counts = collections.Counter(asked(bench))
    repeated = sum(count - 1 for count in counts.values())
    check(len(counts) == SAMPLES, f"{len(counts)} prompts were asked")
    check(repeated <= open_at_kills, f"{repeated} calls were repeated, but only {open_at_kills} were in flight")
    check(open_at_kills <= MOST_OPEN, f"{open_at_kills} answers were not stored at {KILLS} kills")
    print(f"     {repeated} repetitions of {open_at_kills} calls in flight at {KILLS} kills")


class Proxy:
    """An HTTP proxy for whom every name is the server under test. Keeps the first line of what it was asked."""

    def __init__(self, port):
        self.port_of_server = port
        self.asked = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.treat, args=(client,), daemon=True).start()

    def treat(self, client):
        head = b""
        while b"\r\n\r\n" not in head:
            more = client.recv(65536)
            if not more:
                return
            head += more
        line, rest = head.split(b"\r\n", 1)
        self.asked.append(line.decode())
        method, url, version = line.decode().split(" ")
        server = socket.create_connection(("127.0.0.1", self.port_of_server))
        if method == "CONNECT":
            client.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            path = "/" + url.split("/", 3)[3]
            server.sendall(f"{method} {path} {version}\r\n".encode() + rest)
        other = threading.Thread(target=self.pump, args=(client, server), daemon=True)
        other.start()
        self.pump(server, client)
        other.join()

    @staticmethod
    def pump(source, sink):
        try:
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def remote_commands_go_through_a_proxy(bench):
    bench.start_mock()
    _, url = bench.start_server()
    proxy = Proxy(int(url.rsplit(":", 1)[1]))
    try:
        made = create(url, login(url), {"model_id": "sim-p100", "task_ids": ["arithmetic_word_problems"],
                                        "configuration": {"limit": 3}})
        bench.env["http_proxy"] = f"http://127.0.0.1:{proxy.port}"
        remote = ("--url", "http://farm.example.org:8000")
        watched = bench.run("watch", made["evaluation_id"], *remote)
        check(watched.returncode == 0, watched.stderr)
        check("CONNECT farm.example.org:8000 HTTP/1.1" in proxy.asked, f"the WebSocket is tunnelled: {proxy.asked}")
        check("POST http://farm.example.org:8000/auth/ws-ticket HTTP/1.1" in proxy.asked, str(proxy.asked))
        for command in (("users",), ("runs",), ("cancel", "last")):
            done = bench.run(*command, *remote)
            check(done.returncode == 0 or command[0] == "cancel", f"{command}: {done.stderr}")
        check(any(line.startswith("GET http://farm.example.org:8000/users ") for line in proxy.asked), str(proxy.asked))
        before = len(proxy.asked)
        check(bench.run("users", "--url", url).returncode == 0, "a server on this machine")
        check(len(proxy.asked) == before, "a server on this machine is asked directly")
        # An address of this machine that is no loopback address, so that a rule decides.
        nearby = ("--url", url.replace("127.0.0.1", "0.0.0.0"))
        check(bench.run("users", *nearby).returncode == 0 and len(proxy.asked) > before, "the proxy is asked")
        before = len(proxy.asked)
        bench.env["NO_PROXY"] = "0.0.0.0"
        check(bench.run("users", *nearby).returncode == 0, "NO_PROXY is honoured")
        check(len(proxy.asked) == before, "NO_PROXY is honoured")
    finally:
        proxy.listener.close()


def a_second_farm_is_refused(bench):
    bench.start_mock()
    bench.start_server()
    second = bench.run("serve", "--port", 0)
    check(second.returncode not in (0, 1), f"exit {second.returncode}")
    check("another" in second.stderr.lower() or "used by" in second.stderr.lower(), second.stderr[-500:])


if __name__ == "__main__":
    main([the_documented_calls, errors_name_the_field, a_run_survives_ten_kills,
          remote_commands_go_through_a_proxy, a_second_farm_is_refused])

"""A server under load is told to end; and what a subscriber hears of the three ways in which a run ends."""

import collections
import json
import signal
import threading

from harness import Failure, Subscriber, check, curl, main, wait_until

RUNS = 3
IN_FLIGHT = 200
SAMPLES = 600
SUBSCRIBERS = 10
CLIENTS = 4


def login(url):
    answer = json.loads(curl("-X", "POST", f"{url}/auth/login", "-H", "Content-Type: application/json",
                             "-d", '{"username": "admin", "password": "admin123"}'))
    return answer["access_token"]


def ask(method, url, token, body=None):
    extra = () if body is None else ("-H", "Content-Type: application/json", "-d", json.dumps(body))
    return json.loads(curl("-X", method, url, "-H", f"Authorization: Bearer {token}", *extra))


def create(url, token, **configuration):
    made = ask("POST", f"{url}/evaluations", token,
               {"model_id": "sim-p100", "task_ids": ["many"], "configuration": configuration})
    check("evaluation_id" in made, str(made))
    return made["evaluation_id"]


def config(bench, in_flight):
    path = bench.folder / "farm.yaml"
    path.write_text(f"tasks_dirs: [{bench.folder / 'tasks'}]\n"
                    f"farm:\n  in_flight: fixed\n  in_flight_cap: {in_flight}\n", encoding="utf-8")
    return path


class Client(threading.Thread):
    """Asks one thing after another until it is told to stop or nobody answers."""

    def __init__(self, url, token, evaluation):
        super().__init__(daemon=True)
        self.command = (f"{url}/evaluations/{evaluation}", "-H", f"Authorization: Bearer {token}")
        self.answers = collections.Counter()
        self.start()

    def run(self):
        try:
            while True:
                status = curl("-o", "/dev/null", "-w", "%{http_code}", *self.command)
                self.answers[status] += 1
        except Failure:
            pass  # Nobody listens any more.


def stored(bench):
    stat = bench.run("store", "stat", "--json")
    check(stat.returncode == 0, stat.stderr)
    return json.loads(stat.stdout)["tables"]["responses"]["rows"]


def prompts(bench, event):
    """How often each question of each run met this event. Runs ask the same questions, so the counts add up."""
    return collections.Counter(call["prompt_hash"] for call in bench.calls() if call["event"] == event)


def a_server_under_load_ends_in_order(bench):
    bench.write_task("many", SAMPLES)
    bench.start_mock("--tasks-dir", bench.folder / "tasks", "--latency", "uniform:200ms-600ms")
    settings = config(bench, IN_FLIGHT)
    server, url = bench.start_server("--config", settings)
    token = login(url)
    runs = [create(url, token, temperature=number / 10) for number in range(RUNS)]
    subscribers = [Subscriber(url, token, runs) for _ in range(SUBSCRIBERS)]
    clients = [Client(url, token, runs[0]) for _ in range(CLIENTS)]

    def on_the_wire():
        return prompts(bench, "received").total() - prompts(bench, "answered").total()

    wait_until("a full window", lambda: on_the_wire() >= IN_FLIGHT // 2 and all(c.answers for c in clients))
    server.send_signal(signal.SIGTERM)
    check(server.wait(timeout=60) == 0, "an orderly stop ends with 0")

    for subscriber in subscribers:
        subscriber.join(10)
        check(not subscriber.is_alive(), "a subscriber is told of the end")
        check(subscriber.close_code in (1001, 1012), f"it is closed with {subscriber.close_code}")
        check(subscriber.types().count("subscribed") == RUNS, str(subscriber.types()[:5]))
    for client in clients:
        client.join(30)
        check(not client.is_alive(), "a client is let go")
        check(set(client.answers) <= {"200", "503"}, f"clients got {client.answers}")

    received, answered = prompts(bench, "received").total(), prompts(bench, "answered").total()
    check(received < RUNS * SAMPLES, "it was stopped in the middle")
    check(received == answered, f"{received} calls went out, but only {answered} were waited for")
    check(stored(bench) == answered, f"{answered} answers came, but {stored(bench)} are stored")

    server, url = bench.start_server("--config", settings)
    token = login(url)
    for run in runs:
        wait_until(run, lambda: ask("GET", f"{url}/evaluations/{run}", token)["state"] == "completed", 120)
    counts = prompts(bench, "received")
    check(len(counts) == SAMPLES and set(counts.values()) == {RUNS}, "every run asks each question once")
    check(stored(bench) == RUNS * SAMPLES, "every answer is stored")
    server.send_signal(signal.SIGTERM)
    check(server.wait(timeout=60) == 0, "an orderly stop ends with 0")


def a_subscriber_hears_how_a_run_ends(bench):
    bench.write_task("many", SAMPLES)
    bench.start_mock("--tasks-dir", bench.folder / "tasks", "--latency", "fixed:300ms")
    _, url = bench.start_server("--config", config(bench, 2))
    token = login(url)

    def last_words(run, word):
        """What the event says that ended the run."""
        wait_until(word, lambda: word in listener.types())
        event = listener.events[listener.types().index(word)]
        check(event["data"]["evaluation_id"] == run, str(event))
        return event["data"]

    run = create(url, token, limit=2)
    listener = Subscriber(url, token, [run])
    check(last_words(run, "evaluation_completed")["state"] == "completed", "completed")

    run = create(url, token)
    listener = Subscriber(url, token, [run])
    wait_until("the subscription", lambda: "subscribed" in listener.types())
    ask("DELETE", f"{url}/evaluations/{run}", token)
    check(last_words(run, "evaluation_cancelled")["state"] == "cancelled", "cancelled")
    check("evaluation_completed" not in listener.types(), str(listener.types()))

    run = create(url, token, time_limit=1)
    listener = Subscriber(url, token, [run])
    data = last_words(run, "evaluation_failed")
    check(data["state"] == "failed" and "time limit" in data["error_message"], str(data))
    check("evaluation_completed" not in listener.types(), str(listener.types()))


if __name__ == "__main__":
    main([a_server_under_load_ends_in_order, a_subscriber_hears_how_a_run_ends])

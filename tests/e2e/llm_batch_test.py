"""POST /llm_api/batch as a run: kill -9 in between, the provider's batch API, files, pause and cancel."""

import collections
import json
import signal

import harness
from harness import check, curl, wait_until

ROWS = 200
IN_FLIGHT = 8


def config(bench):
    path = bench.folder / "farm.yaml"
    path.write_text(f"farm:\n  in_flight: fixed\n  in_flight_cap: {IN_FLIGHT}\n", encoding="utf-8")
    return path


def started(bench, *mock_arguments):
    bench.write_task("asked", ROWS)
    bench.start_mock("--tasks-dir", bench.folder / "tasks", *mock_arguments)
    server, url = bench.start_server("--config", config(bench))
    return server, url, login(url)


def login(url):
    return json.loads(curl("-H", "Content-Type: application/json", "-d",
                           json.dumps({"username": "admin", "password": "admin123"}),
                           url + "/auth/login"))["access_token"]


def post(url, token, body=None):
    data = [] if body is None else ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    return json.loads(curl("-X", "POST", "-H", f"Authorization: Bearer {token}", *data, url))


def get(url, token):
    return curl("-H", f"Authorization: Bearer {token}", url)


def batch(rows=ROWS, **more):
    return {"items": [{"n": i} for i in range(rows)], "model": "sim-p100", "provider": "mock", "temperature": 0,
            "prompt_template": "What is {n} plus {n}? (asked)", "max_concurrent_requests": 64, **more}


def lines(url, token, name):
    return [json.loads(line) for line in get(f"{url}/llm_api/batch/{name}/results", token).splitlines()]


def check_answers(told, rows=ROWS):
    check([one["index"] for one in told] == list(range(rows)), f"{len(told)} lines")
    for one in told:
        check(str(2 * one["item"]["n"]) in one.get("response", ""), json.dumps(one))
        check(one["usage"]["total_tokens"] > 0, json.dumps(one))


def state(url, token, name):
    return json.loads(get(f"{url}/llm_api/batch/{name}", token))


def a_batch_goes_on_after_kill_9(bench):
    server, url, token = started(bench, "--latency", "uniform:20ms-60ms")
    begun = post(url + "/llm_api/batch", token, batch(wait=False, output_dir="mine"))
    check(begun["state"] in ("queued", "preparing", "running"), json.dumps(begun))
    name = begun["batch_id"]

    def asked():
        return [call["prompt_hash"] for call in bench.calls() if call["event"] == "received"]

    open_at_kills = 0
    for wanted in (ROWS // 5, ROWS // 2):
        wait_until("some calls", lambda: len(set(asked())) >= wanted)
        server.send_signal(signal.SIGKILL)
        server.wait()
        stat = json.loads(bench.run("store", "stat", "--json").stdout)
        open_at_kills += len(set(asked())) - stat["tables"]["responses"]["rows"]
        server, url = bench.start_server("--config", config(bench))
        token = login(url)
    wait_until("the batch", lambda: state(url, token, name)["task_status"] == "completed")
    shown = state(url, token, name)
    check(shown["completed_requests"] == ROWS and shown["failed_requests"] == 0, json.dumps(shown))
    check_answers(lines(url, token, name))
    repeated = sum(count - 1 for count in collections.Counter(asked()).values())
    check(repeated <= open_at_kills, f"{repeated} calls were repeated, but only {open_at_kills} were in flight")
    wait_until("the files", lambda: state(url, token, name)["output"]["state"] != "waiting")
    output = state(url, token, name)["output"]
    check(output["state"] == "written", json.dumps(output))
    results, statistics = [bench.folder / "results" / file for file in output["files"]]
    check(results.name.startswith("mock_") and results.name.endswith(f"{name}.jsonl"), results.name)
    check_answers([json.loads(line) for line in results.read_text(encoding="utf-8").splitlines()])
    check(json.loads(statistics.read_text(encoding="utf-8"))["total_requests"] == ROWS, statistics.name)
    listed = json.loads(get(url + "/evaluations", token))
    check(listed["total"] == 0, json.dumps(listed))


def a_batch_goes_through_the_providers_batches(bench):
    bench.env["ASSAY_BATCHES__GATHER"] = "500ms"
    bench.env["ASSAY_BATCHES__POLL_FIRST"] = "500ms"
    _, url, token = started(bench, "--batch-time", "1s")
    begun = post(url + "/llm_api/batch", token, batch(24, mode="batch"))
    check(begun["mode"] == "batch" and "results" not in begun, json.dumps(begun))
    name = begun["batch_id"]
    wait_until("the batch", lambda: state(url, token, name)["task_status"] == "completed")
    check_answers(lines(url, token, name), 24)


def a_batch_is_paused_and_cancelled(bench):
    _, url, token = started(bench, "--latency", "fixed:200ms")
    begun = post(url + "/llm_api/batch", token, batch(wait=False))
    here = f"{url}/llm_api/batch/{begun['batch_id']}"
    wait_until("an answer", lambda: lines(url, token, begun["batch_id"]))
    check(post(here + "/pause", token)["task_status"] == "paused", "it is paused")
    check(post(here + "/resume", token)["task_status"] in ("running", "created"), "it goes on")
    post(here + "/cancel", token)
    wait_until("the end", lambda: state(url, token, begun["batch_id"])["task_status"] == "cancelled")
    told = lines(url, token, begun["batch_id"])
    check(len(told) == ROWS, f"{len(told)} lines")
    check(any("response" in one for one in told) and any("error" in one for one in told), "some were answered")


if __name__ == "__main__":
    harness.main([a_batch_goes_on_after_kill_9, a_batch_goes_through_the_providers_batches,
                  a_batch_is_paused_and_cancelled])

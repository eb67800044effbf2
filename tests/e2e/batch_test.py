"""Runs whose calls go through the providers' batch APIs: answers, prices, kill -9 in between."""

import json
import signal
import urllib.request

from harness import check, main, wait_until

ROWS = 24
KEY = "test-key"
# The model, its provider at the mock's address, the list of its batches, and the header that carries the key.
OTHERS = {
    "claude": ("anthropic: {{base_url: '{url}', api_key: {key}, batch: {{available: true}}}}",
               "/v1/messages/batches?limit=100", "data", "x-api-key"),
    "flash": ("gemini: {{base_url: '{url}/v1beta', api_key: {key}, batch: {{available: true}}}}",
              "/v1beta/batches?pageSize=100", "operations", "x-goog-api-key"),
}


def prepared(bench, *mock_arguments):
    task = bench.write_task("mine", ROWS)
    port = bench.start_mock("--tasks-dir", bench.folder / "tasks", *mock_arguments)
    bench.env["ASSAY_BATCHES__GATHER"] = "500ms"
    bench.env["ASSAY_BATCHES__POLL_FIRST"] = "500ms"
    return task, port


def result_of(done):
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)["evaluations"][0]["summary_metrics"]


def batches_at(port):
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v1/batches", timeout=20) as answer:
        return json.load(answer)["data"]


def prepared_others(bench, *mock_arguments):
    """A farm with a model of Anthropic's and one of Gemini's, and the words that run a task on both."""
    task, port = prepared(bench, "--api-key", KEY, *mock_arguments)
    url = f"http://127.0.0.1:{port}"
    providers = [line.format(url=url, key=KEY) for line, *_ in OTHERS.values()]
    models = [f"{model}: {{provider: {line.partition(':')[0]}, model: sim-p100, "
              "prices: {input_per_mtok: 100, output_per_mtok: 200}}" for model, (line, *_) in OTHERS.items()]
    file = bench.folder / "farm.yaml"
    file.write_text("providers:\n  " + "\n  ".join(providers) + "\nmodels:\n  " + "\n  ".join(models) + "\n",
                    encoding="utf-8")
    names = [word for model in OTHERS for word in ("-m", model)]
    return ("run", "--config", file, *names, "-t", task, "--output", "json"), port


def results_of(done):
    """The metrics of each evaluation, in the order of the models."""
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    out = [one["summary_metrics"] for one in json.loads(done.stdout)["evaluations"]]
    check(len(out) == len(OTHERS), f"{len(out)} results")
    return out


def batches_of(port, model):
    _, path, member, header = OTHERS[model]
    asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}",
                                   headers={header: KEY, "anthropic-version": "2023-06-01"})
    with urllib.request.urlopen(asked, timeout=20) as answer:
        return json.load(answer).get(member, [])


def check_made_once(port):
    for model in OTHERS:
        made = batches_of(port, model)
        check(len(made) == 1, f"{model}: {len(made)} batches were made")


def answers_come_for_half_the_price(bench):
    task, port = prepared(bench, "--batch-time", "1s")
    online = result_of(bench.run("run", "-m", "sim-strong", "-t", task, "--fresh", "--output", "json"))
    batch = result_of(bench.run("run", "-m", "sim-strong", "-t", task, "--fresh", "--batch", "always", "--output", "json"))
    check(len(batches_at(port)) == 1, "one batch was made")
    check(batch["total_samples"] == ROWS and batch["overall_score"] == online["overall_score"], f"{online} {batch}")
    check(0 < batch["total_cost"] < 0.7 * online["total_cost"], f"{online} {batch}")


def lines_that_fail_are_asked_one_by_one(bench):
    task, port = prepared(bench, "--batch-time", "1s", "--fault", "status:status=503,every=4,path=batch:/v1")
    result = result_of(bench.run("run", "-m", "mock/sim-p100", "-t", task, "--batch", "always", "--output", "json"))
    check(result["overall_score"] == 1, str(result))
    check(len(batches_at(port)) == 1, "one batch was made")


def a_batch_is_found_again_after_kill_9(bench):
    task, port = prepared(bench, "--batch-time", "8s")
    command = ("run", "-m", "mock/sim-p100", "-t", task, "--batch", "always", "--output", "json")
    process = bench.start(*command)
    wait_until("the batch", lambda: batches_at(port))
    process.send_signal(signal.SIGKILL)
    process.wait()
    result = result_of(bench.run(*command))
    check(result["overall_score"] == 1, str(result))
    check(len(batches_at(port)) == 1, "the batch was made once")


def anthropics_and_geminis_batches_answer_for_half_the_price(bench):
    command, port = prepared_others(bench, "--batch-time", "1s")
    online = results_of(bench.run(*command, "--fresh"))
    batch = results_of(bench.run(*command, "--fresh", "--batch", "always"))
    check_made_once(port)
    for one, half in zip(online, batch):
        check(half["total_samples"] == ROWS and half["overall_score"] == 1, str(half))
        check(0 < half["total_cost"] < 0.7 * one["total_cost"], f"{one} {half}")


def anthropics_and_geminis_lines_that_fail_are_asked_one_by_one(bench):
    faults = [word for path in ("/v1/messages", "/v1beta")
              for word in ("--fault", f"status:status=503,every=4,path=batch:{path}")]
    command, port = prepared_others(bench, "--batch-time", "1s", *faults)
    for result in results_of(bench.run(*command, "--batch", "always")):
        check(result["total_samples"] == ROWS and result["overall_score"] == 1, str(result))
    check_made_once(port)
    online = [call["protocol"] for call in bench.calls()
              if call["event"] == "received" and not call["path"].startswith("batch:")]
    for protocol in ("anthropic", "gemini"):
        check(online.count(protocol) == ROWS // 4, f"{protocol}: {online.count(protocol)} calls one by one")


def anthropics_and_geminis_batches_are_found_again_after_kill_9(bench):
    command, port = prepared_others(bench, "--batch-time", "8s")
    command = (*command, "--batch", "always")
    process = bench.start(*command)
    wait_until("the batches", lambda: all(batches_of(port, model) for model in OTHERS))
    process.send_signal(signal.SIGKILL)
    process.wait()
    for result in results_of(bench.run(*command)):
        check(result["total_samples"] == ROWS and result["overall_score"] == 1, str(result))
    check_made_once(port)


def a_dry_run_shows_the_price_of_a_batch(bench):
    task, _ = prepared(bench)
    prices = []
    for batch in ("never", "auto"):
        done = bench.run("run", "-m", "sim-strong", "-t", task, "--dry-run", "--batch", batch, "--output", "json")
        check(done.returncode == 0, done.stderr)
        prices.append(json.loads(done.stdout)["estimated_cost"])
    check(abs(prices[1] - prices[0] / 2) < 1e-6, str(prices))


if __name__ == "__main__":
    main([
        answers_come_for_half_the_price,
        lines_that_fail_are_asked_one_by_one,
        a_batch_is_found_again_after_kill_9,
        anthropics_and_geminis_batches_answer_for_half_the_price,
        anthropics_and_geminis_lines_that_fail_are_asked_one_by_one,
        anthropics_and_geminis_batches_are_found_again_after_kill_9,
        a_dry_run_shows_the_price_of_a_batch,
    ])

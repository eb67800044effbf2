"""Models of a provider that was not written here: aimock from npm, which speaks the protocols of OpenAI, Azure,
OpenRouter, Anthropic and Google. It is asked by runs, by batches and by others' clients through assay.

It comes from npm into a temporary folder. Without npm, a recent Node or a network the test is skipped: it says why and
ends with the code that ctest takes for "skipped".
"""

import json
import pathlib
import shutil
import subprocess
import tempfile
import urllib.request

import harness
from harness import check, curl, wait_until
from mock_clients_test import SKIPPED, installed

PACKAGES = ["@copilotkit/aimock@1.43.0", "openai@6.49.0", "@anthropic-ai/sdk@1.14.0"]
OLDEST_NODE = (20, 15)
KEY = "foreign-key"
ROWS = 6
# Model, its provider with the place where it is asked, what it is called there, and the header that brings the key.
MODELS = [
    ("open", "foreign: {{protocol: openai_chat, dialect: openai, base_url: '{url}/v1', api_key: {key}, "
     "batch: {{available: true}}}}", "gpt-4o-mini", "/v1/chat/completions", "authorization"),
    ("claude", "anthropic: {{base_url: '{url}', api_key: {key}}}", "claude-3-haiku-20240307", "/v1/messages",
     "x-api-key"),
    ("gemini", "gemini: {{base_url: '{url}/v1beta', api_key: {key}}}", "gemini-2.5-flash",
     "/v1beta/models/gemini-2.5-flash:generateContent", "x-goog-api-key"),
    ("azure", "azure_openai: {{base_url: '{url}/openai', api_version: 2024-10-21, api_key: {key}}}", "deployed-gpt-4o",
     "/openai/deployments/deployed-gpt-4o/chat/completions?api-version=2024-10-21", "api-key"),
    ("router", "openrouter: {{base_url: '{url}/api/v1', api_key: {key}}}", "maker/model", "/api/v1/chat/completions",
     "authorization"),
]


def missing(folder):
    """Why the provider cannot be had, or nothing."""
    reason = installed(folder, PACKAGES)
    if reason:
        return reason
    done = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=20, check=False)
    version = tuple(int(part) for part in done.stdout.strip().lstrip("v").split(".")[:2])
    return None if version >= OLDEST_NODE else f"aimock needs Node 20.15, this is {done.stdout.strip()}"


class Provider:
    """The provider in a process of its own, which ends with the bench."""

    def __init__(self, bench, folder):
        for name in ("foreign_provider.mjs", "foreign_clients.mjs"):
            shutil.copy(harness.ROOT / "tests/e2e" / name, folder)
        port_file = bench.folder / "foreign.port"
        self.log = bench.folder / "foreign.log"
        with open(self.log, "w", encoding="utf-8") as log:
            process = subprocess.Popen(["node", "foreign_provider.mjs", str(port_file), KEY], cwd=folder,
                                       stdin=subprocess.PIPE, stdout=log, stderr=log)
        bench.processes.append(process)
        wait_until("aimock", lambda: port_file.exists() or process.poll() is not None)
        check(process.poll() is None, f"aimock ended: {self.log.read_text()[-2000:]}")
        self.url = f"http://127.0.0.1:{port_file.read_text()}"

    def requests(self):
        """What the provider received, with the status that it answered."""
        request = urllib.request.Request(self.url + "/v1/_requests", headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=20) as answer:
            return json.load(answer)


def configured(bench, url, key=KEY):
    """A configuration with all models at the provider. No call is tried more than twice."""
    providers = [line.format(url=url, key=key) for _, line, _, _, _ in MODELS]
    models = [f"{model}: {{provider: {line.partition(':')[0]}, model: {wire}, max_tokens: 64, max_retries: 1, "
              "prices: {input_per_mtok: 1, output_per_mtok: 2}}" for model, line, wire, _, _ in MODELS]
    models += ["vectors: {provider: foreign, model: text-embedding-3-small}",
               "azure-vectors: {provider: azure_openai, model: deployed-embedding}"]
    file = bench.folder / "farm.yaml"
    file.write_text("providers:\n  " + "\n  ".join(providers) + "\nmodels:\n  " + "\n  ".join(models) + "\n",
                    encoding="utf-8")
    return file


def samples_of(folder):
    """The samples of each evaluation, in the order of the task."""
    found = {}
    for file in folder.rglob("samples_*.jsonl"):
        for line in file.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.setdefault(row["evaluation_id"], []).append(row)
    return {run: sorted(rows, key=lambda row: row["sample"]) for run, rows in found.items()}


def check_sample(model, row, seen):
    """One answer against what the provider received and sent. The samples 2 and 3 had failed at first."""
    n = row["sample"]
    check(row["status"] == "scored" and row["score"] == 1 and row["answer"] == f"It is {2 * n}.", f"{model}: {row}")
    usage = row["usage"]
    check((usage["prompt_tokens"], usage["completion_tokens"]) == (100 + n, 10 + n), f"{model}: {usage}")
    check(not row["usage_estimated"] and row["finish_reason"] == "stop", f"{model}: {row}")
    answered = seen.get(row["request_id"])
    check(answered is not None and answered["response"]["status"] == 200, f"{model}: {row['request_id']} is unknown")
    if model == "router":
        check(abs(row["cost"] - (100 + n + 2 * (10 + n)) / 1e6) < 1e-9, f"{n} cost {row['cost']}")
    errors = [(one["error"], one["http_status"]) for one in row["retries"]]
    expected = {2: [("rate_limited", 429)], 3: [("provider_unavailable", 500)]}.get(n, [])
    check(errors == expected, f"{model}: {n} was tried again after {errors}")
    if n == 2:
        check("too many questions" in row["retries"][0]["message"], f"{model}: {row['retries']}")


def check_requests(model, path, header, requests):
    """What one model's provider received: every question once, two of them twice, the second time not too early."""
    mine = [one for one in requests if one["path"] == path]
    check(len(mine) == ROWS + 2, f"{model}: {len(mine)} requests at {path}")
    for one in mine:
        sent = [name for name in ("authorization", "x-api-key", "x-goog-api-key", "api-key") if name in one["headers"]]
        check(sent == [header], f"{model}: the key is in {sent}")
        body = one["body"]
        check(body.get("max_tokens", body.get("max_completion_tokens")) == 64, f"{model}: {body}")
    if model == "claude":
        check(all("anthropic-version" in one["headers"] for one in mine), "every request names the version")
    limited = next(one for one in mine if one["response"]["status"] == 429)
    question = limited["body"]["messages"][-1]["content"]
    again = [one for one in mine if one["body"]["messages"][-1]["content"] == question][1]
    waited = again["timestamp"] - limited["timestamp"]
    check(waited >= 2000, f"{model}: asked again {waited} ms after Retry-After: 2")


def runs_are_answered_in_every_protocol(bench, npm):
    provider = Provider(bench, npm)
    task = bench.write_task("sums", ROWS)
    written = bench.folder / "written"
    models = [word for model, *_ in MODELS for word in ("-m", model)]
    done = bench.run("run", "--config", configured(bench, provider.url), *models, "-t", task, "--output", "json",
                     "--log_samples", "--output_path", written)
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    evaluations = json.loads(done.stdout)["evaluations"]
    samples = samples_of(written)
    requests = provider.requests()
    seen = {one["headers"]["x-request-id"]: one for one in requests}
    check(len(evaluations) == len(MODELS) == len(samples), f"{len(evaluations)} evaluations, {len(samples)} written")
    for model, _, _, path, header in MODELS:
        rows = next(samples[one["evaluation_id"]] for one in evaluations if one["model_id"] == model)
        check(len(rows) == ROWS, f"{model}: {len(rows)} samples")
        for row in rows:
            check_sample(model, row, seen)
        check_requests(model, path, header, requests)


def a_key_that_is_refused_is_said(bench, npm):
    provider = Provider(bench, npm)
    task = bench.write_task("sums", 1)
    models = [word for model, *_ in MODELS for word in ("-m", model)]
    done = bench.run("run", "--config", configured(bench, provider.url, "another-key"), *models, "-t", task)
    check(done.returncode == 5, f"exit {done.returncode}: {done.stderr[-2000:]}")
    lines = done.stderr.splitlines()
    for model, *_ in MODELS:
        said = [line for line in lines if line.startswith(f"failed: {model}: ")]
        check(len(said) == 1 and "Invalid API key" in said[0], f"{model}: {done.stderr[-3000:]}")


def a_batch_is_answered(bench, npm):
    provider = Provider(bench, npm)
    folder = bench.folder / "tasks" / "batched"
    folder.mkdir(parents=True)
    # All that aimock says in batches.
    (folder / "batched.jsonl").write_text("".join(
        json.dumps({"question": f"Question {i}", "answer": "Mock batch completion"}) + "\n" for i in range(ROWS)),
        encoding="utf-8")
    task = folder / "batched.yaml"
    task.write_text("id: batched\ndataset: batched.jsonl\nprompt: '{question}'\ntarget: '{answer}'\n"
                    "scorer: exact_match\n", encoding="utf-8")
    bench.env["ASSAY_BATCHES__GATHER"] = "300ms"
    bench.env["ASSAY_BATCHES__POLL_FIRST"] = "300ms"
    done = bench.run("run", "--config", configured(bench, provider.url), "-m", "open", "-t", task, "--batch", "always",
                     "--output", "json")
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    summary = json.loads(done.stdout)["evaluations"][0]["summary_metrics"]
    check(summary["overall_score"] == 1 and summary["total_samples"] == ROWS, json.dumps(summary))
    paths = [one["path"].partition("?")[0] for one in provider.requests()]
    check(paths.count("/v1/files") == 1 and "/v1/chat/completions" not in paths, f"they went elsewhere: {paths}")


def others_clients_ask_it_through_the_gateway(bench, npm):
    provider = Provider(bench, npm)
    _, url = bench.start_server("--config", configured(bench, provider.url))
    login = json.loads(curl("-H", "Content-Type: application/json", "-d",
                            json.dumps({"username": "admin", "password": "admin123"}), url + "/auth/login"))
    done = subprocess.run(["node", "foreign_clients.mjs", url, login["access_token"], provider.url, KEY], cwd=npm,
                          capture_output=True, text=True, timeout=120, check=False)
    print(done.stdout, end="", flush=True)
    check(done.returncode == 0, f"a client does not get what the provider says: {done.stderr[-6000:]}")


TESTS = [runs_are_answered_in_every_protocol, a_key_that_is_refused_is_said, a_batch_is_answered,
         others_clients_ask_it_through_the_gateway]


def with_packages(test, folder):
    def run(bench):
        test(bench, folder)
    run.__name__ = test.__name__
    return run


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="assay-npm-") as place:
        reason = missing(pathlib.Path(place))
        if reason:
            print(f"skipped: {reason}", flush=True)
            raise SystemExit(SKIPPED)
        harness.main([with_packages(test, pathlib.Path(place)) for test in TESTS])

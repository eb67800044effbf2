"""Models are asked in the protocol of their provider, from the configuration to the result."""

import json

from harness import check, main

KEY = "test-key"
# Model, the name that the mock provider records for its protocol, and the provider at the mock's address.
PROTOCOLS = [
    ("claude", "anthropic", "anthropic: {{base_url: '{url}', api_key: {key}}}"),
    ("flash", "gemini", "gemini: {{base_url: '{url}/v1beta', api_key: {key}}}"),
    ("deployment", "azure", "azure_openai: {{base_url: '{url}/openai', api_version: 2024-10-21, api_key: {key}}}"),
    ("served", "openai", "hosted: {{base_url: '{url}', api_key: {key}}}"),
]


def configured(bench, port):
    providers = [line.format(url=f"http://127.0.0.1:{port}", key=KEY) for _, _, line in PROTOCOLS]
    models = [f"{model}: {{provider: {line.partition(':')[0]}, model: sim-p100}}" for model, _, line in PROTOCOLS]
    file = bench.folder / "farm.yaml"
    file.write_text("providers:\n  " + "\n  ".join(providers) + "\nmodels:\n  " + "\n  ".join(models) + "\n",
                    encoding="utf-8")
    return file


def asked(bench, *mock_arguments):
    """Runs one task on all models; returns what the run printed and the record of the calls."""
    rows = 12
    task = bench.write_task("mine", rows)
    port = bench.start_mock("--tasks-dir", bench.folder / "tasks", "--api-key", KEY, *mock_arguments)
    models = [word for model, _, _ in PROTOCOLS for word in ("-m", model)]
    done = bench.run("run", "--config", configured(bench, port), *models, "-t", task, "--output", "json")
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    return rows, json.loads(done.stdout), bench.calls()


def received(calls, protocol):
    return sum(1 for call in calls if call["event"] == "received" and call["protocol"] == protocol)


def every_model_is_asked_in_its_providers_protocol(bench):
    rows, printed, calls = asked(bench)
    for model, protocol, _ in PROTOCOLS:
        check(received(calls, protocol) == rows, f"{model}: {received(calls, protocol)} calls in {protocol}")
    check_results(printed)


def failures_are_understood_in_every_protocol(bench):
    faults = [f"status:status=503,every=4,path={path}" for path in ("/v1/messages", "/v1beta", "/openai", "/v1/chat")]
    rows, printed, calls = asked(bench, *(word for fault in faults for word in ("--fault", fault)))
    for model, protocol, _ in PROTOCOLS:
        check(received(calls, protocol) > rows, f"{model}: no call was repeated")
    check_results(printed)


def check_results(printed):
    results = printed["evaluations"]
    check(len(results) == len(PROTOCOLS), f"{len(results)} results")
    for one in results:
        check(one["summary_metrics"]["overall_score"] == 1, json.dumps(one)[:2000])


if __name__ == "__main__":
    main([every_model_is_asked_in_its_providers_protocol, failures_are_understood_in_every_protocol])

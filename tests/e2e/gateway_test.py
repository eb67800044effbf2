"""Programs that speak OpenAI's protocol ask models through assay: curl, and OpenAI's own client when npm can fetch it."""

import json
import shutil
import subprocess

import harness
from harness import check, curl
from mock_clients_test import installed


def started(bench, *mock_arguments):
    bench.write_task("asked", 3)
    bench.start_mock("--tasks-dir", bench.folder / "tasks", *mock_arguments)
    file = bench.folder / "farm.yaml"
    file.write_text("routes:\n  either: {models: [sim-p100, sim-p0]}\n", encoding="utf-8")
    _, url = bench.start_server("--config", file)
    login = json.loads(curl("-H", "Content-Type: application/json", "-d",
                            json.dumps({"username": "admin", "password": "admin123"}), url + "/auth/login"))
    return url, login["access_token"]


def post(url, token, body, *more):
    return curl("-H", f"Authorization: Bearer {token}", "-H", "Content-Type: application/json", "-d",
                json.dumps(body), *more, url)


def chat(model, **more):
    return {"model": model, "messages": [{"role": "user", "content": "What is 1 plus 1? (asked)"}], **more}


def an_answer_comes_from_the_fleet(bench):
    url, token = started(bench)
    for model in ("sim-p100", "mock/sim-p100", "either"):
        raw = post(url + "/v1/chat/completions", token, chat(model, temperature=0), "-i")
        head, _, body = raw.replace("\r\n", "\n").partition("\n\n")
        answer = json.loads(body)
        check("2" in answer["choices"][0]["message"]["content"], f"{model}: {body}")
        check(answer["usage"]["total_tokens"] > 0, body)
        check("x-assay-served-by: mock/sim-p100" in head, f"{model}: {head}")
        check("x-assay-cached: false" in head, head)
    wrong = json.loads(post(url + "/v1/chat/completions", token, chat("no-such-model")))
    check(wrong["error"]["code"] == "model_not_found", json.dumps(wrong))


def an_answer_is_streamed(bench):
    url, token = started(bench)
    text = post(url + "/v1/chat/completions", token,
                chat("sim-p100", stream=True, stream_options={"include_usage": True}), "-N")
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    check(lines[-1] == "[DONE]", text)
    events = [json.loads(line) for line in lines[:-1]]
    said = "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"])
    check("2" in said, text)
    check(events[-1]["usage"]["total_tokens"] > 0, text)


def an_answer_is_paid_for_once(bench):
    url, token = started(bench)
    asked = chat("sim-p100", temperature=0, seed=1)

    def ask():
        return post(url + "/v1/chat/completions", token, asked, "-i", "-H", "x-assay-cache: use")

    first = ask()
    check("x-assay-cached: false" in first, first)
    # An answer is kept once it is stored.
    harness.wait_until("the answer to be kept", lambda: "x-assay-cached: true" in ask())


def a_client_that_goes_ends_its_call(bench):
    url, token = started(bench, "--latency", "fixed:30s")
    done = subprocess.run(["curl", "-sS", "--max-time", "1", "-H", f"Authorization: Bearer {token}", "-H",
                           "Content-Type: application/json", "-d", json.dumps(chat("sim-p100")),
                           url + "/v1/chat/completions"], capture_output=True, text=True, check=False)
    check(done.returncode == 28, f"curl ended with {done.returncode}: {done.stdout}")

    def withdrawn():
        metrics = curl("-H", f"Authorization: Bearer {token}", url + "/metrics")
        return ("assay_gateway_withdrawn_total 1" in metrics and "assay_gateway_open_questions 0" in metrics)

    harness.wait_until("the call to end", withdrawn)


def the_llm_api_answers(bench):
    url, token = started(bench)
    one = json.loads(post(url + "/llm_api/invoke", token, {"prompt": "What is 1 plus 1? (asked)", "model": "sim-p100",
                                                           "provider": "mock"}))
    check(one["status"] == "success" and "2" in one["result"] and one["provider"] == "mock", json.dumps(one))
    many = json.loads(post(url + "/llm_api/batch", token,
                           {"items": [{"n": 1}, {"n": 2}, {"m": 3}], "model": "sim-p100", "provider": "mock",
                            "prompt_template": "What is {n} plus {n}? (asked)"}))
    check(many["completed_requests"] == 2 and many["failed_requests"] == 1, json.dumps(many))
    check("4" in many["results"][1]["response"], json.dumps(many))
    providers = json.loads(curl("-H", f"Authorization: Bearer {token}", url + "/llm_api/providers"))["providers"]
    check(any(one["id"] == "mock" and one["usable"] for one in providers), json.dumps(providers))


def openais_client_understands_it(bench):
    folder = bench.folder / "npm"
    folder.mkdir()
    reason = installed(folder)
    if reason:
        print(f"without OpenAI's client: {reason}", flush=True)
        return
    url, token = started(bench)
    shutil.copy(harness.ROOT / "tests/e2e/gateway_clients.mjs", folder)
    done = subprocess.run(["node", "gateway_clients.mjs", url, token], cwd=folder, capture_output=True, text=True,
                          timeout=120, check=False)
    print(done.stdout, end="", flush=True)
    check(done.returncode == 0, f"the client does not understand the gateway: {done.stderr[-3000:]}")


if __name__ == "__main__":
    harness.main([an_answer_comes_from_the_fleet, an_answer_is_streamed, an_answer_is_paid_for_once,
                  a_client_that_goes_ends_its_call, the_llm_api_answers, openais_client_understands_it])

"""The documented clients of the engine's API, as their users wrote them, against a real server.

clients/evaluation-engine-api.md is the part of the API's document that shows them: curl calls with their answers, a
JavaScript and a Python client of the WebSocket. Only the port, ids and tokens are filled in.
"""

import ast
import json
import os
import re
import signal
import subprocess

from documents import blocks_of, read
from harness import ROOT, check, main, wait_until

DOCUMENT = "tests/e2e/clients/evaluation-engine-api.md"
# Debian's interpreters and modules, whatever else comes first in PATH.
PYTHON = "/usr/bin/python3"
NODE_ENV = {"NODE_PATH": "/usr/share/nodejs"}

# What the document's examples name and this farm calls otherwise.
TASKS = {"single_turn_scenarios_function_generation": "arithmetic_word_problems",
         "single_turn_scenarios_code_completion": "science_multiple_choice"}
EXAMPLE_ID = "eval_1234567890_abcd1234"
EXAMPLE_TOKEN = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9..."
CREATE = "-X POST \"http://localhost:8000/evaluations"
STATUS = "localhost:8000/evaluations/eval_"
WITH_TOKEN = "import os, runpy, sys; runpy.run_path(sys.argv[1], init_globals={'ACCESS_TOKEN': os.environ['ACCESS_TOKEN']})"

FORMS = (("time", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"), ("evaluation id", r"eval_\d{10}_[0-9a-f]{8}"))
# What may be null although the document shows a value.
MAY_BE_NULL = (r"\.start_time",  # nothing has started yet
               r"\.estimated_completion",  # nothing is done yet
               r"\.current_task",  # nothing is being asked
               r"\.metrics\.(completeness|code_quality)",  # not every task has them
               r"\[\d+\]\.(rate_limits\.\w+|cost_per_token)")  # a limit or a price that nobody knows


class Contract:
    """A farm as the document has it, its model claude-3-haiku answered by the mock provider, and its examples."""

    def __init__(self, bench):
        self.bench = bench
        bench.start_mock("--model", "claude-3-haiku-20240307=0.9", "--latency", "fixed:300")
        self.mock = bench.processes[-1]
        config = bench.folder / "farm.yaml"
        config.write_text(
            "providers:\n"
            f"  anthropic: {{protocol: openai_chat, base_url: '{bench.env['ASSAY_MOCK_URL']}', key_required: false}}\n"
            "models:\n"
            "  claude-3-haiku:\n"
            "    model_type: anthropic_claude\n"
            "    rate_limits: {requests_per_minute: 6000, tokens_per_minute: 10000000, concurrent_requests: 2}\n",
            encoding="utf-8")
        _, url = bench.start_server("--config", config)
        self.port = url.rpartition(":")[2]
        self.token = ""
        self.evaluation = ""
        self.blocks = blocks_of(read(DOCUMENT))

    def filled_in(self, example):
        text = example.replace("localhost:8000", f"localhost:{self.port}").replace(EXAMPLE_TOKEN, self.token)
        for theirs, ours in {**TASKS, EXAMPLE_ID: self.evaluation}.items():
            text = text.replace(theirs, ours)
        return text

    def start(self, language, program, **environment):
        """The example in this language, started by the program, and the file that gets what it prints."""
        example = next(block for block in self.blocks if block.language == language)
        script = self.bench.folder / f"client.{language}"
        script.write_text(self.filled_in(example.text), encoding="utf-8")
        log = self.bench.folder / f"client.{language}.log"
        with open(log, "w", encoding="utf-8") as out:
            env = {**self.bench.env, "ACCESS_TOKEN": self.token, **environment}
            process = subprocess.Popen([*program, script], env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.bench.processes.append(process)
        return process, log

    def example(self, part):
        """The curl example that has this text, and the answers that are documented for it: none or one."""
        block = next(block for block in self.blocks if block.language == "bash" and part in block.text)
        commands, *answers = re.split(r"\n(?=[{\[]\n)", block.text, maxsplit=1)
        return self.filled_in(commands), [json.loads(self.filled_in(answer)) for answer in answers]

    def curl(self, part):
        """Runs the example that has this text. The answer, after a comparison with the one that is documented."""
        commands, documented = self.example(part)
        done = subprocess.run(["bash", "-e", "-c", commands], capture_output=True, text=True, timeout=60, check=False,
                              env={**self.bench.env, "ACCESS_TOKEN": self.token})
        check(done.returncode == 0, f"{commands}\n{done.stderr}")
        answer = json.loads(done.stdout)
        for one in documented:
            as_documented(one, answer)
        return answer

    def sign_in(self):
        answer = self.curl("/auth/login")
        self.token = answer["access_token"]
        return answer

    def create(self):
        """The documented evaluation. It makes no progress before go_on, so that clients see it running."""
        os.kill(self.mock.pid, signal.SIGSTOP)
        answer = self.curl(CREATE)
        self.evaluation = answer["evaluation_id"]
        return answer

    def go_on(self):
        os.kill(self.mock.pid, signal.SIGCONT)


def kind(value):
    if value is None or isinstance(value, bool):
        return str(value)
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def differences(documented, answer, where=""):
    """Where an answer lacks what the document shows, key by key. More than the document shows is welcome."""
    if documented is None:
        # Only ever the text of an error, and nothing has failed.
        if answer is not None:
            yield f"{where} is {answer!r}, not null"
    elif answer is None:
        if not any(re.search(pattern + "$", where) for pattern in MAY_BE_NULL):
            yield f"{where} is null"
    elif kind(documented) != kind(answer):
        yield f"{where} is {kind(answer)}, not {kind(documented)}"
    elif isinstance(documented, dict):
        for key, value in documented.items():
            if key not in answer:
                yield f"{where}.{key} is missing"
            else:
                yield from differences(value, answer[key], f"{where}.{key}")
    elif isinstance(documented, list):
        if documented and not answer:
            yield f"{where} is empty"
        for number, value in enumerate(answer if documented else []):
            yield from differences(documented[0], value, f"{where}[{number}]")
    elif isinstance(documented, str):
        for name, form in FORMS:
            if re.fullmatch(form, documented) and not re.fullmatch(form, answer):
                yield f"{where} is no {name}: {answer}"


def as_documented(documented, answer):
    found = list(differences(documented, answer))
    check(not found, "differs from the document: " + "; ".join(found) + "\n" + json.dumps(answer)[:3000])


def has(answer, **values):
    for key, value in values.items():
        check(answer[key] == value, f"{key} is {answer[key]!r}, not {value!r}")


def signing_in_and_the_catalogue(bench):
    contract = Contract(bench)
    answer = contract.sign_in()
    has(answer, token_type="bearer", expires_in=3600)
    has(answer["user_info"], user_id="admin", username="admin", roles=["admin"])
    check({"evaluation:create", "analytics:read"} <= set(answer["user_info"]["permissions"]), "permissions")
    has(contract.curl("export ACCESS_TOKEN"), status="healthy")
    has(contract.curl('/health"\n\n'), status="healthy", active_evaluations=0)
    tasks = contract.curl("/tasks")
    has(tasks, page=1, page_size=10)
    check({task["category"] for task in tasks["items"]} == {"single_turn"}, "the filter by category")
    check(set(TASKS.values()) <= {task["task_id"] for task in tasks["items"]}, "the tasks of the examples")
    haiku = [model for model in contract.curl("/models") if model["model_id"] == "claude-3-haiku"]
    check(len(haiku) == 1, f"{len(haiku)} models claude-3-haiku")
    has(haiku[0], name="Claude 3 Haiku", provider="anthropic", version="20240307")
    check({"text_generation", "code_completion"} <= set(haiku[0]["capabilities"]), f"{haiku[0]['capabilities']}")
    # The document's 0.00025 is the price of 1,000 tokens.
    check(abs(haiku[0]["cost_per_token"] - 0.00000025) < 1e-12, f"cost_per_token {haiku[0]['cost_per_token']}")
    check(None not in haiku[0]["rate_limits"].values(), f"{haiku[0]['rate_limits']}")


def an_evaluation_with_curl(bench):
    contract = Contract(bench)
    contract.sign_in()
    has(contract.create(), status="created", message="Evaluation created successfully")
    running = wait_until("the start", lambda: (found := contract.curl(STATUS))["status"] == "running" and found)
    has(running, current_task=next(iter(TASKS.values())), total_tasks=2, completed_tasks=0, progress=0)
    check(running["start_time"], "a run that runs has started")
    contract.go_on()
    wait_until("the end", lambda: contract.curl(STATUS)["status"] == "completed")
    result = contract.curl("/results/")
    has(result, model_id="claude-3-haiku")
    check([task["task_id"] for task in result["task_results"]] == list(TASKS.values()), "tasks in the order of the call")
    check(all(task["status"] == "completed" for task in result["task_results"]), "every task is completed")
    scores = [task["score"] for task in result["task_results"]]
    check(None not in result["metrics_summary"].values(), "clients take the mean of metrics_summary")
    check(abs(result["summary_metrics"]["overall_score"] - sum(scores) / 2) < 1e-9, "overall_score is the plain mean")


def clients_of_the_web_socket(bench):
    contract = Contract(bench)
    contract.sign_in()
    contract.create()
    page = ROOT / "tests" / "e2e" / "clients" / "page.js"
    javascript, page_log = contract.start("javascript", ["node", page], **NODE_ENV)
    # The examples take the token from a variable; Python finds it as a global one.
    python, python_log = contract.start("python", [PYTHON, "-u", "-c", WITH_TOKEN])
    for log in (page_log, python_log):
        wait_until(f"a subscription in {log}", lambda log=log: "subscribed" in log.read_text())
    contract.go_on()
    for process, log in ((javascript, page_log), (python, python_log)):
        check(process.wait(timeout=60) == 0, log.read_text()[-2000:])

    printed = page_log.read_text()
    shown = [json.loads(text) for text in re.findall(r"(?m)^progress bar: (.*)$", printed)]
    check(shown and all(isinstance(one, (int, float)) and 0 <= one <= 1 for one in shown), f"progress {shown}\n{printed}")
    check(shown == sorted(shown), f"progress only grows: {shown}")
    check(printed.rstrip().endswith(f"results of: {contract.evaluation}"), printed[-1000:])

    printed = python_log.read_text()
    check(f"Evaluation {contract.evaluation} completed!" in printed, printed[-1000:])
    events = [ast.literal_eval(text) for text in re.findall(r"(?m)^Received: (.*)$", printed)]
    _, (status,) = contract.example(STATUS)
    progress = [event["data"] for event in events if event["type"] == "evaluation_progress"]
    for data in progress:
        as_documented(status, data)
        check(data["evaluation_id"] == contract.evaluation, str(data))
    check(any(data["estimated_completion"] and data["current_task"] for data in progress), f"an estimate: {progress}")
    check(events[-1]["type"] == "evaluation_completed", str(events[-1]))
    has(events[-1]["data"], evaluation_id=contract.evaluation, status="completed", progress=1)
    check(all({"type", "data", "seq", "timestamp"} <= set(event) for event in events), "every event has its envelope")


if __name__ == "__main__":
    main([signing_in_and_the_catalogue, an_evaluation_with_curl, clients_of_the_web_socket])

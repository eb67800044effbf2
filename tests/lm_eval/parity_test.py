"""Tasks of lm-evaluation-harness: what the farm asks and how it scores equals the documented algorithm. Prompts bit
for bit, numbers to 1e-9.

    parity_test.py ASSAY      exits with 77 where the farm has no Python host
"""

import hashlib
import http.server
import json
import pathlib
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "e2e"))

import oracle  # noqa: E402
from harness import Bench, Failure, check  # noqa: E402

TASKS = ["words", "words_zero", "choices_generative", "choices_letters", "code_completion_like", "instructions_like",
         "passages_like", "trivia_like", "chinese_like"]
SKIPPED = 77


def answer_to(text):
    """An answer that depends on nothing but the question; some are right."""
    choice = hashlib.sha256(text.encode()).digest()[0]
    if "\nA. " in text:
        return "ABCD"[choice % 4]
    numbers = [word for word in text.replace("?", " ").split() if word.isdigit()][-2:]
    total = sum(map(int, numbers)) if numbers else choice
    answers = [f"It is {total:,}.\n#### {total:,}", "A", " Paris", "    return x + 2", "hello", str(total % 10), "red D",
               f"那么答案是{total}", "Goethe!", f"about ${total}"]
    return answers[choice % len(answers)]


class Provider(http.server.BaseHTTPRequestHandler):
    asked = {}
    lock = threading.Lock()
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        messages = [(one["role"], one["content"]) for one in body["messages"]]
        text = answer_to(messages[-1][1])
        with self.lock:
            self.asked[tuple(messages)] = text
        out = json.dumps({"id": "x", "object": "chat.completion", "model": body["model"], "usage":
                          {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}, "choices": [
                              {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}]})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(out.encode())))
        self.end_headers()
        self.wfile.write(out.encode())

    def log_message(self, *_):
        pass


def scorers_of(task):
    """The result's numbers by scorer, wherever in the task's part they stand."""
    if isinstance(task, dict):
        if isinstance(task.get("scorers"), dict):
            return task["scorers"]
        task = list(task.values())
    for one in task if isinstance(task, list) else []:
        found = scorers_of(one)
        if found:
            return found
    return None


def expected_messages(config, folder):
    for doc, system, text in oracle.prompts_of(config, folder):
        if config.get("output_type") == "multiple_choice":
            system, text = oracle.letters_prompt(config, doc)
        yield doc, ([("system", system)] if system else []) + [("user", text)]


def compare(name, result):
    folder = HERE / "tasks"
    config = oracle.load(folder / f"{name}.yaml")
    values = {}
    for doc, messages in expected_messages(config, folder):
        check(tuple(messages) in Provider.asked, f"{name}: never asked {messages}")
        for key, value in oracle.values_of(config, doc, Provider.asked[tuple(messages)]).items():
            values.setdefault(key, []).append(value)
    task = next(one for one in result["task_results"] if one["task_id"] == name)
    scorers = scorers_of(task)
    check(sorted(scorers) == sorted(values), f"{name}: {sorted(scorers)} and not {sorted(values)}")
    for key, numbers in values.items():
        mean, error = oracle.summary(numbers)
        check(abs(scorers[key]["mean"] - mean) < 1e-9, f"{name}: {key} is {scorers[key]['mean']}, not {mean}")
        check(abs((scorers[key]["stderr"] or 0) - error) < 1e-9, f"{name}: stderr of {key} is not {error}")


def run(binary):
    bench = Bench(binary)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        config = bench.folder / "farm.yaml"
        config.write_text(f"providers: {{scripted: {{protocol: openai_chat, base_url: "
                          f"'http://127.0.0.1:{server.server_port}/v1', key_required: false}}}}\n"
                          "models: {scripted-model: {provider: scripted, model: m}}\n"
                          "python: {allow_unsandboxed_python: true}\n", encoding="utf-8")
        arguments = ["run", "--config", config, "-m", "scripted-model", "--include-path", HERE / "tasks", "-t",
                     ",".join(["all_words", *TASKS[2:]]), "--output", "json"]
        done = bench.run(*arguments)
        if "no Python host" in done.stderr or "python" in done.stderr and "unknown key" in done.stderr:
            print("skipped: the farm has no Python host")
            return SKIPPED
        check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-3000:]}")
        result = json.loads(done.stdout)
        result = result["evaluations"][0]
        for name in TASKS:
            compare(name, result)
            print(f"ok {name}")
        return 0
    except Failure as reason:
        print(f"FAILED {reason}")
        return 1
    finally:
        server.shutdown()
        bench.close()


if __name__ == "__main__":
    sys.exit(run(sys.argv[1]))

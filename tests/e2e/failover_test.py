"""A provider dies under load: every sample is answered by the one that stands in, none is lost, none is kept twice."""

import collections
import json
import signal

from harness import check, main, wait_until

SAMPLES = 3_000
IN_FLIGHT = 500


class Provider:
    """One more mock provider beside the bench's own, with its own record."""

    def __init__(self, bench, name, *arguments):
        self.record = bench.folder / f"{name}.jsonl"
        port_file = bench.folder / f"{name}.port"
        self.process = bench.start("mock-provider", "--port", 0, "--port-file", port_file, "--record", self.record,
                                   *arguments)
        self.port = int(wait_until(name, lambda: port_file.exists() and port_file.read_text().strip()))

    def prompts(self, event):
        if not self.record.exists():
            return []
        with open(self.record, encoding="utf-8") as lines:
            calls = [json.loads(line) for line in lines if line.endswith("\n")]
        return [call["prompt_hash"] for call in calls if call["event"] == event]


def configured(bench, first, second):
    file = bench.folder / "farm.yaml"
    file.write_text(f"""
farm: {{in_flight: fixed, in_flight_cap: {IN_FLIGHT}}}
providers:
  first: {{protocol: openai_chat, base_url: 'http://127.0.0.1:{first.port}/v1', key_required: false}}
  second: {{protocol: openai_chat, base_url: 'http://127.0.0.1:{second.port}/v1', key_required: false}}
models:
  main: {{provider: first, model: sim-p100, fallbacks: [standby]}}
  standby: {{provider: second, model: sim-p100}}
""", encoding="utf-8")
    return file


def samples_of(folder):
    files = list(folder.rglob("*samples*.jsonl"))
    check(files, f"no file of samples in {folder}")
    return [json.loads(line) for file in files for line in file.read_text(encoding="utf-8").splitlines()]


def a_standby_answers_when_the_provider_dies(bench):
    task = bench.write_task("many", SAMPLES)
    arguments = ("--tasks-dir", bench.folder / "tasks", "--latency", "fixed:300ms")
    first = Provider(bench, "first", *arguments)
    second = Provider(bench, "second", *arguments)
    written = bench.folder / "written"
    with open(bench.folder / "out.json", "w", encoding="utf-8") as out, \
            open(bench.folder / "err.log", "w", encoding="utf-8") as err:
        run = bench.start("run", "--config", configured(bench, first, second), "-m", "main", "-t", task, "--output", "json",
                          "--log_samples", "--output_path", written, stdout=out, stderr=err)
        wait_until("answers of the first", lambda: len(first.prompts("answered")) >= SAMPLES // 4 or run.poll() is not None)
        first.process.send_signal(signal.SIGKILL)
        first.process.wait()
        code = run.wait(timeout=240)
    check(code == 0, f"exit {code}: {(bench.folder / 'err.log').read_text()[-2000:]}")
    printed = json.loads((bench.folder / "out.json").read_text())
    check(printed["evaluations"][0]["summary_metrics"]["overall_score"] == 1, json.dumps(printed)[:1500])
    rows = samples_of(written)
    check(len(rows) == SAMPLES and all(row["status"] == "scored" for row in rows), f"{len(rows)} samples")
    by = collections.Counter(row["served_by"] for row in rows)
    check(set(by) == {"first/main", "second/standby"}, str(by))
    moved = [row for row in rows if row["served_by"] == "second/standby" and row["retries"]]
    check(moved, "no sample says that it was moved")
    check(all(row["retries"][0]["target"] == "first/main" and row["retries"][0]["error"] for row in moved), str(moved[0]))
    answers = collections.Counter(second.prompts("answered"))
    check(max(answers.values()) == 1, "the standby answered a question twice")
    both = len(set(answers) & set(first.prompts("answered")))
    check(both <= IN_FLIGHT, f"{both} questions were answered by both, but only {IN_FLIGHT} were in flight")
    print(f"     {by['first/main']} by the first, {by['second/standby']} by the standby, {len(moved)} moved, {both} answered by both")


if __name__ == "__main__":
    main([a_standby_answers_when_the_provider_dies])

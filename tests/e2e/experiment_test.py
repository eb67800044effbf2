"""A plan of many evaluations under kill -9: every sample is answered exactly once in the report, and none twice for money
but those in flight."""

import collections
import csv
import json
import os
import random
import signal

from harness import check, main, wait_until

# ASSAY_EXPERIMENT_SCALE=1 is the whole plan: 216 evaluations with 20,088 samples. The usual run is a tenth of its samples.
SCALE = float(os.environ.get("ASSAY_EXPERIMENT_SCALE", "0.1"))
ROWS = max(2, round(93 * SCALE))
MODELS = ["sim-p100", "sim-p90", "sim-p70", "sim-p50"]
TASKS = 6
CONFIGURATIONS = ["cold", "warm", "hot"]
PROMPT_TYPES = ["plain", "polite", "steps"]
CHILDREN = len(MODELS) * TASKS * len(CONFIGURATIONS) * len(PROMPT_TYPES)
SAMPLES = CHILDREN * ROWS
KILLS = 10
LIMIT = 120 + 3000 * SCALE


def write_tasks(bench):
    """Tasks with a prompt of each type, so that every sample of every child is another prompt."""
    for i in range(TASKS):
        name = f"sums_{i}"
        folder = bench.folder / "tasks" / name
        folder.mkdir(parents=True)
        with open(folder / f"{name}.jsonl", "w", encoding="utf-8") as out:
            for row in range(ROWS):
                out.write(json.dumps({"question": f"What is {row} plus {row}? ({name})", "answer": str(2 * row)}) + "\n")
        (folder / f"{name}.yaml").write_text(
            f"id: {name}\ndataset: {name}.jsonl\nprompts:\n"
            "  plain: '{question}'\n  polite: 'Please: {question}'\n  steps: 'Step by step: {question}'\n"
            "target: '{answer}'\nscorer: numeric\n", encoding="utf-8")


def write_plan(bench, **more):
    plan = {
        "experiment_name": "killed",
        "models": [{"name": name, "model": f"mock/{name}"} for name in MODELS],
        "task_groups": [{"name": f"group_{i}", "tasks": [f"sums_{i}"]} for i in range(TASKS)],
        "configurations": [{"name": name, "temperature": i / 2} for i, name in enumerate(CONFIGURATIONS)],
        "prompt_types": PROMPT_TYPES,
        "max_parallel": 8,
    } | more
    path = bench.folder / "plan.json"
    path.write_text(json.dumps(plan), encoding="utf-8")
    return path


def config(bench):
    path = bench.folder / "farm.yaml"
    path.write_text(json.dumps({"farm": {"in_flight": "fixed", "in_flight_cap": 16},
                                "tasks_dirs": [str(bench.folder / "tasks")]}), encoding="utf-8")
    return path


def answered(bench):
    return sum(1 for call in bench.calls() if call["event"] == "answered")


def status(bench, settings):
    done = bench.run("experiment", "status", "last", "--json", "--config", settings)
    return json.loads(done.stdout) if done.returncode == 0 else None


def a_plan_survives_kill_9(bench):
    write_tasks(bench)
    bench.start_mock("--tasks-dir", bench.folder / "tasks", "--latency", "uniform:2ms-10ms")
    settings = config(bench)
    command = ["experiment", "run", write_plan(bench), "--config", settings, "--output-path", bench.folder / "out"]
    dice = random.Random(20260103)
    for _ in range(KILLS):
        before = answered(bench)
        process = bench.start(*command)
        wanted = before + dice.randint(1, max(2, SAMPLES // (KILLS + 2)))
        wait_until("some more answers", lambda: answered(bench) >= wanted or process.poll() is not None, LIMIT)
        check(process.poll() is None, "it ended before it was killed")
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = bench.run(*command, limit=LIMIT)
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    listed = json.loads(bench.run("experiment", "list", "--json", "--config", settings).stdout)
    check(len(listed) == 1, f"{len(listed)} experiments instead of one that went on")

    told = bench.run("experiment", "report", "last", "--format", "json", "--config", settings)
    check(told.returncode == 0, told.stderr)
    report = json.loads(told.stdout)
    info = report["experiment_info"]
    check(info["total_evaluations"] == CHILDREN and info["missing"] == [], str(info)[:1000])
    check(report["cost"]["samples"] == SAMPLES, f"{report['cost']['samples']} samples of {SAMPLES}")
    check(report["cost"]["errors"] == 0, "some samples failed")
    for one in report["evaluations"]:
        check(one["state"] == "completed" and one["samples"] == ROWS, str(one))
    runs = [one["evaluation_id"] for one in report["evaluations"]]
    check(len(set(runs)) == CHILDREN, "two children share a run")
    # A run more in the store would be a child that was started twice.
    stat = json.loads(bench.run("store", "stat", "--json", "--config", settings).stdout)
    check(stat["tables"]["runs"]["rows"] == CHILDREN, f"{stat['tables']['runs']['rows']} runs")
    check(stat["tables"]["samples"]["rows"] == SAMPLES, f"{stat['tables']['samples']['rows']} samples in the store")

    files = sorted(path.name for path in (bench.folder / "out").iterdir() if path.is_file())
    check([name.rpartition(".")[2] for name in files] == ["csv", "html", "json", "md"], str(files))
    results = list((bench.folder / "out").glob("*/results.json"))
    check(len(results) == CHILDREN, f"{len(results)} result files")
    performance = report["model_performance"]
    check(performance["sim-p100"]["average_score"] == 1, str(performance["sim-p100"]))
    rows = list(csv.DictReader(bench.run("experiment", "report", "last", "--format", "csv", "--config",
                                         settings).stdout.splitlines()))
    check(collections.Counter(row["model"] for row in rows) == dict.fromkeys(MODELS, CHILDREN // len(MODELS)), "the CSV")


def a_dry_run_pays_nothing(bench):
    write_tasks(bench)
    bench.start_mock("--tasks-dir", bench.folder / "tasks")
    done = bench.run("experiment", "run", write_plan(bench), "--config", config(bench), "--dry-run", "--json")
    check(done.returncode == 0, done.stderr)
    plan = json.loads(done.stdout)
    check((plan["total_children"], plan["total_samples"]) == (CHILDREN, SAMPLES), str(plan)[:300])
    check(len(plan["children"]) == CHILDREN, "children")
    check(bench.calls() == [], "somebody was asked")
    check(not bench.data.exists() or status(bench, config(bench)) is None, "something was stored")


def a_plan_that_is_too_large_starts_nothing(bench):
    write_tasks(bench)
    bench.start_mock("--tasks-dir", bench.folder / "tasks")
    done = bench.run("experiment", "run", write_plan(bench), "--config", config(bench), "--set",
                     f"experiments.max_samples={SAMPLES - 1}")
    check(done.returncode != 0 and "experiments.max_samples" in done.stderr, done.stderr)
    circle = [{"name": "a", "tasks": ["sums_0"], "depends_on": ["b"]},
              {"name": "b", "tasks": ["sums_1"], "depends_on": ["a"]}]
    done = bench.run("experiment", "run", write_plan(bench, task_groups=circle), "--config", config(bench))
    check(done.returncode != 0 and "task_groups[0].depends_on" in done.stderr, done.stderr)
    check(bench.calls() == [], "somebody was asked")


if __name__ == "__main__":
    main([a_dry_run_pays_nothing, a_plan_that_is_too_large_starts_nothing, a_plan_survives_kill_9])

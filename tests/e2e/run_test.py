"""`assay run` as a newcomer uses it: shipped tasks, simulated models, one's own dataset, errors."""

import json

from harness import check, main


def shipped_tasks_and_two_models(bench):
    bench.start_mock()
    done = bench.run("run", "-m", "sim-strong", "-m", "sim-weak", "-t",
                     "arithmetic_word_problems,science_multiple_choice", "--limit", 12, "--output", "json")
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    result = json.loads(done.stdout)
    text = json.dumps(result)
    check("arithmetic_word_problems" in text and "sim-weak" in text, "both tasks and models are in the result")


def a_table_for_people(bench):
    bench.start_mock()
    done = bench.run("run", "-m", "sim-strong", "-t", "chinese_arithmetic", "--limit", 5)
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    check("chinese_arithmetic" in done.stdout and "simulated" in done.stdout, done.stdout)


def a_dataset_of_ones_own(bench):
    task = bench.write_task("mine", 30)
    bench.start_mock("--tasks-dir", bench.folder / "tasks")
    done = bench.run("run", "-m", "mock/sim-p100", "-t", task, "--output", "json")
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    check('"overall_score":1' in done.stdout.replace(" ", "").replace("1.0", "1"), done.stdout[:2000])


def a_dry_run_sends_nothing(bench):
    bench.start_mock()
    done = bench.run("run", "-m", "sim-strong", "-t", "arithmetic_word_problems", "--dry-run")
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr}")
    check(not bench.calls(), "no call was made")


def unknown_names_are_said_with_a_hint(bench):
    bench.start_mock()
    for arguments in (["-m", "sim-strnog", "-t", "arithmetic_word_problems"],
                      ["-m", "sim-strong", "-t", "arithmetic_word_problem"],
                      ["-m", "sim-strong", "-t", "arithmetic_word_problems", "--limit", "0"],
                      ["-m", "sim-strong"]):
        done = bench.run("run", *arguments)
        check(done.returncode not in (0, 1), f"{arguments}: exit {done.returncode}")
        check(done.stderr.strip() != "", f"{arguments} says nothing")
    check(not bench.calls(), "no call was made")


def a_provider_that_is_down(bench):
    bench.env["ASSAY_MOCK_URL"] = "http://127.0.0.1:9/v1"
    bench.env["ASSAY_RETRY__MAX_ATTEMPTS"] = "2"
    done = bench.run("run", "-m", "sim-strong", "-t", "arithmetic_word_problems", "--limit", 2)
    check(done.returncode != 0, "it fails")
    check("127.0.0.1:9" in done.stderr + done.stdout, done.stderr[-1000:])
    check("assay mock-provider" in done.stderr, "it says how to mend it")


def answers_can_be_kept_without_scores(bench):
    bench.start_mock()
    done = bench.run("run", "-m", "sim-strong", "-t", "arithmetic_word_problems", "--limit", 3, "--predict_only",
                     "--output", "json")
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    check('"errors":0' in done.stdout.replace(" ", "") and "every sample failed" not in done.stdout, done.stdout[:3000])


def a_models_timeout_ends_a_hang(bench):
    bench.start_mock("--fault", "hang_mid_body:every=1")
    (bench.folder / "slow.yaml").write_text("models:\n  slow: {provider: mock, model: sim-strong, timeout: 1, "
                                            "max_retries: 0}\n", encoding="utf-8")
    done = bench.run("run", "--config", bench.folder / "slow.yaml", "-m", "slow", "-t", "date_reasoning", "--limit", 1,
                     limit=60)
    check(done.returncode == 5, f"exit {done.returncode}: {done.stderr[-2000:]}")


def the_settings_of_retries_are_kept(bench):
    bench.start_mock("--fault", "status:status=503,every=1")
    bench.env["ASSAY_RETRY__MAX_ATTEMPTS"] = "2"
    done = bench.run("run", "-m", "sim-strong", "-t", "arithmetic_word_problems", "--limit", 3)
    check(done.returncode == 5, f"every sample has failed: exit {done.returncode}")
    received = sum(1 for call in bench.calls() if call["event"] == "received")
    check(received == 6, f"3 samples at 2 tries each took {received} calls")


def answers_that_were_paid_for_are_not_asked_again(bench):
    bench.start_mock()
    command = ("run", "-m", "sim-strong", "-t", "unit_conversion", "--use-cache", "--output", "json")
    first = bench.run(*command)
    check(first.returncode == 0, f"exit {first.returncode}: {first.stderr[-2000:]}")
    asked = len(bench.calls())
    again = bench.run(*command)
    check(again.returncode == 0, f"exit {again.returncode}: {again.stderr[-2000:]}")
    check(asked > 0 and len(bench.calls()) == asked, f"{len(bench.calls())} events at the provider after {asked}")
    scores = [json.loads(done.stdout)["evaluations"][0]["summary_metrics"] for done in (first, again)]
    check(scores[0]["overall_score"] == scores[1]["overall_score"], str(scores))
    check(scores[1]["cached"] == scores[1]["total_samples"] and scores[1]["total_cost"] == 0, str(scores[1]))


def a_run_costs_no_more_than_it_may(bench):
    task = bench.write_task("dear", 300)
    bench.start_mock("--tasks-dir", bench.folder / "tasks")
    (bench.folder / "dear.yaml").write_text(
        "models:\n  dear: {provider: mock, model: sim-p100, max_tokens: 16, prices: {input_per_mtok: 10, "
        "output_per_mtok: 40}}\n", encoding="utf-8")
    done = bench.run("run", "--config", bench.folder / "dear.yaml", "-m", "dear", "-t", task, "--max-cost", "0.01",
                     "--output", "json")
    check(done.returncode == 1, f"exit {done.returncode}: {done.stderr[-2000:]}")
    check("max_cost" in done.stdout + done.stderr, f"it says which budget is spent: {done.stderr[-1000:]}")
    cost = json.loads(done.stdout)["evaluations"][0]["summary_metrics"]["total_cost"]
    check(0 < cost <= 0.01, f"the run cost ${cost}")
    asked = sum(1 for call in bench.calls() if call["event"] == "received")
    check(0 < asked < 300, f"{asked} calls of 300")
    more = bench.run("retry", "--config", bench.folder / "dear.yaml", "last", "--max-cost", "5")
    check(more.returncode == 0, f"exit {more.returncode}: {more.stderr[-2000:]}")
    received = sum(1 for call in bench.calls() if call["event"] == "received")
    check(received == 300, f"{received} calls for 300 samples: what was paid for is not asked again")


if __name__ == "__main__":
    main([
        shipped_tasks_and_two_models,
        a_table_for_people,
        a_dataset_of_ones_own,
        a_dry_run_sends_nothing,
        unknown_names_are_said_with_a_hint,
        a_provider_that_is_down,
        answers_can_be_kept_without_scores,
        a_models_timeout_ends_a_hang,
        the_settings_of_retries_are_kept,
        answers_that_were_paid_for_are_not_asked_again,
        a_run_costs_no_more_than_it_may,
    ])

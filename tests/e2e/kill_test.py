"""kill -9 at random moments: no answer that was acknowledged is lost, and no more than the calls in flight are repeated."""

import collections
import json
import random
import signal

from harness import check, main, wait_until

SAMPLES = 600
IN_FLIGHT = 8
KILLS = 10


def config(bench):
    path = bench.folder / "farm.yaml"
    path.write_text(f"farm:\n  in_flight_start: {IN_FLIGHT}\n  in_flight_cap: {IN_FLIGHT}\n", encoding="utf-8")
    return path


def answered(bench):
    return sum(1 for call in bench.calls() if call["event"] == "answered")


def the_same_command_goes_on_after_kill_9(bench):
    task = bench.write_task("many", SAMPLES)
    bench.start_mock("--tasks-dir", bench.folder / "tasks", "--latency", "uniform:5ms-25ms")
    command = ["run", "--config", config(bench), "-m", "mock/sim-p100", "-t", task, "--output", "json"]
    dice = random.Random(20260102)
    for _ in range(KILLS):
        before = answered(bench)
        process = bench.start(*command)
        wanted = before + dice.randint(1, SAMPLES // (KILLS + 2))
        wait_until("some more answers", lambda: answered(bench) >= wanted or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = bench.run(*command)
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    text = done.stdout.replace(" ", "")
    check('"overall_score":1' in text, text[:1500])
    calls = bench.calls()
    per_prompt = collections.Counter(call["prompt_hash"] for call in calls if call["event"] == "received")
    check(len(per_prompt) == SAMPLES, f"{len(per_prompt)} prompts were asked")
    repeated = sum(count - 1 for count in per_prompt.values())
    check(repeated <= KILLS * IN_FLIGHT, f"{repeated} calls were repeated, more than {KILLS * IN_FLIGHT}")
    print(f"     {repeated} of {KILLS * IN_FLIGHT} possible repetitions")


if __name__ == "__main__":
    main([the_same_command_goes_on_after_kill_9])

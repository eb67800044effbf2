"""kill -9 at random moments: no answer that was acknowledged is lost, and no more than the calls in flight are repeated."""

import collections
import json
import random
import signal

from harness import check, main, wait_until

SAMPLES = 600
IN_FLIGHT = 8
KILLS = 10
# What may be open at a kill: the calls on the wire, and the answers that wait for the store to write them: with a window
# of 4 ms, answers after 15 ms and a slow disk no more than three for each call on the wire.
MOST_OPEN = KILLS * 4 * IN_FLIGHT


def config(bench):
    path = bench.folder / "farm.yaml"
    path.write_text(f"farm:\n  in_flight: fixed\n  in_flight_cap: {IN_FLIGHT}\n", encoding="utf-8")
    return path


def answered(bench):
    return sum(1 for call in bench.calls() if call["event"] == "answered")


def committed(bench):
    """Answers that the store has, read beside or after the farm."""
    stat = bench.run("store", "stat", "--json")
    check(stat.returncode == 0, stat.stderr)
    return json.loads(stat.stdout)["tables"]["responses"]["rows"]


def prompts_asked(bench):
    return {call["prompt_hash"] for call in bench.calls() if call["event"] == "received"}


def the_same_command_goes_on_after_kill_9(bench):
    task = bench.write_task("many", SAMPLES)
    bench.start_mock("--tasks-dir", bench.folder / "tasks", "--latency", "uniform:5ms-25ms")
    command = ["run", "--config", config(bench), "-m", "mock/sim-p100", "-t", task, "--output", "json"]
    dice = random.Random(20260102)
    open_at_kills = 0
    for _ in range(KILLS):
        before = answered(bench)
        process = bench.start(*command)
        wanted = before + dice.randint(1, SAMPLES // (KILLS + 2))
        wait_until("some more answers", lambda: answered(bench) >= wanted or process.poll() is not None)
        process.send_signal(signal.SIGKILL)
        process.wait()
        # What was asked and is not in the store was in flight: on the wire, or answered and not yet committed.
        kept = committed(bench)
        open_at_kills += len(prompts_asked(bench)) - kept
    done = bench.run(*command)
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    text = done.stdout.replace(" ", "")
    check('"overall_score":1' in text, text[:1500])
    calls = bench.calls()
    per_prompt = collections.Counter(call["prompt_hash"] for call in calls if call["event"] == "received")
    check(len(per_prompt) == SAMPLES, f"{len(per_prompt)} prompts were asked")
    repeated = sum(count - 1 for count in per_prompt.values())
    # One repetition more would mean that an answer was lost that had been acknowledged.
    check(repeated <= open_at_kills, f"{repeated} calls were repeated, but only {open_at_kills} were in flight")
    check(open_at_kills <= MOST_OPEN, f"{open_at_kills} answers were not stored at {KILLS} kills")
    print(f"     {repeated} repetitions of {open_at_kills} calls in flight at {KILLS} kills")



if __name__ == "__main__":
    main([the_same_command_goes_on_after_kill_9])

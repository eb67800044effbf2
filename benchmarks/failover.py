"""What it costs when a provider dies under load: kill -9 in the middle of a run that has a second provider.

The records of both providers say what was asked and answered; they outlive the kill, since every line is written at
once. A provider's record has its own clock: the time of its last line on the machine's clock is that of the file's last
change, which is right to a few milliseconds.
"""

import collections
import json
import statistics
import time

from support import assay, processes, report

IN_FLIGHT = 500
LATENCY_MS = 300


class Record:
    """What one provider wrote about its calls."""

    def __init__(self, file):
        with open(file, encoding="utf-8") as lines:
            # The last line of a killed provider may be cut.
            calls = [json.loads(line) for line in lines if line.endswith("\n")]
        self.received = [call for call in calls if call["event"] == "received"]
        self.answered = [call for call in calls if call["event"] == "answered" and call["status"] == 200]
        self.open_at_end = len(self.received) - sum(call["event"] in ("answered", "dropped") for call in calls)
        self._start = file.stat().st_mtime - calls[-1]["t_ms"] / 1000 if calls else 0

    def on_the_clock(self, call):
        """Seconds, as of time.time()."""
        return self._start + call["t_ms"] / 1000

    def rate(self, from_ms, to_ms):
        """Answers per second between two times of the record's own clock."""
        return sum(from_ms <= call["t_ms"] < to_ms for call in self.answered) * 1000 / max(to_ms - from_ms, 1)


def measure(folder, quick):
    rounds, samples = (1, 4_000) if quick else (3, 20_000)
    workspace = assay.Workspace(folder, samples)
    assay.build()
    lost, answered_twice, times = [], [], collections.defaultdict(list)

    def groups(first, second):
        return {"providers": {name: {"protocol": "openai_chat", "base_url": provider.base_url, "key_required": False}
                              for name, provider in (("first", first), ("second", second))},
                "models": {name: {"provider": name, "model": "sim-p100",
                                  "rate_limits": {"concurrent_requests": IN_FLIGHT}} for name in ("first", "second")},
                "routes": {"bench": {"strategy": "in_order", "models": ["first", "second"]}}}

    def once():
        home, first_home, second_home = (workspace.fresh(name) for name in ("failover", "first", "second"))
        log, written = home / "run.log", home / "written"

        def provider(folder_of_it):
            return assay.mock(folder_of_it, LATENCY_MS, ["--tasks-dir", str(workspace.folder / "tasks"),
                                                         "--record", str(folder_of_it / "record.jsonl")])

        with provider(first_home) as first, provider(second_home) as second:
            config = workspace.config(first.base_url, IN_FLIGHT, home, groups=groups(first, second))
            command = assay.run_command(config) + ["--log_samples", "--output_path", str(written)]
            with processes.started(command, log, hard=True, cwd=home, env=assay.environment()) as run:

                def half():
                    time.sleep(0.05)
                    return first.calls() >= samples // 2
                processes.wait_until(half, 300, "half of the evaluation", run, log)
                killed = time.time()
                processes.kill(first.process)
                processes.wait_until(lambda: run.poll() is not None, 300, "the rest of the evaluation", log=log)
                if run.returncode != 0:
                    raise processes.Failure(f"assay run ended with status {run.returncode}{processes.tail(log)}")
            by_first, by_second = Record(first_home / "record.jsonl"), Record(second_home / "record.jsonl")
        if not by_second.answered:
            raise processes.Failure("the second provider has answered nothing")

        rows = [json.loads(line) for file in written.rglob("*samples*.jsonl")
                for line in file.read_text(encoding="utf-8").splitlines()]
        lost.append(samples - sum(row["status"] == "scored" for row in rows))
        answers = collections.Counter(call["prompt_hash"] for call in by_first.answered + by_second.answered)
        answered_twice.append(sum(count > 1 for count in answers.values()))
        kept = sum(row.get("served_by") == "first/first" for row in rows)
        end_of_first = by_first.answered[-1]["t_ms"]
        start_of_second = by_second.answered[0]["t_ms"]
        for name, value in {
                "on_the_wire": by_first.open_at_end,
                "not_kept": len(by_first.answered) - kept,
                "last_completion_s": by_second.on_the_clock(by_second.answered[-1]) - killed,
                "first_answer_b_ms": (by_second.on_the_clock(by_second.answered[0]) - killed) * 1000,
                # From its middle on, so that the start of the process does not count.
                "before": by_first.rate(end_of_first / 2, end_of_first),
                # Until its last call came: after that fewer and fewer are in flight.
                "after": by_second.rate(start_of_second, by_second.received[-1]["t_ms"]),
        }.items():
            times[name].append(value)
        return float(lost[-1]), float(answered_twice[-1]), times["last_completion_s"][-1], times["first_answer_b_ms"][-1]

    report.alternate(rounds, {"assay (lost, answered twice, last completion s, first answer ms)": once})
    median = {name: statistics.median(values) for name, values in times.items()}
    # One sample that is lost in one turn of three is lost.
    keys = {"lost": max(lost), "answered_twice": max(answered_twice), "last_completion_s": median["last_completion_s"],
            "first_answer_b_ms": median["first_answer_b_ms"], "on_the_wire": median["on_the_wire"],
            "rate_before": median["before"], "rate_after": median["after"]}
    rows = [("samples lost", keys["lost"]),
            ("samples that both providers, or one twice, answered", keys["answered_twice"]),
            ("calls of the first provider on the wire when it was killed", f"{median['on_the_wire']:.0f}"),
            ("answers that it had sent and that were not kept", f"{median['not_kept']:.0f}"),
            ("from the kill to the last answer", f"{keys['last_completion_s']:.2f} s"),
            ("from the kill to the second provider's first answer", f"{keys['first_answer_b_ms']:.0f} ms"),
            ("answers per second before", f"{median['before']:,.0f}"),
            ("answers per second after", f"{median['after']:,.0f}")]
    remarks = [f"{samples:,} samples, {IN_FLIGHT} in flight, every answer after {LATENCY_MS} ms, so that "
               f"{IN_FLIGHT * 1000 / LATENCY_MS:,.0f} per second would be ideal; worst of {rounds} for the first two "
               f"lines, else medians"]
    return keys, ("what", "measured"), rows, remarks

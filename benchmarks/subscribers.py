"""What 1,000 WebSocket subscribers of a running evaluation cost it, and how soon they hear of it.

All subscribers live in one client process on the same machine, so its CPU time is part of the price; it is reported.
The last turn adds one subscriber that reads nothing: nothing may change for the others.
"""

import json
import pathlib
import subprocess
import sys
import time

from support import assay, peers, processes, report

CLIENT = pathlib.Path(__file__).resolve().parent / "support" / "ws_subscribers.py"


def measure(folder, quick):
    rounds, samples, subscribers = (1, 10_000, 50) if quick else (3, 200_000, 1_000)
    workspace = assay.Workspace(folder, samples)
    assay.build()

    def once(listening, stalled):
        home = workspace.fresh("subscribers")
        with peers.nginx() as provider:
            config = workspace.config(provider.base_url, 64, home)
            with assay.serve(config, home, hard=True) as server:
                if listening == 0:
                    return evaluate(server), 0.0, 0.0
                command = [sys.executable, str(CLIENT), str(listening), str(stalled)]
                log = home / "client.log"
                with processes.started(command, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as client:
                    say(client, {"url": server.ws_url()})
                    hear(client, log)
                    rate = evaluate(server, lambda run: say(client, {"evaluation_id": run}))
                    heard = hear(client, log)
                if heard["completed"] != listening:
                    raise processes.Failure(f"{listening - heard['completed']} subscribers did not hear of the end: {heard}")
                report.note(f"    heard: {heard}")
                return rate, heard["p99_ms"], heard["cpu_s"]

    def evaluate(server, on_created=None):
        start = time.monotonic()
        run = server.post("/evaluations", {"model_id": "bench", "task_ids": ["bench"]})["evaluation_id"]
        if on_created:
            on_created(run)

        def completed():
            time.sleep(0.05)
            state = server.get(f"/evaluations/{run}")
            if state["status"] in ("failed", "cancelled"):
                raise processes.Failure(f"the evaluation has ended as {state}")
            return state["status"] == "completed"
        processes.wait_until(completed, 300, "the evaluation", server.process)
        return samples / (time.monotonic() - start)

    def say(client, message):
        client.stdin.write(json.dumps(message) + "\n")
        client.stdin.flush()

    def hear(client, log):
        line = client.stdout.readline()
        if not line:
            raise processes.Failure(f"the subscribers' process has ended{processes.tail(log)}")
        return json.loads(line)

    with_them, with_stalled = f"{subscribers:,} subscribers", f"{subscribers:,} and one that reads nothing"
    medians = report.alternate(rounds, {
        "nobody": lambda: once(0, 0),
        with_them: lambda: once(subscribers, 0),
        with_stalled: lambda: once(subscribers, 1),
    })
    alone, heard, stalled = medians["nobody"], medians[with_them], medians[with_stalled]
    keys = {"rate_with_1000_over_without": heard[0] / alone[0], "p99_delivery_ms": heard[1],
            "client_cpu_s": heard[2], "rate_with_stalled_over_with": stalled[0] / heard[0],
            "p99_delivery_ms_with_stalled": stalled[1]}
    rows = [(name, rate, rate / alone[0], p99, cpu) for name, (rate, p99, cpu) in medians.items()]
    return keys, ("listening", "samples/s", "of alone", "p99 ms", "client CPU s"), rows, [
        f"{samples:,} samples, medians of {rounds}"]

"""Whether a large evaluation stays small in memory, and how soon it goes on after kill -9 in the middle."""

import time

from support import assay, peers, processes, report

IN_FLIGHT = 64


def measure(folder, quick):
    rounds, samples = (1, 20_000) if quick else (3, 200_000)
    workspace = assay.Workspace(folder, samples)
    assay.build()

    def once():
        home = workspace.fresh("large")
        log = home / "run.log"
        with peers.nginx() as provider:
            config = workspace.config(provider.base_url, IN_FLIGHT, home)
            with processes.started(assay.run_command(config), log, hard=True, cwd=home, env=assay.environment()) as run:
                with processes.MemorySampler(run.pid) as before:
                    processes.wait_until(lambda: provider.calls() >= samples // 2, 300, "half of the evaluation", run, log)
                processes.kill(run)
            time.sleep(0.2)
            at_kill = provider.calls()
            start = time.monotonic()
            with assay.serve(config, home, hard=True) as server:
                with processes.MemorySampler(server.process.pid) as after:
                    server_log = home / "server.log"
                    processes.wait_until(lambda: provider.calls() > at_kill, 60, "the first new call", server.process,
                                         server_log)
                    resumed = time.monotonic() - start
                    processes.wait_until(lambda: provider.calls() >= samples, 300, "the rest", server.process,
                                         server_log)

                    def completed():
                        time.sleep(0.05)
                        return server.get("/health")["active_evaluations"] == 0
                    processes.wait_until(completed, 60, "the end of the evaluation", server.process, server_log)
            repeated = provider.calls() - samples
        return max(before.peak_kib, after.peak_kib) / 1024, resumed, float(repeated)

    medians = report.alternate(rounds, {"assay": once})
    peak, resumed, repeated = medians["assay"]
    keys = {"peak_anon_mib": peak, "resume_first_call_s": resumed, "repeated_calls": repeated}
    rows = [("peak of anonymous memory", f"{peak:.0f} MiB", "512 MiB"),
            ("first new call after kill -9", f"{resumed:.2f} s", "2 s"),
            ("calls asked twice", f"{repeated:.0f}", f"{IN_FLIGHT} and those not committed")]
    return keys, ("what", "measured", "at most"), rows, [f"{samples:,} samples, {IN_FLIGHT} in flight, medians of {rounds}"]

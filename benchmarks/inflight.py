"""How well many calls wait at once: done per second over wrk's, same connections, same provider, after the ramp.

The provider counts; all clients are measured by its count. The memory of one call is the difference between the
process with 10,000 calls in flight and with 400.
"""

from support import assay, peers, processes, report

# calls in flight, latency in ms
LEVELS = ((400, 50), (2_000, 250), (10_000, 2_000))


def measure(folder, quick):
    rounds, window_s = (1, 2) if quick else (3, 6)
    workspace = assay.Workspace(folder, 200_000)
    assay.build()
    keys, rows, memory = {}, [], {}

    for in_flight, latency in LEVELS:
        # Whole waves of the slowest answers, so that a wave's edge does not count.
        window = max(window_s, 4 * latency / 1000)

        def by(command, name, n=in_flight, ms=latency, window=window, **arguments):
            home = workspace.fresh("client")
            with assay.mock(home, ms) as provider:
                log = home / "client.log"
                with processes.started(command(provider, home), log, hard=True, **arguments) as client:
                    rate = processes.steady_rate(provider.calls, 2 * n, window, client, f"{name} at {n}", log)
                    return rate, processes.anon_kib(client.pid)

        with peers.wrk_script() as script:
            medians = report.alternate(rounds, {
                "wrk": lambda: by(lambda p, _: peers.wrk_command(p.base_url, in_flight, 300, script), "wrk"),
                "aiohttp": lambda: by(lambda p, _: peers.aiohttp_command(p.base_url, in_flight, 0), "aiohttp"),
                "assay": lambda: by(lambda p, home: assay.run_command(workspace.config(p.base_url, in_flight, home)),
                                    "assay", env=assay.environment()),
            })
        wrk = medians["wrk"][0]
        keys[f"efficiency_{in_flight}"] = medians["assay"][0] / wrk
        memory[in_flight] = medians["assay"][1]
        rows += [(f"{name}, {in_flight:,} at {latency:,} ms", rate, rate / wrk, rate / (in_flight * 1000 / latency),
                  kib / 1024) for name, (rate, kib) in medians.items()]
    keys["kib_per_call"] = (memory[10_000] - memory[400]) / 9_600
    remarks = [f"medians of {rounds}; assay holds {keys['kib_per_call']:.1f} KiB for a call in flight"]
    return keys, ("who", "per second", "of wrk", "of ideal", "MiB"), rows, remarks

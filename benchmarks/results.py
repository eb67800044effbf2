"""Whether the results of a large evaluation come quickly and in bounded memory: report, exports, first page."""

import http.client
import json
import subprocess
import time

from support import assay, peers, processes, report

IN_FLIGHT = 64
FORMATS = ("json", "jsonl", "csv", "lm-eval", "evallog", "junit")
PAGES = 30


def timed(arguments, config, home):
    """Runs a command. @return its seconds and the peak of its anonymous memory in MiB."""
    log = home / "export.log"
    start = time.monotonic()
    with open(log, "w", encoding="utf-8") as err:
        with subprocess.Popen([str(assay.build()), *arguments, "--config", str(config)], stdout=subprocess.DEVNULL,
                              stderr=err, cwd=home, env=assay.environment()) as process:
            with processes.MemorySampler(process.pid, 0.02) as memory:
                code = process.wait(timeout=300)
    if code != 0:
        raise processes.Failure(f"assay {' '.join(arguments)} ended with status {code}{processes.tail(log)}")
    return time.monotonic() - start, memory.peak_kib / 1024


def first_page_ms(server, run):
    """The median time of the first page, each over the connection that is there already."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
    times = []
    for _ in range(PAGES):
        start = time.monotonic()
        connection.request("GET", f"/results/{run}/samples?limit=100", headers={"Authorization": f"Bearer {server.token}"})
        response = connection.getresponse()
        body = response.read()
        times.append((time.monotonic() - start) * 1000)
        if response.status != 200 or len(json.loads(body)["items"]) != 100:
            raise processes.Failure(f"the first page answered {response.status}: {body[:300]}")
    connection.close()
    return sorted(times)[len(times) // 2]


def measure(folder, quick):
    rounds, samples = (1, 5_000) if quick else (3, 200_000)
    workspace = assay.Workspace(folder, samples)
    assay.build()
    home = workspace.fresh("results")
    with peers.nginx() as provider:
        config = workspace.config(provider.base_url, IN_FLIGHT, home)
        done = subprocess.run(assay.run_command(config), capture_output=True, text=True, cwd=home,
                              env=assay.environment(), check=False)
    if done.returncode != 0:
        raise processes.Failure(f"assay run ended with status {done.returncode}:\n{done.stderr[-2000:]}")
    run = json.loads(done.stdout)["evaluations"][0]["evaluation_id"]

    def once():
        peaks = []
        report_s, peak = timed(["report", run, "-o", str(home / "report.html")], config, home)
        peaks.append(peak)
        export_s = 0.0
        for form in FORMATS:
            target = home / f"export-{form}"
            seconds, peak = timed(["export", run, "--format", form, "--output", str(target)], config, home)
            peaks.append(peak)
            export_s = max(export_s, seconds)
        with assay.serve(config, home) as server:
            page_ms = first_page_ms(server, run)
            with processes.MemorySampler(server.process.pid, 0.02) as memory:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
                connection.request("GET", f"/results/{run}/export?format=jsonl",
                                   headers={"Authorization": f"Bearer {server.token}"})
                response = connection.getresponse()
                lines = 0
                while piece := response.read(1 << 20):
                    lines += piece.count(b"\n")
            if lines != samples:
                raise processes.Failure(f"the export over HTTP has {lines} lines, not {samples}")
            peaks.append(memory.peak_kib / 1024)
        return report_s, export_s, max(peaks), page_ms

    report_s, export_s, peak, page_ms = report.alternate(rounds, {"assay": once})["assay"]
    keys = {"report_s": report_s, "export_s": export_s, "report_and_export_s": report_s + export_s,
            "peak_anon_mib": peak, "first_page_ms": page_ms}
    rows = [("report", f"{report_s:.1f} s", "20 s"),
            ("the slowest export", f"{export_s:.1f} s", "20 s"),
            ("report and that export", f"{report_s + export_s:.1f} s", "20 s"),
            ("peak of anonymous memory", f"{peak:.0f} MiB", "512 MiB"),
            ("first page of samples", f"{page_ms:.1f} ms", "20 ms")]
    return keys, ("what", "measured", "at most"), rows, [f"{samples:,} samples; {', '.join(FORMATS)}; medians of {rounds}"]

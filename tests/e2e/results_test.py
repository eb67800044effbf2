"""What is left of a run: reports, exports, import, redaction, removal; on the command line and through a server."""

import csv
import hashlib
import io
import json
import xml.etree.ElementTree

from harness import check, curl, main

TASK = "arithmetic_word_problems"


def finished_run(bench, limit=8):
    bench.start_mock()
    done = bench.run("run", "-m", "sim-weak", "-t", TASK, "--limit", limit, "--output", "json")
    check(done.returncode == 0, f"exit {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)["evaluations"][0]


def export(bench, run, *arguments):
    done = bench.run("export", run, *arguments)
    check(done.returncode == 0, f"export {arguments}: exit {done.returncode}: {done.stderr[-1000:]}")
    return done.stdout


def every_form_of_a_run(bench):
    result = finished_run(bench)
    run = result["evaluation_id"]
    check(result["analysis"]["tasks"][0]["task_id"] == TASK, "the result has an analysis")
    check(set(result["results"]) == {TASK} and result["request"]["tasks"] == [TASK], "results and request")
    whole = json.loads(export(bench, run))
    check(len(whole["samples"]) == 8 and whole["evaluation_id"] == run, "json")
    lines = [json.loads(line) for line in export(bench, "last", "--format", "jsonl").splitlines()]
    check(lines == whole["samples"], "jsonl has the samples of json")
    table = list(csv.DictReader(io.StringIO(export(bench, run, "--format", "csv"), newline="")))
    check([row["status"] for row in table] == ["scored"] * 8, "csv")
    suites = xml.etree.ElementTree.fromstring(export(bench, run, "--format", "junit"))
    check(suites.get("tests") == "8", "junit")
    log = json.loads(export(bench, run, "--format", "evallog"))
    check(log["version"] == 2 and len(log["samples"]) == 8, "evallog")
    page = bench.folder / "report.html"
    done = bench.run("report", run, "-o", page)
    check(done.returncode == 0 and "</html>" in page.read_text(encoding="utf-8"), f"report: {done.stderr}")
    check(bench.run("export", run, "--format", "parquet").returncode != 0, "an unknown format is refused")


def lm_eval_there_and_back(bench):
    run = finished_run(bench)["evaluation_id"]
    folder = bench.folder / "lm"
    export(bench, run, "--format", "lm-eval", "--output", folder)
    results, samples = sorted(path for path in folder.rglob("*") if path.is_file())
    known = json.loads(results.read_text(encoding="utf-8"))
    hashes = ""
    for line in samples.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        wanted = hashlib.sha256(json.dumps(one["doc"], indent=2, ensure_ascii=False).encode()).hexdigest()
        check(one["doc_hash"] == wanted, "the document's hash")
        check("input" not in one["doc"] and "question" in str(one["doc"]), f"the document is the dataset's row: {one['doc']}")
        hashes += one["doc_hash"] + one["prompt_hash"] + one["target_hash"]
    check(known["task_hashes"][TASK] == hashlib.sha256(hashes.encode()).hexdigest(), "the task's hash")

    done = bench.run("import", samples, results, "--model", "elsewhere", "--json")
    check(done.returncode == 0, f"import: exit {done.returncode}: {done.stderr}")
    check(done.stderr.strip() == "", f"the numbers of both files agree: {done.stderr}")
    imported = json.loads(done.stdout)
    check(imported["kind"] == "imported" and imported["samples"]["done"] == 8, str(imported))
    first = json.loads(export(bench, run))
    again = json.loads(export(bench, imported["evaluation_id"]))
    check([s["score"] for s in again["samples"]] == [s["score"] for s in first["samples"]], "the scores")
    check([s["answer"] for s in again["samples"]] == [s["answer"] for s in first["samples"]], "the answers")
    check("imported" in again["metadata"], "where it came from")
    check(bench.run("retry", imported["evaluation_id"]).returncode != 0, "it is never asked")

    broken = bench.folder / "samples_broken.jsonl"
    broken.write_text(samples.read_text(encoding="utf-8") + '{"doc_id": "x"}\n', encoding="utf-8")
    done = bench.run("import", broken)
    check(done.returncode != 0 and f"{broken}:9" in done.stderr, f"file and line: {done.stderr}")


def redacted_and_removed(bench):
    run = finished_run(bench)["evaluation_id"]
    done = bench.run("runs", "redact", run)
    check(done.returncode == 0, f"redact: {done.stderr}")
    check(bench.run("runs", "redact", run).returncode == 0, "twice is as good as once")
    left = json.loads(export(bench, run))
    check(all(s["answer"] == "" and s["prompt"] is None for s in left["samples"]), "no texts")
    check(all(s["score"] is not None for s in left["samples"]), "scores")
    check(bench.run("runs", "delete", run).returncode == 0, "it can be removed")
    check(bench.run("export", run).returncode != 0, "it is gone")


def through_a_server(bench):
    run = finished_run(bench)["evaluation_id"]
    _, address = bench.start_server()
    login = json.loads(curl(f"{address}/auth/login", "-H", "Content-Type: application/json", "-d",
                            '{"username": "admin", "password": "admin123"}'))
    signed = ("-H", f"Authorization: Bearer {login['access_token']}")
    here = export(bench, run, "--format", "csv")
    check(curl(f"{address}/results/{run}/export?format=csv", *signed).replace("\r\n", "\n") == here.replace("\r\n", "\n"),
          "the same table both ways")
    check(export(bench, run, "--format", "csv", "--url", address) != "", "the command asks a server that is named")
    page = json.loads(curl(f"{address}/results/{run}/samples?limit=3&error=none", *signed))
    one = json.loads(curl(f"{address}/results/{run}/samples/{page['items'][0]['id']}", *signed))
    check(one["request"]["prompt"] and one["response"]["answer"] is not None, str(one))
    models = json.loads(curl(f"{address}/analytics/models", *signed))
    check(models["items"][0]["task_count"] == 1, str(models))
    gone = json.loads(curl("-X", "DELETE", f"{address}/evaluations/{run}?purge=true", *signed))
    check(gone["purged"] is True, str(gone))
    check("NOT_FOUND" in curl(f"{address}/evaluations/{run}", *signed), "it is gone")


if __name__ == "__main__":
    main([every_form_of_a_run, lm_eval_there_and_back, redacted_and_removed, through_a_server])

"""Reads exports with Python's own readers, and computes hashes and counts again.

    check_exports.py WRITE_EXPORTS
"""

import csv
import hashlib
import html.parser
import json
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

LOG_KEYS = {"version", "status", "eval", "plan", "results", "stats", "error", "invalidated", "log_updates", "config_updates",
            "tags", "metadata", "samples", "reductions"}
EVAL_KEYS = {"eval_set_id", "eval_id", "run_id", "created", "task", "task_id", "task_version", "task_file", "task_display_name",
             "task_registry_name", "task_attribs", "task_args", "task_args_passed", "solver", "solver_args",
             "solver_args_passed", "tags", "dataset", "sandbox", "model", "model_generate_config", "model_base_url", "model_args",
             "model_roles", "config", "revision", "packages", "metadata", "viewer", "scorers", "metrics"}
SAMPLE_KEYS = {"id", "epoch", "input", "choices", "target", "sandbox", "files", "setup", "messages", "output", "scores", "metadata",
               "store", "events", "timelines", "model_usage", "role_usage", "model_fallbacks", "started_at", "completed_at",
               "total_time", "working_time", "uuid", "invalidation", "error", "error_retries", "attachments", "events_data",
               "limit", "turn_count", "token_limit", "token_limit_type", "token_limit_usage"}
USAGE_KEYS = {"input_tokens", "output_tokens", "total_tokens", "input_tokens_cache_write", "input_tokens_cache_read",
              "reasoning_tokens", "total_cost"}
RESULTS_KEYS = {"results", "group_subtasks", "configs", "versions", "n-shot", "higher_is_better", "n-samples", "config",
                "git_hash", "date", "pretty_env_info", "transformers_version", "lm_eval_version", "upper_git_hash",
                "tokenizer_pad_token", "tokenizer_eos_token", "tokenizer_bos_token", "eot_token_id", "max_length",
                "task_hashes", "model_source", "model_name", "model_name_sanitized", "system_instruction",
                "system_instruction_sha", "fewshot_as_multiturn", "chat_template", "chat_template_sha",
                "total_evaluation_time_seconds"}
CONFIG_KEYS = {"model", "model_args", "model_num_parameters", "model_dtype", "model_revision", "model_sha", "batch_size",
               "batch_sizes", "device", "use_cache", "limit", "bootstrap_iters", "gen_kwargs", "random_seed", "numpy_seed",
               "torch_seed", "fewshot_seed"}
LINE_KEYS = {"doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "filter", "metrics", "doc_hash", "prompt_hash",
             "target_hash"}
VOID = {"meta", "br", "hr", "img", "link", "input"}


def check(holds, what):
    if not holds:
        raise AssertionError(what)


def same(found, wanted, what):
    check(found == wanted, f"{what}: {found!r} instead of {wanted!r}")


def sha(text):
    return hashlib.sha256(text.encode()).hexdigest()


def scored(row, scorer):
    return next((s["value"] for s in row["scores"] if s["scorer"] == scorer), None)


def one_file(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    same(len(files), 1, f"files in {folder}")
    return files[0]


def check_json(folder, rows):
    document = json.loads(one_file(folder / "json").read_text("utf-8"))
    same(len(document["samples"]), len(rows), "samples of json")
    check("task_results" in document, "json has the result")
    lines = one_file(folder / "jsonl").read_text("utf-8").splitlines()
    same([json.loads(line) for line in lines], document["samples"], "jsonl and json")
    for sample, row in zip(document["samples"], rows):
        same(sample["answer"], row["answer"], "answer")
        same(sample["score"], scored(row, 0), "score")


def plain(cell):
    """What a spreadsheet shows: an apostrophe in front keeps it from computing."""
    return cell[1:] if cell.startswith("'") and cell[1:2] in "=+-@\t\r" and len(cell) > 1 else cell


def check_csv(folder, rows):
    with open(one_file(folder / "csv"), encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file, strict=True))
    same(len(table), len(rows), "rows of csv")
    for cells, row in zip(table, rows):
        check(None not in cells and None not in cells.values(), f"columns: {cells}")
        for key in ("prompt", "answer", "target"):
            check(cells[key][:1] not in ("=", "+", "-", "@", "\t", "\r"), f"a formula: {cells[key]!r}")
            same(plain(cells[key]), row[key], key)
        same(float(cells["score"]) if cells["score"] else None, scored(row, 0), "score in csv")


def check_lm_eval(folder, rows, documents, epochs):
    below = folder / "lm-eval" / "lab__model__1"
    names = sorted(path.name for path in below.iterdir())
    same(names, ["results_2023-11-14T22-14-21.250000.json", "samples_essays_2023-11-14T22-14-21.250000.jsonl",
                 "samples_questions_2023-11-14T22-14-21.250000.jsonl"], "files of lm-eval")
    text = (below / names[0]).read_text("utf-8")
    results = json.loads(text)
    same(set(results), RESULTS_KEYS, "keys of results")
    same(set(results["config"]), CONFIG_KEYS, "keys of config")
    same(json.dumps(results, indent=2, ensure_ascii=False), text, "as json.dumps writes it")
    same(results["results"]["questions"]["exact_match,none"], 0.5, "metric")
    same(results["results"]["questions"]["exact_match_stderr,strict-match"], 0.125, "standard error")
    for number, task in enumerate(("questions", "essays")):
        lines = (below / f"samples_{task}_2023-11-14T22-14-21.250000.jsonl").read_text("utf-8").split("\n")
        same(lines.pop(), "", "the file ends with a line end")
        mine = [row for row in rows if row["task"] == number]
        filters = ["none", "strict-match"] if number == 0 else ["none"]
        same(len(lines), len(mine) * len(filters), f"lines of {task}")
        chain = ""
        for i, line in enumerate(lines):
            row, sample, name = mine[i // len(filters)], json.loads(line), filters[i % len(filters)]
            same(json.dumps(sample, ensure_ascii=False), line, "as json.dumps writes it")
            metrics = set(sample["metrics"])
            same(set(sample) - metrics - ({"epoch"} if epochs > 1 else set()), LINE_KEYS, "keys of a line")
            same(sample["filter"], name, "filter")
            same(sample["doc_id"], row["sample"], "doc_id")
            doc = json.loads(documents[row["sample"]]) if number == 0 else {"input": row["prompt"], "target": row["target"]}
            same(sample["doc"], doc, "doc")
            hashes = (sha(json.dumps(doc, indent=2, ensure_ascii=False)), sha(row["prompt"]), sha(row["target"]))
            same((sample["doc_hash"], sample["prompt_hash"], sample["target_hash"]), hashes, "hashes")
            same(sample["arguments"]["gen_args_0"]["arg_0"], row["prompt"], "first argument")
            same(sample["resps"], [[row["answer"]]], "resps")
            for metric in metrics:
                same(sample[metric], scored(row, filters.index(name)), f"metric {metric}")
            chain += "".join(hashes)
        same(results["task_hashes"][task], sha(chain), "task hash")


def check_eval_log(folder, rows, epochs):
    files = sorted((folder / "evallog").iterdir())
    same(len(files), 2, "logs")
    for path in files:
        log = json.loads(path.read_text("utf-8"))
        number = 0 if "questions" in path.name else 1
        mine = [row for row in rows if row["task"] == number]
        same(set(log), LOG_KEYS, "keys of a log")
        same(set(log["eval"]), EVAL_KEYS, "keys of eval")
        same((log["version"], log["status"]), (2, "success"), "version and status")
        same(set(log["results"]), {"total_samples", "completed_samples", "early_stopping", "scores", "metadata"}, "results")
        same(set(log["stats"]), {"started_at", "completed_at", "model_usage", "role_usage", "connection_limit_history"}, "stats")
        for usage in log["stats"]["model_usage"].values():
            same(set(usage), USAGE_KEYS, "usage")
        same(len(log["samples"]), len(mine), "samples of a log")
        for sample, row in zip(log["samples"], mine):
            same(set(sample), SAMPLE_KEYS, "keys of a sample")
            same((sample["id"], sample["epoch"]), (row["sample"], row["epoch"] + 1), "id and epoch")
            same(sample["input"], row["prompt"], "input")
            same(sample["output"]["completion"], row["answer"], "completion")
            if row["status"] == "failed":
                check("provider_timeout" in sample["error"]["message"] and len(sample["error_retries"]) == 1, sample["error"])
            else:
                same([m["role"] for m in sample["messages"]], ["user", "assistant"], "messages")
                same(sample["scores"][log["eval"]["scorers"][0]["name"]]["value"], scored(row, 0), "score")
        same(len({sample["uuid"] for sample in log["samples"]}), len(mine), "uuids")
        if epochs == 1:
            same(log["reductions"], None, "reductions")
            continue
        same([r["scorer"] for r in log["reductions"]], [s["name"] for s in log["eval"]["scorers"]], "reduced scorers")
        for index, reduction in enumerate(log["reductions"]):
            wanted = {}
            for row in mine:
                if (value := scored(row, index)) is not None:
                    wanted.setdefault(row["sample"], []).append(value)
            same({s["sample_id"]: s["value"] for s in reduction["samples"]},
                 {k: sum(v) / len(v) for k, v in wanted.items()}, "reduced values")


def check_junit(folder, rows):
    root = xml.etree.ElementTree.parse(one_file(folder / "junit")).getroot()
    failures = sum(1 for row in rows if row["scores"] and scored(row, 0) < 1)
    errors = sum(1 for row in rows if row["status"] == "failed")
    same((root.tag, root.get("tests"), root.get("failures"), root.get("errors")),
         ("testsuites", str(len(rows)), str(failures), str(errors)), "counts of junit")
    for name, count in (("testcase", len(rows)), ("failure", failures), ("error", errors)):
        same(len(root.findall(f".//{name}")), count, name)
    for suite in root:
        same(int(suite.get("tests")), len(suite.findall("testcase")), "tests of a suite")


class Page(html.parser.HTMLParser):
    """Holds every tag open until it is closed, in order."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.open, self.seen, self.text = [], {}, []

    def handle_starttag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        for name, value in attrs:
            check(not name.startswith("on"), f"a handler: {name}")
            if name in ("src", "href"):
                raise AssertionError(f"the report loads {value}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1

    def handle_endtag(self, tag):
        same(self.open.pop(), tag, "closed tag")

    def handle_data(self, data):
        self.text.append(data)


def check_html(folder):
    page = Page()
    text = one_file(folder / "html").read_text("utf-8")
    page.feed(text)
    page.close()
    same(page.open, [], "open tags")
    check("script" not in page.seen, "no script")
    check(page.seen["svg"] >= 4, f"charts: {page.seen}")
    words = "".join(page.text)
    check("北京是中国的首都" in words and "<script>alert('x')</script>" in words, "texts are shown as they are")
    check("http://" not in text and "https://" not in text, "nothing from elsewhere")


def main():
    with tempfile.TemporaryDirectory(prefix="assay-exports.") as folder:
        for name in ("one", "two"):
            subprocess.run([sys.argv[1], f"{folder}/{name}"], check=True)
        first, second = pathlib.Path(folder) / "one", pathlib.Path(folder) / "two"
        for path in sorted(p for p in first.rglob("*") if p.is_file()):
            check(path.read_bytes() == (second / path.relative_to(first)).read_bytes(), f"{path.name} is not the same twice")
        for epochs in (1, 3):
            below = first / f"epochs{epochs}"
            facts = json.loads((below / "facts.json").read_text("utf-8"))
            rows = facts["rows"]
            check_json(below, rows)
            check_csv(below, rows)
            check_lm_eval(below, rows, facts["documents"], epochs)
            check_eval_log(below, rows, epochs)
            check_junit(below, rows)
            check_html(below)
    print("exports are what they say")


if __name__ == "__main__":
    main()

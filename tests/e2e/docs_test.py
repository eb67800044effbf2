"""The commands and examples of the other documents: run where a mock provider is enough, looked up where not."""

import json
import os
import re
import shlex
import signal
import subprocess

from documents import blocks_of, commands_of, links_of, read
from harness import ROOT, Failure, check, main, wait_until

DOCUMENTS = sorted(str(path.relative_to(ROOT)) for path in
                   [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tasks/*.md"), *ROOT.glob("benchmarks/*.md")])
# What a reader would type; other words in code style are names.
COMMAND = re.compile(r"(assay|scripts/[a-z-]+|benchmarks/run|\.ci/run|cmake|build/\S+_test)( .*)?")


# -- what is named has to exist ------------------------------------------------------------------------------


class Help:
    """What programs say about themselves, asked once each."""

    def __init__(self, bench):
        self.bench = bench
        self.known = {}

    def of(self, *command):
        if command not in self.known:
            program = [self.bench.binary, *command[1:]] if command[0] == "assay" else [str(ROOT / command[0]), *command[1:]]
            done = subprocess.run([*program, "--help"], env=self.bench.env, cwd=ROOT, capture_output=True, text=True,
                                  stdin=subprocess.DEVNULL, timeout=60, check=False)
            check(done.returncode == 0, f"{' '.join(command)} --help: exit {done.returncode} {done.stderr[-500:]}")
            self.known[command] = done.stdout
        return self.known[command]


def offers(text, flag):
    return re.search(rf"(?<![\w-]){re.escape(flag)}(?![\w-])", text)


def check_assay(words, help_of):
    """Every word up to the first flag or argument is a subcommand; every flag is one of it or of all commands."""
    command, positional = ["assay"], False
    for word in words[1:]:
        if word.startswith("-"):
            flag = word.partition("=")[0]
            check(offers(help_of.of(*command), flag) or offers(help_of.of("assay"), flag), f"{command} has no {flag}")
            positional = True
        elif not positional and re.search(rf"(?m)^  {re.escape(word)}(?:,| |$)", help_of.of(*command)):
            command.append(word)
        else:
            check(len(command) > 1 or positional, f"assay has no command {word}")
            positional = True


def check_cmake(words):
    presets = {one["name"] for one in json.loads(read("CMakePresets.json"))["configurePresets"]}
    for option, value in zip(words, words[1:]):
        if option == "--preset":
            check(value in presets, f"there is no preset {value}")
        if option == "--target":
            check(re.search(rf"\b{value}\b", (ROOT / "tests" / value.removesuffix("_test") / "CMakeLists.txt").read_text()),
                  f"there is no target {value}")


def check_command(line, help_of):
    words = shlex.split(line, comments=True)
    if words[0] == "assay":
        check_assay(words, help_of)
    elif words[0] == "cmake":
        check_cmake(words)
    elif words[0].startswith("build/"):
        _, preset, folder, *rest = words[0].split("/")
        check_cmake(["--preset", preset])
        check((ROOT / folder / "/".join(rest[:-1])).is_dir(), f"{words[0]} is not built there")
    else:
        check(os.access(ROOT / words[0], os.X_OK), f"{words[0]} is no program")
        text = help_of.of(words[0])
        for word in words[1:]:
            # Placeholders are written in capitals or brackets.
            if re.fullmatch(r"[a-z][a-z-]*|--[a-z-]+", word):
                check(offers(text, word), f"{words[0]} does not know {word}")


def every_command_exists(bench):
    help_of = Help(bench)
    seen = set()
    for name in DOCUMENTS:
        for line in filter(COMMAND.fullmatch, commands_of(read(name))):
            try:
                check_command(line, help_of)
            except Failure as reason:
                raise Failure(f"{name}: {line}: {reason}") from None
            seen.add(line)
    check(len(seen) > 25, f"only {len(seen)} commands were found")


def every_test_that_is_named_exists(_):
    programs = "".join(path.read_text() for path in ROOT.glob("tests/*/CMakeLists.txt"))
    sources = "".join(path.read_text() for path in ROOT.glob("tests/*/*_test.cpp"))
    suites = set(re.findall(r"^TEST(?:_F|_P)?\((\w+),", sources, re.MULTILINE))
    for name in DOCUMENTS:
        for word in re.findall(r"`((?:e2e_)?[a-z_]+_test|e2e_[a-z]+)`", read(name)):
            kind, _, rest = word.partition("_")
            if kind == "e2e":
                found = f"assay_e2e({rest})" in programs
            else:
                found = re.search(rf"(assay_test\({word}( JOINED)?|add_test\(NAME {word})\n", programs) or word in suites
            check(found, f"{name}: {word}")


def every_link_leads_somewhere(_):
    for name in DOCUMENTS:
        for link in links_of(read(name)):
            if "://" not in link:
                check((ROOT / name).parent.joinpath(link).exists(), f"{name}: {link}")


# -- examples have to work -----------------------------------------------------------------------------------


def run_block(bench, text, **environment):
    done = subprocess.run(["bash", "-e", "-o", "pipefail", "-c", text], env={**bench.env, **environment}, timeout=60,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    check(done.returncode == 0, f"{text}\nexit {done.returncode}\n{done.stderr[-2000:]}")
    return done.stdout


def the_api(bench):
    """docs/api.md from top to bottom: every call answers, events come, files are written, errors look as shown."""
    bench.start_mock()
    server, url = bench.start_server()
    address = url.partition("://")[2]
    document = read("docs/api.md").replace("127.0.0.1:8000", address)
    blocks = [block.text for block in blocks_of(document, "bash")]
    sign_in, look_round, refresh, users, make_key, use_key, create, follow, ticket, health, from_elsewhere = blocks

    answer = json.loads(run_block(bench, sign_in))
    named = re.search(r"The answer has\s+(.*?)\.", document, re.S).group(1)
    check(set(re.findall(r"`(\w+)`", named)) == set(answer), f"{named} against {list(answer)}")
    known = {"ACCESS_TOKEN": answer["access_token"]}
    *_, unlisted = json_values(printed := run_block(bench, look_round.replace('"..."', answer["access_token"])))
    check('"task_id"' in printed and unlisted["model_id"] == "sim-p70", printed)
    refresh = refresh.replace('"..."', answer["refresh_token"])
    renewed, me = json_values(run_block(bench, refresh, **known))
    check(renewed["refresh_token"] != answer["refresh_token"] and me["user_id"] == "admin", str(me))
    check("error" in json_values(run_block(bench, refresh, **known))[0], "a refresh token is good once")
    check("error" in json.loads(run_block(bench, look_round.splitlines()[-1], ACCESS_TOKEN=renewed["access_token"])),
          "a copied refresh token ends the session")
    known["ACCESS_TOKEN"] = json.loads(run_block(bench, sign_in))["access_token"]

    made, changed, listed, *done = json_values(run_block(bench, users, **known))
    check((made["roles"], changed["roles"], listed["total"]) == (["viewer"], ["viewer", "evaluator"], 2), str(listed))
    check([one["status"] for one in done] == ["changed", "deleted"], str(done))
    made, listed = json_values(run_block(bench, make_key, **known))
    check(made["key"].startswith(f"sk-assay-{made['id']}-") and listed["items"][0]["id"] == made["id"], str(listed))
    use_key = use_key.replace('API_KEY="..."', f"API_KEY={made['key']}").replace('KEY_ID="..."', f"KEY_ID={made['id']}")
    first, second, changed, gone = json_values(run_block(bench, use_key, **known))
    check(first["items"] == second["items"] and len(first["items"]) == 1, str(second))
    check((changed["requests_per_minute"], changed["budget_per_day"]) == (None, 20), str(changed))
    check(gone["status"] == "deleted", str(gone))
    known["ID"] = json.loads(run_block(bench, create, **known))["evaluation_id"]

    python, = blocks_of(document, "python")
    script = bench.folder / "events.py"
    script.write_text(f"{python.text}\n\nasyncio.run(main({known['ACCESS_TOKEN']!r}, {known['ID']!r}))\n", encoding="utf-8")
    printed = run_block(bench, f"/usr/bin/python3 {script}")
    check(printed.splitlines()[-1] == "evaluation_completed 1.0" or printed.splitlines()[-1] == "evaluation_completed 1",
          printed)
    once = json.loads(run_block(bench, ticket, **known))["ticket"]
    script.write_text(python.text.replace("ws?token=", "ws?ticket=") +
                      f"\n\nasyncio.run(main({once!r}, {known['ID']!r}))\n", encoding="utf-8")
    check("evaluation_completed" in run_block(bench, f"/usr/bin/python3 {script}"), "a ticket opens the WebSocket")

    # The status and the result stand next to each other; each call prints one object.
    status, result = wait_until("the files", lambda: (both := json_values(run_block(bench, follow, **known)))
                                and both[1]["output"]["state"] != "waiting" and both)
    check((status["status"], status["state"], status["progress"]) == ("completed", "completed", 1), str(status))
    check(len(result["task_results"]) == 2 and "overall_score" in result["summary_metrics"], str(result)[:1000])
    check(result["output"]["state"] == "written" and len(result["output"]["files"]) == 3, str(result["output"]))
    for file in result["output"]["files"]:
        check((bench.folder / "results" / file).stat().st_size > 0 and file.startswith("first_try/sim-strong/"), file)

    shown, = [json.loads(block.text) for block in blocks_of(document, "json") if block.text.startswith('{"error"')]
    error, = json_values(run_block(bench, create.replace("chinese_arithmetic", "nothing_like_it"), **known))
    check(error["error"]["code"] == shown["error"]["code"] and error["error"]["field"] == shown["error"]["field"], str(error))
    check(set(shown) == set(error) and set(shown["error"]) == set(error["error"]), f"{shown} against {error}")
    check(json.loads(run_block(bench, health))["status"] == "healthy", "health")
    check("error" in json_values(run_block(bench, from_elsewhere.splitlines()[0]))[0], "a token is needed by default")

    server.send_signal(signal.SIGTERM)
    server.wait(timeout=60)
    config = bench.folder / "open.yaml"
    config.write_text(blocks_of(document, "yaml")[0].text, encoding="utf-8")
    _, url = bench.start_server("--config", config)
    printed = run_block(bench, from_elsewhere.replace(address, url.partition("://")[2]))
    check(printed.startswith('{"items":') and "Access-Control-Allow-Origin: https://dashboard.example.org" in printed, printed)
    check("Allow-Credentials" not in printed, printed)


def the_monitoring(bench):
    """docs/monitoring.md: every call answers, and the call made elsewhere is counted."""
    _, url = bench.start_server()
    document = read("docs/monitoring.md").replace("127.0.0.1:8000", url.partition("://")[2])
    look, alerts, budgets, keys, record = [block.text for block in blocks_of(document, "bash")]
    sign_in = blocks_of(read("docs/api.md").replace("127.0.0.1:8000", url.partition("://")[2]), "bash")[0].text
    known = {"ACCESS_TOKEN": json.loads(run_block(bench, sign_in))["access_token"]}

    recorded, = json_values(run_block(bench, record, **known))
    check(recorded["recorded"] == 1, str(recorded))
    overview, models, costs, advice, whole = json_values(
        run_block(bench, look.replace("?format=md", "?format=json"), **known))
    check(overview["windows"]["5m"]["samples"] == 1 and overview["windows"]["5m"]["external"] == 1, str(overview)[:1000])
    check(models["items"][0]["model_id"] == "claude-3-haiku" and models["items"][0]["rank"] == 1, str(models)[:1000])
    check(abs(costs["models"][0]["cost_efficiency"] - 1700) < 0.01, str(costs)[:1000])
    check(advice["items"] == [] and whole["overview"]["windows"], str(advice))
    check("# Monitoring report" in run_block(bench, look, **known), "the report in Markdown")
    limits, found = json_values(run_block(bench, alerts, **known))
    check(limits["error_rate_threshold"] == 0.2 and limits["cost_threshold_per_hour"] == 10.0, str(limits))
    check(found["items"] == [], str(found))
    kept, = json_values(run_block(bench, budgets, **known))
    check(kept["items"] == [], str(kept))
    of_keys, = json_values(run_block(bench, keys, **known))
    check(isinstance(of_keys["items"], list), str(of_keys))


def the_routing(bench):
    """docs/routing.md: the route is shown, changed and taken back; a model is chosen; retries are listed."""
    bench.start_mock()
    config = bench.folder / "routes.yaml"
    config.write_text(blocks_of(read("docs/routing.md"), "yaml")[0].text, encoding="utf-8")
    _, url = bench.start_server("--config", config)
    address = url.partition("://")[2]
    routes, select, retries = [block.text for block in
                               blocks_of(read("docs/routing.md").replace("127.0.0.1:8000", address), "bash")]
    sign_in = blocks_of(read("docs/api.md").replace("127.0.0.1:8000", address), "bash")[0].text
    known = {"ACCESS_TOKEN": json.loads(run_block(bench, sign_in))["access_token"]}

    shown, changed, back = json_values(run_block(bench, routes, **known))
    route, = [one for one in shown["routes"] if one["route"] == "either"]
    check(route["strategy"] == "in_order" and not route["changed"], str(route))
    check(changed["strategy"] == "weighted_random" and [one["weight"] for one in changed["targets"]] == [3, 1], str(changed))
    check(back["strategy"] == "in_order" and not back["changed"], str(back))
    chosen, = json_values(run_block(bench, select, **known))
    check(chosen["model"] and chosen["reasons"] and chosen["alternatives"], str(chosen)[:1000])
    seen, = json_values(run_block(bench, retries, **known))
    check(seen["advice"] == [] and seen["retries"] == [], str(seen)[:1000])


def the_gateway(bench):
    """docs/gateway.md: the call answers, and the headers are those that it names."""
    bench.start_mock()
    _, url = bench.start_server()
    document = read("docs/gateway.md").replace("127.0.0.1:8000", url.partition("://")[2])
    sign_in = blocks_of(read("docs/api.md").replace("127.0.0.1:8000", url.partition("://")[2]), "bash")[0].text
    known = {"ACCESS_TOKEN": json.loads(run_block(bench, sign_in))["access_token"]}
    ask, = [block.text for block in blocks_of(document, "bash")]
    printed = run_block(bench, ask.replace("curl ", "curl -i ", 1), **known)
    check('"object":"chat.completion"' in printed, printed)
    for name in re.findall(r"(?m)^    (x-assay-[a-z-]+):", document):
        check(f"\n{name}: " in printed, f"{name} is not in {printed}")


def json_values(text):
    decoder, values, at = json.JSONDecoder(), [], 0
    while at < len(text.rstrip()):
        value, at = decoder.raw_decode(text, at)
        values.append(value)
        at += len(text[at:]) - len(text[at:].lstrip())
    return values


def settings_of(bench, *arguments):
    """What the program takes from files and environment, as it shows them itself."""
    done = bench.run("run", "-m", "sim-strong", "-t", "date_reasoning", "-L", 1, "--dry-run", "--show-config", "--json",
                     *arguments)
    check(done.returncode == 0, done.stderr[-2000:])
    return json_values(done.stderr[done.stderr.index("{\n"):])[0]["settings"]


def the_configuration(bench):
    """The examples of docs/configuration.md load, one laid over the other, and mean what the text says."""
    document = read("docs/configuration.md")
    arguments = []
    for number, block in enumerate(blocks_of(document, "yaml")):
        file = bench.folder / f"example-{number}.yaml"
        file.write_text(block.text.replace("/etc/assay", str(bench.folder)), encoding="utf-8")
        arguments += ["--config", file]
    for name in ("chain.pem", "key.pem"):
        (bench.folder / name).write_text("")
    values = settings_of(bench, *arguments)
    check(values["providers"]["house"]["base_url"] == "http://10.0.0.7:8000/v1", str(values["providers"]))
    check(values["models"]["our-qwen"]["model"] == "Qwen/Qwen2.5-7B-Instruct", str(values["models"]))
    check(values["models"]["claude-3-haiku"]["rate_limits"]["concurrent_requests"] == 5, str(values["models"]))
    check(values["evaluations"]["nightly"]["tasks"] == ["arithmetic_word_problems", "chinese_arithmetic"], "evaluations")
    check((values["server"]["host"], values["server"]["port"]) == ("0.0.0.0", 8443), str(values["server"]))
    for path in re.findall(r"config/examples/[\w.]+", document):
        settings_of(bench, "--config", path)


# A value for each kind of variable, where any text will not do.
VALUES = {"PORT": "9123", "LOG_LEVEL": "error", "DEBUG": "true", "HTTPS_PROXY": "http://127.0.0.1:5",
          "http_proxy": "http://127.0.0.1:5"}


def the_environment(bench):
    """Every variable of the table in docs/configuration.md reaches its key."""
    table = [line.split("|")[1:3] for line in read("docs/configuration.md").splitlines() if line.startswith("| `")]
    wanted = {}
    for variables, keys in table:
        names = re.findall(r"`([A-Za-z_]+)`", variables)
        paths = re.findall(r"`([a-z_.]+)`", keys)
        if len(paths) == len(names):
            wanted.update(zip(names, paths))
    check({"PORT", "DATA_DIR", "RESULTS_DIR", "NO_PROXY", "ASSAY_ADMIN_PASSWORD"} <= set(wanted), str(wanted))
    for name in wanted:
        bench.env[name] = VALUES.get(name, str(bench.folder / name))
    keys = re.findall(r"`([A-Z]+(?:_[A-Z]+)*_API_KEY)`", " ".join(cell for row in table for cell in row))
    check(len(keys) >= 8, str(keys))
    bench.env.update({name: "a-key" for name in keys})
    bench.env.update({"OPENAI_BASE_URL": "http://127.0.0.1:1/v1", "AZURE_OPENAI_ENDPOINT": "http://127.0.0.1:2",
                      "HOSTED_LLM_API_URL": "http://127.0.0.1:3/v1", "ASSAY_MOCK_URL": "http://127.0.0.1:4/v1"})
    values = settings_of(bench)
    for name, path in wanted.items():
        value = values
        for step in path.split("."):
            value = value[step]
        value = value[0] if isinstance(value, list) else value
        text = str(value).lower() if isinstance(value, bool) else str(value)
        check(text in (bench.env[name], "***"), f"{name} does not reach {path}: {value}")
    for provider, port in (("openai", 1), ("azure_openai", 2), ("hosted", 3), ("mock", 4)):
        check(f"127.0.0.1:{port}" in values["providers"][provider]["base_url"], f"{provider}: {values['providers'][provider]}")
    without = [name for name, one in values["providers"].items() if one["key_required"] and one["api_key"] is None]
    check(not without, f"no key reached {without}")


def a_task_of_ones_own(bench):
    """The ten lines of tasks/README.md, in both languages: written as shown, run, scored."""
    for name in ("tasks/README.md", "tasks/README.zh-CN.md"):
        folder = bench.folder / name.replace("/", "-")
        for block in blocks_of(read(name)):
            path = re.fullmatch(r"`(capitals/[\w.]+)`[:：]", block.before).group(1)
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_text(block.text + "\n", encoding="utf-8")
        bench.start_mock("--tasks-dir", folder)
        done = bench.run("run", "-m", "mock/sim-p100", "-t", folder / "capitals" / "capitals.yaml", "--output", "json")
        check(done.returncode == 0, f"{name}: exit {done.returncode}: {done.stderr[-2000:]}")
        check(re.search(r'"overall_score": ?1(\.0)?[,}\s]', done.stdout), done.stdout[:2000])


def the_table_of_tasks(bench):
    """The tables of the shipped tasks say what is there."""
    done = bench.run("tasks", "--json")
    check(done.returncode == 0, done.stderr)
    there = {task["task_id"]: (str(task["sample_count"]), task["languages"][0])
             for task in json.loads(done.stdout)["tasks"]}
    for name in ("tasks/README.md", "tasks/README.zh-CN.md"):
        rows = re.findall(r"(?m)^\| ([a-z_]+)(?:（.*?）)? \| (\d+) \| (\w+)[^|]*\|", read(name))
        check({task: (samples, language) for task, samples, language in rows} == there, f"{name}: {rows}\n{there}")


if __name__ == "__main__":
    main([every_command_exists, every_test_that_is_named_exists, every_link_leads_somewhere, the_api, the_monitoring, the_routing,
          the_gateway, the_configuration, the_environment, a_task_of_ones_own, the_table_of_tasks])

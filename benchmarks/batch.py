"""What sharing a batch out brings: the same tests serial, by model, by prompt type, and with everything at once.

Two providers as they are published: one with three keys of five workers each, a key for each prompt type, and one that
takes fifty calls at once of every prompt type. Both refuse what is more. All four levels run in turns, each as a process
of its own; the share of the limits is that of a longer batch with everything at once.
"""

import json
import subprocess
import time

from support import assay, processes, report

KEYS = ("bench-key-1", "bench-key-2", "bench-key-3")
WORKERS_OF_A_KEY, WORKERS_OF_A_TYPE = 5, 50
PROMPT_TYPES = ("baseline", "cot", "optimal")
SMALL, LARGE = "qwen2.5-3b-instruct", "gpt-4o-mini"
LEVELS = {
    "serial": ["--serial"],
    "model parallel": ["--no-model-parallel", "--no-prompt-parallel"],
    "prompt parallel": ["--no-model-parallel", "--prompt-parallel"],
    "fully optimised": [],
}


def write_task(workspace):
    prompts = "".join(f'  {name}: "{name} {{number}}: What is 40 plus 2? Reply with the number only."\n'
                      for name in PROMPT_TYPES)
    (workspace.folder / "tasks" / "bench" / "bench.yaml").write_text(
        "id: bench\nname: Benchmark\ncategory: single_turn\ndifficulty: intermediate\n"
        "description: Sums whose answer is always the same.\nlanguages: [en]\ndataset: bench.jsonl\n"
        f"prompts:\n{prompts}"
        "target: \"{answer}\"\nscorer: {type: numeric}\ngeneration: {temperature: 0, max_tokens: 64}\n")


def measure(folder, quick):
    rounds, latency_ms, instances, many = (1, 100, 10, 60) if quick else (3, 400, 40, 750)
    workspace = assay.Workspace(folder, many)
    write_task(workspace)
    assay.build()
    home = workspace.fresh("providers")
    (home / "small").mkdir()
    (home / "large").mkdir()
    of_keys = ["--concurrency", str(WORKERS_OF_A_KEY)]
    for key in KEYS:
        of_keys += ["--api-key", key]
    of_types = ["--concurrency", str(WORKERS_OF_A_TYPE * len(PROMPT_TYPES))]

    with assay.mock(home / "small", latency_ms, of_keys) as small, \
            assay.mock(home / "large", latency_ms, of_types) as large:
        groups = {
            "providers": {
                "ideallab": {"protocol": "openai_chat", "base_url": small.base_url, "preset": "ideallab",
                             "keys": [{"name": key, "api_key": key} for key in KEYS]},
                "user_azure": {"protocol": "openai_chat", "base_url": large.base_url, "preset": "user_azure",
                               "key_required": False},
            },
            "models": {SMALL: {"provider": "ideallab", "model": "sim-strong"},
                       LARGE: {"provider": "user_azure", "model": "sim-strong"}},
            "farm": {"in_flight": "adaptive"},
        }

        def batch(flags, samples):
            """Seconds over the life of the process."""
            data = workspace.fresh("batch")
            config = workspace.config("", 0, data, groups=groups)
            command = [str(assay.build()), "batch", "--config", str(config), "-m", f"{SMALL},{LARGE}", "-p", "all",
                       "-t", "bench", "-n", str(samples), "--no-log", "--output", "json", *flags]
            start = time.monotonic()
            done = subprocess.run(command, capture_output=True, text=True, cwd=data, env=assay.environment(),
                                  check=False)
            seconds = time.monotonic() - start
            if done.returncode != 0:
                raise processes.Failure(f"assay batch ended with status {done.returncode}:\n{done.stderr[-2000:]}")
            tests = json.loads(done.stdout)["batch"]["total_tests"]
            if tests != samples * len(PROMPT_TYPES) * 2:
                raise processes.Failure(f"{tests} tests are in the database")
            return seconds

        times = report.alternate(rounds, {name: (lambda flags=flags: batch(flags, instances))
                                          for name, flags in LEVELS.items()})
        # Every sample is asked of both models in every way; the provider with fewer workers decides.
        best = many / WORKERS_OF_A_KEY * latency_ms / 1000
        long = report.alternate(rounds, {"at the limits": lambda: batch([], many)})["at the limits"]
        refused = small.statuses().get("429", 0) + large.statuses().get("429", 0)

    serial = times["serial"]
    keys = {"model_parallel_speedup": serial / times["model parallel"],
            "prompt_parallel_speedup": serial / times["prompt parallel"],
            "fully_optimised_speedup": serial / times["fully optimised"],
            "limit_share": best / long,
            "refused": refused}
    rows = [(name, f"{seconds:.1f} s", f"{serial / seconds:.1f}x") for name, seconds in times.items()]
    rows.append(("share of the limits", f"{best:.1f} of {long:.1f} s", f"{best / long:.3f}"))
    remarks = [f"{instances} samples, {len(PROMPT_TYPES)} prompt types, 2 models, every answer after {latency_ms} ms; "
               f"the last line with {many} samples. Process starts count. {refused} calls were refused"]
    return keys, ("level", "time", "against serial"), rows, remarks

"""The mock provider is understood by the providers' own clients: openai, @anthropic-ai/sdk and @google/genai.

They come from npm into a temporary folder. Without npm, Node or a network the test is skipped: it says why and ends
with the code that ctest takes for "skipped".
"""

import os
import shutil
import subprocess

import harness
from harness import check

SKIPPED = 77
CLIENTS = ["openai@6", "@anthropic-ai/sdk@1", "@google/genai@1"]


def installed(folder, packages=CLIENTS):
    """Installs the packages. Returns why that is not possible, or nothing."""
    for tool in ("node", "npm"):
        if shutil.which(tool) is None:
            return f"{tool} is not installed"
    (folder / "package.json").write_text("{}", encoding="utf-8")
    # Scripts of packages are not run; a registry that does not answer must not hold the tests up.
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--no-save", "--fetch-retries=1",
               "--fetch-timeout=20000", *packages]
    log = folder / "npm.log"
    with open(log, "w", encoding="utf-8") as out:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                   env={**os.environ, "npm_config_cache": str(folder / "cache")},
                                   start_new_session=True)
        try:
            code = process.wait(timeout=180)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()
            return "npm did not finish within 180 s"
    if code != 0:
        words = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        return f"npm cannot install the packages: {words[0] if words else code}"
    return None


def the_clients_of_the_providers_understand_it(bench):
    folder = bench.folder / "npm"
    folder.mkdir()
    reason = installed(folder)
    if reason:
        print(f"skipped: {reason}", flush=True)
        bench.close()
        raise SystemExit(SKIPPED)
    tasks = bench.folder / "tasks"
    bench.write_task("mock_clients", 3)
    port = bench.start_mock("--tasks-dir", tasks, "--api-key", "test-key", "--batch-time", "300ms")
    shutil.copy(harness.ROOT / "tests/e2e/mock_clients.mjs", folder)
    done = subprocess.run(["node", "mock_clients.mjs", str(port)], cwd=folder, capture_output=True, text=True,
                          timeout=120, check=False)
    print(done.stdout, end="", flush=True)
    check(done.returncode == 0, f"a client does not understand the mock: {done.stderr[-3000:]}")
    if "drove" not in done.stdout:
        bench.close()
        raise SystemExit(SKIPPED)


if __name__ == "__main__":
    harness.main([the_clients_of_the_providers_understand_it])

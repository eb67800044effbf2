"""The tour of README.md and README.zh-CN.md, run as it stands by one shell in a copy of the project's folder."""

import os
import re

from documents import blocks_of, code_words, links_of, read
from harness import ROOT, Session, check, free_port, main

# A text of each block, and what has to be printed by it.
EXPECTED = {
    "assay mock-provider": [r"assay mock provider listens", r'"status"'],
    "assay tasks": [r"date_reasoning +", r"chinese_arithmetic +", r"sim-strong +", r"mock provider: answers at"],
    "assay run": [r"date_reasoning", r"unit_conversion", r"baseline", r"cot", r"sim-strong", r"sim-weak",
                  r"eval_\d{10}_[0-9a-f]{8}", r"completed"],
    "assay serve": [r'"status":"healthy"', r'"evaluation_id":"eval_\d{10}_[0-9a-f]{8}"'],
    "--evaluation nightly": [r"sim-weak \(simulated\)", r"date_reasoning", r"Nothing was sent"],
    "assay watch": [r"completed", r"arithmetic_word_problems", r"responses"],
}


def copy_of_the_project(bench):
    """A folder that looks like the project after scripts/demo, with the program under test as the built one."""
    folder = bench.folder / "assay"
    (folder / "build" / "release" / "cli").mkdir(parents=True)
    (folder / "build" / "release" / "cli" / "assay").symlink_to(bench.binary)
    for name in ("config", "tasks"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def tour(bench, name):
    text = read(name)
    blocks = blocks_of(text)
    check(all(block.tested for block in blocks), f"{name}: a block without the mark <!-- test -->")
    ports = {"MOCK_PORT": str(free_port()), "PORT": str(free_port())}
    env = {key: value for key, value in bench.env.items() if key not in ("DATA_DIR", "RESULTS_DIR")}
    folder = copy_of_the_project(bench)
    shell = Session(folder, {**env, **ports})
    try:
        unseen = dict(EXPECTED)
        for block in blocks:
            printed = shell.run(block.text)
            for command in [key for key in unseen if key in block.text]:
                for pattern in unseen.pop(command):
                    check(re.search(pattern, printed), f"{name}:{block.line}: no {pattern} in\n{printed}")
        check(not unseen, f"{name} no longer shows {list(unseen)}")
        check((folder / "data" / "data.mdb").exists(), "the results are in ./data, as the text says")
        stop = [word for word in code_words(text) if word.startswith("kill ")]
        check(len(stop) == 1, f"{name} says once how to stop: {stop}")
        shell.run(stop[0] + "\nwait %1\nwait %2")
    finally:
        shell.close()


def english(bench):
    tour(bench, "README.md")


def chinese(bench):
    tour(bench, "README.zh-CN.md")


def without_comments(code):
    return [line for line in (re.sub(r"(^|\s)#.*", "", line).rstrip() for line in code.splitlines()) if line]


def both_languages_say_the_same(_):
    english_text, chinese_text = read("README.md"), read("README.zh-CN.md")
    blocks = [[without_comments(block.text) for block in blocks_of(text)] for text in (english_text, chinese_text)]
    check(blocks[0] == blocks[1], "the blocks of code differ")
    for what, shape in (("headings", r"(?m)^#+ "), ("rows of tables", r"(?m)^\|")):
        counts = [len(re.findall(shape, text)) for text in (english_text, chinese_text)]
        check(counts[0] == counts[1], f"{what}: {counts}")
    commands = [[re.split(r"\s{2,}", word)[0] for word in code_words(text)] for text in (english_text, chinese_text)]
    check(sorted(commands[0]) == sorted(commands[1]), f"commands in the text: {commands}")
    links = [sorted(link.replace(".zh-CN", "") for link in links_of(text)) for text in (english_text, chinese_text)]
    check(links[0] == links[1], f"links: {links}")
    check(os.path.samefile(ROOT / "README.zh-CN.md", ROOT / links_of(english_text)[0]), "each names the other")


if __name__ == "__main__":
    main([both_languages_say_the_same, english, chinese])

"""Reads the Markdown of this project: its blocks of code, the commands it names, its links."""

import dataclasses
import re

from harness import ROOT

MARK = "<!-- test -->"


@dataclasses.dataclass
class Block:
    """One fenced block of code."""

    language: str
    text: str
    line: int  # of the opening fence, from 1
    tested: bool  # marked to be run as it stands
    before: str  # the last line of text before it


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks_of(text, language=None):
    found, open_block, before, marked = [], None, "", False
    for number, line in enumerate(text.splitlines(), 1):
        if open_block is not None:
            if line.strip() == "```":
                open_block.text = "\n".join(open_block.text)
                found.append(open_block)
                open_block, before, marked = None, "", False
            else:
                open_block.text.append(line)
        elif line.startswith("```"):
            open_block = Block(line[3:].strip(), [], number, marked, before)
        elif line.strip() == MARK:
            marked = True
        elif line.strip():
            before = line.strip()
    return [block for block in found if language in (None, block.language)]


def without_blocks(text):
    return re.sub(r"(?ms)^```.*?^```$", "", text)


def code_words(text):
    """What stands between back-ticks in the running text, and what is indented as code."""
    prose = without_blocks(text)
    words = [" ".join(word.split()) for word in re.findall(r"`([^`]+)`", prose)]
    # After two spaces an indented line goes on with its explanation.
    indented = [re.split(r" {2,}", line.strip())[0] for line in prose.splitlines() if line.startswith("    ")]
    return words + indented


def links_of(text):
    return re.findall(r"\]\(([^)#\s]+)", without_blocks(text))


def commands_of(text):
    """Every command that the document names, one line each: in its blocks, in running text, indented."""
    lines = []
    for block in blocks_of(text):
        if block.language in ("bash", "sh"):
            lines += block.text.replace("\\\n", " ").splitlines()
    lines += code_words(text)
    return [part.strip() for line in lines for part in re.split(r" && | \| ", line) if part.strip()]

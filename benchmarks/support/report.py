"""Rounds, medians, tables, and the machine they were measured on."""

import os
import platform
import statistics
import subprocess
import sys


def note(text):
    """Progress, for people; standard output is for results."""
    print(text, file=sys.stderr, flush=True)


def alternate(rounds, measures):
    """Runs every measure once per round, in turns, so that a slow minute of the machine hits all of them.

    @param measures: name -> function without arguments that returns a number or a tuple of numbers.
    @return name -> median (for tuples: of each place).
    """
    seen = {name: [] for name in measures}
    for turn in range(rounds):
        order = list(measures.items())
        for name, measure in order if turn % 2 == 0 else reversed(order):
            value = measure()
            seen[name].append(value if isinstance(value, tuple) else (value,))
            note(f"  {name}, turn {turn + 1} of {rounds}: " + ", ".join(f"{x:,.1f}" for x in seen[name][-1]))
    medians = {name: tuple(statistics.median(place) for place in zip(*values)) for name, values in seen.items()}
    return {name: value[0] if len(value) == 1 else value for name, value in medians.items()}


def machine():
    """One line about processor, memory and versions."""
    model = "unknown processor"
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{len(os.sched_getaffinity(0))} x {model}, {memory:.0f} GiB, Linux {platform.release()}"


def commit():
    """The commit of the work tree, with + when it has changes; empty outside git."""
    def git(*arguments):
        return subprocess.run(["git", *arguments], cwd=os.path.dirname(__file__), capture_output=True, text=True,
                              check=False).stdout.strip()
    return git("rev-parse", "--short", "HEAD") + ("+" if git("status", "--porcelain") else "")


def table(header, rows):
    """Rows of texts and numbers as an aligned table."""
    def shown(value):
        if isinstance(value, float):
            return f"{value:,.0f}" if abs(value) >= 100 else f"{value:,.3g}"
        return f"{value:,}" if isinstance(value, int) else str(value)
    cells = [list(header)] + [[shown(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    lines = ["  ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                       for i, (cell, width) in enumerate(zip(row, widths))).rstrip() for row in cells]
    return "\n".join([lines[0], "-" * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])

"""How fast answers are scored in memory, on one thread: scorers beside plain Python on the same strings; and what the
sandbox adds to the start of a program.

The Python is tests/scoring/reference.py, which the tests compare with the scorers; both have to come to the same sum.
"""

import json
import pathlib
import random
import re
import shutil
import statistics
import subprocess
import sys
import time

from support import assay, processes, report

BUILD = assay.ROOT / "build" / "release"
PROGRAM = BUILD / "benchmarks" / "scoring_speed"
SANDBOX_PROGRAM = BUILD / "benchmarks" / "sandbox_speed"
LAUNCHER = BUILD / "cli" / "assay-launch"
sys.path.insert(0, str(assay.ROOT / "tests" / "scoring"))
import reference  # pylint: disable=wrong-import-position

WORDS = ("the of and to in is that for it as was with be by on not he his but at are this have from or had an they "
         "which one you were her all she there would their we him been has when who will more no if out so said what "
         "up its about into than them can only other new some could time these two may then do first any my now such "
         "like our over man me even most made after also did many before must through years where much your way well "
         "down should because each just those people how too little state good very make world still own see men "
         "work long get here between both life being under never day same another know while last might us great old "
         "year off come since against go came right used take three").split()


def build():
    if not all(program.exists() for program in (PROGRAM, SANDBOX_PROGRAM, LAUNCHER)):
        for command in (["cmake", "--preset", "release"],
                        ["cmake", "--build", "--preset", "release", "--target", "scoring_speed", "sandbox_speed",
                         "assay-launch"]):
            if subprocess.run(command, cwd=assay.ROOT, stdout=2, check=False).returncode != 0:
                raise processes.Failure("the benchmark's program could not be built: " + " ".join(command))
    return PROGRAM


def sentence(rng, words):
    text = " ".join(rng.choice(WORDS) for _ in range(words))
    return text.capitalize() + rng.choice([".", "!", ", he said.", " (in 1999)."])


def changed(rng, text):
    words = text.split()
    for _ in range(rng.randrange(0, 8)):
        words[rng.randrange(len(words))] = rng.choice(WORDS)
    return " ".join(words)


def sample_sets(count):
    """What each scorer gets: short texts, worked solutions, and sentences."""
    rng = random.Random(7)
    short, solutions, answers, sentences = [], [], [], []
    for number in range(count):
        word, other = rng.choice(WORDS).capitalize(), rng.choice(WORDS)
        short.append((f"{word}, {other}!", f"{word} {other if number % 2 else rng.choice(WORDS)}"))
        lines = "\n".join(sentence(rng, 12) for _ in range(12))
        solutions.append((f"{lines}\n#### {number:,}", f"{number:,}"))
        target = sentence(rng, 12)
        answers.append((changed(rng, target), target))
        target = sentence(rng, 25)
        sentences.append((changed(rng, target), target))
    return short, solutions, answers, sentences


GSM8K = re.compile(r"#### (\-?[0-9\.\,]+)")


def cases(count):
    short, solutions, answers, sentences = sample_sets(count)
    return [
        ("exact match", {"type": "exact_match", "strip": False, "ascii_only": True, "ignore_case": True,
                         "ignore_punctuation": True}, short,
         lambda answer, target: reference.exact_match(answer, target, True, True)),
        ("regex filter", {"type": "exact_match", "strip": False,
                          "filters": [{"function": "regex", "regex_pattern": GSM8K.pattern}, "take_first"]}, solutions,
         lambda answer, target: reference.exact_match(reference.regex_filter(answer, GSM8K), target)),
        ("F1", {"type": "f1"}, answers, reference.token_f1),
        ("BLEU", {"type": "bleu"}, sentences, lambda answer, target: reference.sentence_bleu(answer, [target])),
    ]


def sandbox_overhead(folder, runs):
    """@return the medians of a bare start and of one in the sandbox in ms, or why there is no sandbox."""
    # The user that the sandbox runs as may not see the folder of the build.
    place = pathlib.Path(folder)
    place.chmod(0o755)
    launcher = place / "assay-launch"
    shutil.copy2(LAUNCHER, launcher)
    done = subprocess.run([SANDBOX_PROGRAM, launcher, str(runs)], capture_output=True, text=True, check=False)
    found = json.loads(done.stdout or "{}")
    if done.returncode != 0 or "failed" in found:
        raise processes.Failure(f"sandbox: {found.get('failed') or done.stderr.strip()}")
    if "unavailable" in found:
        return None, found["unavailable"]
    return (statistics.median(found["bare_ms"]), statistics.median(found["sandbox_ms"])), None


def measure(folder, quick):
    count, passes = (2_000, 3) if quick else (20_000, 5)
    program = build()
    keys, rows = {}, []
    for name, scorer, samples, python in cases(count):
        path = pathlib.Path(folder) / "samples.jsonl"
        path.write_text("".join(json.dumps({"answer": a, "target": t}) + "\n" for a, t in samples), encoding="utf-8")

        def ours():
            done = subprocess.run([program, path, json.dumps(scorer), str(passes)], capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise processes.Failure(f"{name}: {done.stderr.strip()}")
            found = json.loads(done.stdout)
            return count / sorted(found["seconds"])[passes // 2], found["sum"]

        def theirs():
            begin = time.perf_counter()
            total = sum(python(answer, target) for answer, target in samples)
            return count / (time.perf_counter() - begin), total

        found = report.alternate(1 if quick else 3, {f"assay, {name}": ours, f"Python, {name}": theirs})
        (rate, total), (python_rate, python_total) = found[f"assay, {name}"], found[f"Python, {name}"]
        if abs(total - python_total) > 1e-6 * count:
            raise processes.Failure(f"{name}: the sums differ: {total} and {python_total}")
        word = name.replace(" ", "_").lower()
        keys[f"{word}_per_s"], keys[f"{word}_vs_python"] = rate, rate / python_rate
        rows.append((name, rate, python_rate, rate / python_rate))
    keys["vs_python"] = min(row[3] for row in rows)
    remarks = [f"{count:,} samples in memory, one thread; both come to the same sums"]
    runs = 10 if quick else 100
    starts, reason = sandbox_overhead(folder, runs)
    keys["sandbox_overhead_ms"] = starts[1] - starts[0] if starts else None
    if starts:
        keys["sandbox_ms"], keys["bare_ms"] = starts[1], starts[0]
        remarks.append(f"A program in the sandbox takes {starts[1]:.1f} ms from start to end, bare {starts[0]:.1f} ms: "
                       f"{starts[1] - starts[0]:.1f} ms more (at most 40 are wanted); medians of {runs}, in turns")
    else:
        remarks.append(f"The sandbox was not measured: {reason}")
    return keys, ("samples scored in a second", "assay", "Python", "ratio"), rows, remarks

#!/usr/bin/python3
"""Compares the scorers with scikit-learn, with plain Python (reference.py) and with published worked examples.

    oracle_test.py PROGRAM

PROGRAM is score_lines. What needs scikit-learn is left out, and the test counts as skipped (77) at its end, where
python3-sklearn is missing.
"""

import json
import random
import re
import subprocess
import sys

import reference

try:
    from sklearn import metrics as sklearn_metrics
except ImportError:
    sklearn_metrics = None

WORDS = ("the cat sat on a mat , it was 3.5 meters - long . \"Yes,\" she said: 1,000 dogs! don't state-of-the-art "
         "&amp; naïve Ärger 北京 是 中国 的 首都 。 x y z 42 U.S. e.g. (see) [1] {a} a/b #5 % $3").split()
failures = []
checks = 0


class Program:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if "error" in answer:
            raise AssertionError(f"{answer['error']}: {json.dumps(line)[:300]}")
        return answer


def close(name, found, wanted, tolerance=1e-9):
    global checks
    checks += 1
    if found is None or abs(found - wanted) > tolerance:
        failures.append(f"{name}: {found!r}, not {wanted!r}")


def same(name, found, wanted):
    global checks
    checks += 1
    if found != wanted:
        failures.append(f"{name}: {found!r}, not {wanted!r}")


def texts(rng, count, most=25):
    """Pairs that share words, as an answer and its target do."""
    pairs = []
    for _ in range(count):
        target = [rng.choice(WORDS) for _ in range(rng.randrange(0 if rng.random() < 0.05 else 1, most))]
        answer = list(target)
        for _ in range(rng.randrange(0, 6)):
            at = rng.randrange(len(answer) + 1)
            kind = rng.random()
            if kind < 0.4:
                answer.insert(at, rng.choice(WORDS))
            elif kind < 0.7 and answer:
                answer.pop(at % len(answer))
            elif len(answer) > 3:
                group = [answer.pop(at % len(answer)) for _ in range(2) if answer]
                where = rng.randrange(len(answer) + 1)
                answer[where:where] = group
        pairs.append((" ".join(answer), " ".join(target)))
    return pairs


def compare_texts(program, rng):
    pairs = texts(rng, 300)
    cases = [
        ({"type": "f1"}, reference.token_f1),
        ({"type": "bleu"}, lambda a, t: reference.sentence_bleu(a, [t])),
        ({"type": "chrf"}, lambda a, t: reference.chrf_of(reference.chrf_counts(a, t))),
        ({"type": "chrf", "word_order": 2, "beta": 1}, lambda a, t: reference.chrf_of(reference.chrf_counts(a, t, 6, 2), 1)),
        ({"type": "rouge", "variant": "rouge1"}, lambda a, t: reference.rouge(a, t, "rouge1")),
        ({"type": "rouge", "variant": "rouge2", "beta": 2}, lambda a, t: reference.rouge(a, t, "rouge2", 2)),
        ({"type": "rouge", "variant": "rougeL"}, lambda a, t: reference.rouge(a, t, "rougeL")),
        ({"type": "exact_match", "strip": False}, reference.exact_match),
        ({"type": "exact_match", "strip": False, "ascii_only": True, "ignore_case": True, "ignore_punctuation": True,
          "ignore_numbers": True, "regexes_to_ignore": [",", r"\$", "(?s).*#### "]},
         lambda a, t: reference.exact_match(a, t, True, True, True, [",", r"\$", "(?s).*#### "])),
        ({"type": "levenshtein", "strip": False},
         lambda a, t: 1 - reference.edit_distance(a, t) / max(len(a), len(t)) if a or t else 1.0),
        ({"type": "ter"}, lambda a, t: ter_score(a, t)),
    ]
    for definition, oracle in cases:
        found = program.ask(scorer=definition, samples=pairs)["values"]
        for value, (answer, target) in zip(found, pairs):
            close(f"{definition} of {answer!r} and {target!r}", value, oracle(answer, target))
    counts = [reference.bleu_counts(a, [t]) for a, t in pairs]
    close("corpus BLEU", program.ask(scorer={"type": "bleu"}, samples=pairs)["aggregate"],
          reference.bleu_of(reference.corpus(counts), False))
    counts = [reference.chrf_counts(a, t) for a, t in pairs]
    close("corpus chrF", program.ask(scorer={"type": "chrf"}, samples=pairs)["aggregate"],
          reference.chrf_of(reference.corpus(counts)))
    edits = reference.corpus([reference.ter_edits(a, t) for a, t in pairs])
    close("corpus TER", program.ask(scorer={"type": "ter"}, samples=pairs)["raw"], edits[0] / edits[1])


def ter_score(answer, target):
    edits, words = reference.ter_edits(answer, target)
    return max(0.0, 1 - (edits / words if words else float(edits > 0)))


def compare_references(program, rng):
    """Several right answers at once."""
    samples, wanted = [], []
    for answer, target in texts(rng, 100):
        targets = [target, *(one for one, _ in texts(rng, 2)), answer[: len(answer) // 2]]
        samples.append((answer, json.dumps(targets)))
        wanted.append(targets)
    found = program.ask(scorer={"type": "bleu", "separator": "json"}, samples=samples)
    for value, (answer, _), targets in zip(found["values"], samples, wanted):
        close(f"BLEU of {answer!r} and {targets}", value, reference.sentence_bleu(answer, targets))
    found = program.ask(scorer={"type": "f1", "separator": "json"}, samples=samples)["values"]
    for value, (answer, _), targets in zip(found, samples, wanted):
        close(f"F1 of {answer!r} and {targets}", value, max(reference.token_f1(answer, one) for one in targets))


def compare_labels(program, rng):
    for labels in (["yes", "no"], ["entailment", "neutral", "contradiction"], ["a", "b", "c", "d", "e"]):
        wanted = [rng.choice(labels) for _ in range(400)]
        predicted = [one if rng.random() < 0.7 else rng.choice(labels) for one in wanted]
        samples = list(zip(predicted, wanted))
        value = program.ask(scorer={"type": "mcc"}, samples=samples)["aggregate"]
        close("mcc", value, reference.mcc(predicted, wanted))
        if sklearn_metrics:
            close("mcc of scikit-learn", value, sklearn_metrics.matthews_corrcoef(wanted, predicted))
        accuracy = program.ask(scorer={"type": "accuracy"}, samples=samples)["aggregate"]
        close("accuracy", accuracy, sum(p == w for p, w in samples) / len(samples))
        for average in ("macro", "micro", "weighted"):
            value = program.ask(scorer={"type": "f1", "average": average}, samples=samples)["aggregate"]
            close(f"F1, {average}", value, reference.macro_f1(predicted, wanted, average))
            if sklearn_metrics:
                close(f"F1 of scikit-learn, {average}", value, sklearn_metrics.f1_score(wanted, predicted, average=average))
        value = program.ask(scorer={"type": "f1", "average": "binary", "positive": labels[0]}, samples=samples)["aggregate"]
        close("F1, binary", value, reference.macro_f1(predicted, wanted, labels[0]))
        if sklearn_metrics:
            close("F1 of scikit-learn, binary", value,
                  sklearn_metrics.f1_score([w == labels[0] for w in wanted], [p == labels[0] for p in predicted]))


def compare_filters(program, rng):
    patterns = [r"#### (\-?[0-9\.\,]+)", r"(-?[$0-9.,]{2,})|(-?[0-9]+)", r"[A-Z]\w*", r"(?i)answer is:? \(?([A-D])\)?",
                r"(\d*)-(\w*)"]
    pieces = ["#### 42", "the answer is (B)", "Answer is: C", "$1,000.50", "-7", " ", "\n", "word", "Paris", "12-ab", "x-", "5."]
    for pattern in patterns:
        compiled = re.compile(pattern, re.ASCII)
        for select in (0, -1):
            answers = ["".join(rng.choice(pieces) for _ in range(rng.randrange(8))) for _ in range(150)]
            wanted = [reference.regex_filter(one, compiled, select) for one in answers]
            found = program.ask(filters=[{"function": "regex", "regex_pattern": pattern, "group_select": select}],
                                answers=answers)["answers"]
            for answer, one, other in zip(answers, found, wanted):
                same(f"regex {pattern} [{select}] of {answer!r}", one, other)
    same("take_first", program.ask(filters=["take_first"], answers=["a", "b"])["answers"], ["a"])
    same("take_first_k", program.ask(filters=[{"function": "take_first_k", "k": 2}], answers=list("abc"))["answers"], ["a", "b"])
    same("majority_vote", program.ask(filters=["majority_vote"], answers=["a", "b", "c", "b", "c"])["answers"], ["b"])
    same("pipeline", program.ask(filters=[{"function": "regex", "regex_pattern": r"(\d+)"}, "majority_vote", "take_first"],
                                 answers=["is 3", "is 4", "it is 4"])["answers"], ["4"])


def compare_agreement(program, rng):
    for _ in range(20):
        a = [rng.randrange(4) for _ in range(60)]
        b = [one if rng.random() < 0.6 else rng.randrange(4) for one in a]
        for weights in ("nominal", "linear", "quadratic"):
            value = program.ask(kappa=[a, b], weights=weights)["value"]
            close(f"Cohen's kappa, {weights}", value, reference.cohens_kappa(a, b, weights))
            if sklearn_metrics:
                close(f"Cohen's kappa of scikit-learn, {weights}", value, sklearn_metrics.cohen_kappa_score(
                    a, b, weights=None if weights == "nominal" else weights))
        rows = []
        for _ in range(30):
            votes = [rng.randrange(3) for _ in range(5)]
            rows.append([votes.count(one) for one in range(3)])
        close("Fleiss' kappa", program.ask(fleiss=rows)["value"], reference.fleiss_kappa(rows))
    # The worked example of Fleiss (1971) as Wikipedia's article on it shows it: kappa = 0.210.
    example = [[0, 0, 0, 0, 14], [0, 2, 6, 4, 2], [0, 0, 3, 5, 6], [0, 3, 9, 2, 0], [2, 2, 8, 1, 1], [7, 7, 0, 0, 0],
               [3, 2, 6, 3, 0], [2, 5, 3, 2, 2], [6, 5, 2, 1, 0], [0, 2, 2, 3, 7]]
    close("Fleiss' example", program.ask(fleiss=example)["value"], 0.210, 5e-4)
    # Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), section C, the reliability data of four
    # observers: nominal 0.743, ordinal 0.815, interval 0.849.
    observers = [[1, 2, 3, 3, 2, 1, 4, 1, 2, None, None, None], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, None, 3],
                 [None, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, None], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, None]]
    items = [list(one) for one in zip(*observers)]
    for metric, value in (("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)):
        close(f"Krippendorff's example, {metric}", program.ask(alpha=items, metric=metric)["value"], value, 5e-4)


def compare_reducers(program, rng):
    for _ in range(40):
        values = [float(rng.randrange(2)) for _ in range(rng.randrange(3, 12))]
        n, c = len(values), int(sum(values))
        for k in (1, 2, 3):
            close(f"pass@{k} of {values}", program.ask(reduce=f"pass_at_{k}", values=values)["value"], reference.pass_at_k(n, c, k))
            close(f"pass^{k} of {values}", program.ask(reduce=f"pass_hat_{k}", values=values)["value"], reference.pass_hat_k(n, c, k))
            close(f"at least {k} of {values}", program.ask(reduce=f"at_least_{k}", values=values)["value"], float(c >= k))


def published(program):
    def value(definition, answer, target, key="values"):
        return program.ask(scorer=definition, samples=[(answer, target)])[key]
    # Papineni et al. 2002, section 2.1: of seven times "the" two count.
    counts = value({"type": "bleu", "separator": "json", "lowercase": True}, "the the the the the the the",
                   json.dumps(["The cat is on the mat .", "There is a cat on the mat ."]), "extracted")[0].split()
    same("Papineni's clipped count", counts[2], "2")
    # Lin 2004, section 3.1: S1 "police killed the gunman", S2 "police kill the gunman", S3 "the gunman kill police":
    # ROUGE-2 of both is 1/3 by recall, ROUGE-L 3/4 and 2/4 with beta = 1.
    close("Lin's S2", value({"type": "rouge", "variant": "rougeL"}, "police kill the gunman", "police killed the gunman")[0], 3 / 4)
    close("Lin's S3", value({"type": "rouge", "variant": "rougeL"}, "the gunman kill police", "police killed the gunman")[0], 2 / 4)
    close("Lin's S2, ROUGE-2", value({"type": "rouge", "variant": "rouge2"}, "police kill the gunman", "police killed the gunman")[0], 1 / 3)
    close("Lin's S3, ROUGE-2", value({"type": "rouge", "variant": "rouge2"}, "the gunman kill police", "police killed the gunman")[0], 1 / 3)
    # The textbook distance of kitten and sitting (Levenshtein): 3.
    same("kitten", value({"type": "levenshtein"}, "kitten", "sitting", "extracted")[0], "3 edits")
    # Snover et al. 2006, section 3.1: one shift, three substitutions or insertions: TER 4/13.
    edits = value({"type": "ter"}, "THIS WEEK THE SAUDIS denied information published in the new york times",
                  "SAUDI ARABIA denied THIS WEEK information published in the AMERICAN new york times", "extracted")[0]
    same("Snover's example", edits, "4 13")
    # SQuAD's rule: articles and punctuation do not count.
    close("SQuAD", value({"type": "f1"}, "The Denver Broncos!", "Denver Broncos")[0], 1.0)


def main():
    program = Program(sys.argv[1])
    rng = random.Random(20240229)
    published(program)
    compare_texts(program, rng)
    compare_references(program, rng)
    compare_labels(program, rng)
    compare_filters(program, rng)
    compare_agreement(program, rng)
    compare_reducers(program, rng)
    program.process.stdin.close()
    for failure in failures[:20]:
        print(failure)
    print(f"{checks} comparisons, {len(failures)} differ" + ("" if sklearn_metrics else "; without scikit-learn"))
    if failures:
        return 1
    return 0 if sklearn_metrics else 77


if __name__ == "__main__":
    sys.exit(main())

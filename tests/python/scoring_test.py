"""Functions of tasks that judge answers."""

import unittest

import support
from assay_worker.faults import Fault
from assay_worker.scoring import aggregate, apply, filter_answers, score

CODE = """
import math

def same(references, predictions, **options):
    fold = options.get("fold", False)
    a, b = references[0], predictions[0]
    return float(a.lower() == b.lower() if fold else a == b)

def pair(items):
    gold, answer = items
    return {"longer": len(answer) > len(gold), "length": len(answer)}

def both(doc, results):
    return {"right": results[0] == doc["a"], "seen": (doc["a"], results[0])}

def judge(answer, target, doc):
    if answer == "crash":
        raise ValueError("cannot judge this")
    if answer == "exit":
        raise SystemExit(3)
    if answer == "nothing":
        return None
    return {"score": 1.0 if answer == target else 0.0, "why": "because", "nan": math.nan}

def shout(answers, docs):
    return [[one.upper() for one in each] for each in answers]

class Cut:
    def __init__(self, length):
        self.length = length

    def apply(self, answers, docs):
        return [[one[:self.length] for one in each] for each in answers]

def inner(references, predictions):
    return references[0].nothing()

def broken_inside(references, predictions):
    return len(5)

def mean(values):
    return sum(values) / len(values)
"""


class Scoring(unittest.TestCase):
    def setUp(self):
        self.context, self.folder = support.context({"utils.py": CODE})
        self.addCleanup(self.folder.cleanup)

    def score(self, **arguments):
        return score(arguments, self.context)["items"]

    def test_metrics_are_called_as_lm_eval_calls_them(self):
        made = self.score(metrics=[{"name": "same", "function": "!function utils.same", "kwargs": {"fold": True}},
                                   {"name": "pair", "function": {"!function": "utils.pair"}}],
                          items=[{"id": 4, "answer": "YES", "target": "yes"}])
        self.assertEqual(made, [{"id": 4, "scores": {"same": 1.0, "longer": 0, "length": 3}}])

    def test_one_of_several_targets_is_enough(self):
        metrics = [{"name": "same", "function": "!function utils.same"}]
        made = self.score(metrics=metrics, items=[{"id": 1, "answer": "b", "targets": ["a", "b"]},
                                                  {"id": 2, "answer": "c", "targets": ["a", "b"]}])
        self.assertEqual([one["scores"] for one in made], [{"same": 1.0}, {"same": 0.0}])

    def test_process_results_gives_numbers_and_what_is_aggregated(self):
        made = self.score(process_results="!function utils.both",
                          items=[{"id": 1, "doc": {"a": "x"}, "answer": "x"},
                                 {"id": 2, "doc": {"a": "x"}, "results": ["y"]}])
        self.assertEqual(made[0], {"id": 1, "scores": {"right": 1}, "notes": {"seen": ("x", "x")}})
        self.assertEqual(made[1]["scores"], {"right": 0})

    def test_what_fails_marks_its_item_only_and_says_where(self):
        items = [{"id": number, "answer": answer, "target": "good"}
                 for number, answer in enumerate(["good", "crash", "exit", "nothing", "bad"])]
        made = self.score(scorer="!function utils.judge", items=items)
        self.assertEqual(made[0]["scores"]["score"], 1.0)
        self.assertEqual(made[1]["error"]["kind"], "scorer_failed")
        self.assertEqual(made[1]["error"]["message"], "ValueError: cannot judge this")
        self.assertIn("utils.py", made[1]["error"]["traceback"])
        self.assertNotIn("scoring.py", made[1]["error"]["traceback"])
        self.assertIn("exit()", made[2]["error"]["message"])
        self.assertIn("NoneType", made[3]["error"]["message"])
        self.assertEqual(made[4]["scores"]["score"], 0.0)

    def test_an_error_inside_a_metric_is_told_and_not_taken_for_the_other_calling_way(self):
        made = self.score(metrics=[{"name": "m", "function": "!function utils.broken_inside"}],
                          items=[{"id": 1, "answer": "a", "target": "b"}])
        self.assertIn("has no len()", made[0]["error"]["message"])

    def test_a_function_that_is_not_there(self):
        for name, kind in (("utils.missing", "not_found"), ("nowhere.f", "scorer_failed"), ("f", "invalid_argument")):
            with self.subTest(name), self.assertRaises(Fault) as caught:
                self.score(scorer={"!function": name}, items=[])
            self.assertEqual(caught.exception.kind, kind)

    def test_filters_see_all_answers_at_once(self):
        items = [{"id": 1, "answers": ["ab", "c"]}, {"id": 2, "answers": ["d"]}]
        made = filter_answers({"function": "!function utils.shout", "items": items}, self.context)["items"]
        self.assertEqual(made, [{"id": 1, "answers": ["AB", "C"]}, {"id": 2, "answers": ["D"]}])
        made = filter_answers({"function": "!function utils.Cut", "kwargs": {"length": 1}, "items": items},
                              self.context)["items"]
        self.assertEqual(made[0]["answers"], ["a", "c"])

    def test_aggregations_and_rows(self):
        self.assertEqual(aggregate({"function": "!function utils.mean", "values": [1, 2, 6]}, self.context),
                         {"value": 3})
        made = apply({"function": "!function utils.mean", "rows": [[1, 3], []]}, self.context)["rows"]
        self.assertEqual(made[0], {"value": 2})
        self.assertIn("ZeroDivisionError", made[1]["error"]["message"])

    def test_a_changed_file_is_read_again(self):
        path = self.folder.name + "/fresh.py"
        for text, wanted in (("1", 1), ("20", 20)):
            with open(path, "w", encoding="utf-8") as out:
                out.write(f"def f(answer, target, doc): return {text}\n")
            self.assertEqual(self.score(scorer="!function fresh.f", items=[{"id": 1}])[0]["scores"],
                             {"score": wanted})


if __name__ == "__main__":
    unittest.main()

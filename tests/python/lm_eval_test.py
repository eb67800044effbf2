"""lm-eval tasks: prompts are compared with texts that were worked out from its rules by hand."""

import random
import unittest

import support
from assay_worker.faults import Fault
from assay_worker.lm_eval import prepare_lm_eval, process_docs
from assay_worker.prompts import CHOICE_INSTRUCTION, lettered, maybe_delimit

TRAIN = [{"q": f"train {i}", "a": f"answer {i}"} for i in range(20)]
TASK = {"doc_to_text": "Q: {{q}}\nA:", "doc_to_target": "{{a}}", "training_split": "train", "test_split": "test",
        "fewshot_split": "train"}


def prepare(task, docs, files=None, sandboxed=False, **more):
    made, folder = support.context(files, sandboxed)
    with folder:
        return prepare_lm_eval({"task": task, "docs": docs, **more}, made)


def one(task, doc, **more):
    return prepare(task, [doc], **more)["samples"][0]


class Fewshot(unittest.TestCase):
    def test_draws_as_cpython_does_with_one_generator_for_all_rows(self):
        docs = [{"q": f"test {i}", "a": "x"} for i in range(5)]
        samples = prepare(TASK, docs, fewshot_docs=TRAIN, num_fewshot=3, fewshot_seed=1234)["samples"]
        generator = random.Random(1234)
        for doc, sample in zip(docs, samples):
            examples = generator.sample(TRAIN, 3)
            wanted = "".join(f"Q: {e['q']}\nA: {e['a']}\n\n" for e in examples) + f"Q: {doc['q']}\nA:"
            self.assertEqual(sample["context"], wanted)

    def test_the_draw_is_the_published_one(self):
        # random.Random(1234).sample(range(20), 3), the same since Python 3.2.
        self.assertEqual(random.Random(1234).sample(range(20), 3), [14, 3, 0])
        sample = one(TASK, {"q": "t", "a": ""}, fewshot_docs=TRAIN, num_fewshot=3)
        self.assertTrue(sample["context"].startswith("Q: train 14\nA: answer 14\n\nQ: train 3\n"))

    def test_one_more_is_drawn_from_the_own_split_and_the_row_itself_left_out(self):
        task = {**TASK, "fewshot_split": "test"}
        samples = prepare(task, TRAIN, fewshot_docs=TRAIN, num_fewshot=4)["samples"]
        generator = random.Random(1234)
        for doc, sample in zip(TRAIN, samples):
            examples = [e for e in generator.sample(TRAIN, 5) if e != doc][:4]
            self.assertEqual(sample["context"].count("\n\n"), 4)
            self.assertTrue(sample["context"].startswith(f"Q: {examples[0]['q']}\n"))
            self.assertNotIn(f"{doc['q']}\nA: {doc['a']}", sample["context"])

    def test_pages_are_what_the_whole_is(self):
        docs = [{"q": f"test {i}", "a": "x"} for i in range(9)]
        whole = prepare(TASK, docs, fewshot_docs=TRAIN, num_fewshot=2)["samples"]
        parts = []
        for start in (0, 4, 8):
            part = prepare(TASK, docs, fewshot_docs=TRAIN, num_fewshot=2, start=start, count=4)
            parts += part["samples"]
            self.assertEqual(part["next"], start + 4 if start < 8 else None)
        self.assertEqual(parts, whole)
        later = prepare(TASK, docs[4:], fewshot_docs=TRAIN, num_fewshot=2, first_doc_id=4, processed=True)
        self.assertEqual(later["samples"], whole[4:])

    def test_first_n_indices_and_samples(self):
        first = {**TASK, "fewshot_config": {"sampler": "first_n"}}
        self.assertTrue(one(first, {"q": "t", "a": ""}, fewshot_docs=TRAIN, num_fewshot=2)["context"]
                        .startswith("Q: train 0\nA: answer 0\n\nQ: train 1\n"))
        chosen = {**TASK, "fewshot_config": {"fewshot_indices": [7]}}
        self.assertIn("train 7\n", one(chosen, {"q": "t", "a": ""}, fewshot_docs=TRAIN, num_fewshot=1)["context"])
        given = {**TASK, "fewshot_config": {"sampler": "first_n", "samples": [{"q": "mine", "a": "own"}]}}
        self.assertEqual(one(given, {"q": "t", "a": ""}, num_fewshot=1)["context"],
                         "Q: mine\nA: own\n\nQ: t\nA:")

    def test_examples_may_be_written_otherwise(self):
        task = {**TASK, "fewshot_config": {"sampler": "first_n", "doc_to_text": "F {{q}}", "target_delimiter": "=",
                                           "fewshot_delimiter": "##"}}
        self.assertEqual(one(task, {"q": "t", "a": ""}, fewshot_docs=TRAIN, num_fewshot=1)["context"],
                         "F train 0=answer 0##Q: t\nA:")

    def test_too_few_rows_is_an_error_with_numbers(self):
        with self.assertRaisesRegex(Fault, "30 few-shot examples need 30 rows, and there are 20"):
            one(TASK, {"q": "t", "a": ""}, fewshot_docs=TRAIN, num_fewshot=30)

    def test_a_row_that_fails_does_not_move_the_draws_of_others(self):
        docs = [{"q": "0", "a": ""}, {"a": "no question"}, {"q": "2", "a": ""}]
        samples = prepare(TASK, docs, fewshot_docs=TRAIN, num_fewshot=2)["samples"]
        self.assertEqual(samples[1]["error"]["kind"], "template_failed")
        generator = random.Random(1234)
        draws = [generator.sample(TRAIN, 2) for _ in docs]
        self.assertTrue(samples[2]["context"].startswith(f"Q: {draws[2][0]['q']}\n"))


class Prompt(unittest.TestCase):
    def test_delimiters_are_left_out_where_there_is_space(self):
        self.assertEqual(maybe_delimit("a", "b", "--"), "a--b")
        self.assertEqual(maybe_delimit("a\n", "b", "--"), "a\nb")
        self.assertEqual(maybe_delimit("a", " b", "--"), "a b")
        self.assertEqual(maybe_delimit("", "b", "--"), "b")
        self.assertEqual(maybe_delimit("a", None, "--"), "a")

    def test_system_instruction_and_description_come_first(self):
        task = {**TASK, "description": "About {{q}}."}
        sample = one(task, {"q": "t", "a": ""}, system_instruction="Be short.")
        self.assertEqual(sample["context"], "Be short.\n\nAbout t.Q: t\nA:")
        self.assertEqual(sample["messages"], [{"role": "system", "content": "Be short.\n\nAbout t."},
                                              {"role": "user", "content": "Q: t\nA:"}])

    def test_examples_may_be_turns_of_a_chat(self):
        task = {**TASK, "fewshot_config": {"sampler": "first_n"}}
        more = {"fewshot_docs": TRAIN, "num_fewshot": 1}
        self.assertEqual(one(task, {"q": "t", "a": ""}, **more)["messages"],
                         [{"role": "user", "content": "Q: train 0\nA: answer 0\n\nQ: t\nA:"}])
        turns = one(task, {"q": "t", "a": ""}, fewshot_as_multiturn=True, **more)["messages"]
        self.assertEqual([turn["role"] for turn in turns], ["user", "assistant", "user"])
        self.assertEqual(turns[1]["content"], "answer 0")

    def test_a_prefix_stands_before_answers(self):
        task = {**TASK, "gen_prefix": "The answer is", "fewshot_config": {"sampler": "first_n"}}
        sample = one(task, {"q": "t", "a": ""}, fewshot_docs=TRAIN, num_fewshot=1)
        self.assertEqual(sample["context"],
                         "Q: train 0\nA: The answer is answer 0\n\nQ: t\nA: The answer is")
        self.assertEqual(sample["messages"][-1], {"role": "assistant", "content": "The answer is"})

    def test_a_columns_name_is_the_column_and_not_a_template(self):
        task = {"doc_to_text": "q", "doc_to_target": "a", "test_split": "test", "fewshot_split": "train"}
        self.assertEqual(one(task, {"q": "{{a}}", "a": "[1]"})["context"], "{{a}}")
        self.assertEqual(one(task, {"q": "x", "a": "[1]"})["target"], "[1]")
        self.assertEqual(one(task, {"q": "x", "a": ["1", "one"]})["targets"], ["1", "one"])

    def test_several_right_answers_are_written_as_a_list(self):
        task = {**TASK, "doc_to_target": "{{a}}"}
        self.assertEqual(one(task, {"q": "t", "a": ["x", "y"]})["targets"], ["x", "y"])
        self.assertEqual(one(task, {"q": "t", "a": "[not a list]"})["target"], "[not a list]")

    def test_a_number_names_a_choice(self):
        task = {**TASK, "doc_to_target": "{{a}}", "doc_to_choice": ["no", "yes"]}
        sample = one(task, {"q": "t", "a": 1})
        self.assertEqual(sample["target"], "yes")

    def test_until(self):
        self.assertEqual(one(TASK, {"q": "t", "a": ""})["until"], ["\n\n"])
        self.assertEqual(one({**TASK, "fewshot_delimiter": "\n"}, {"q": "t", "a": ""})["until"], ["\n"])
        self.assertEqual(one({**TASK, "generation_kwargs": {"until": "Q:"}}, {"q": "t", "a": ""})["until"], ["Q:"])
        self.assertEqual(one({**TASK, "generation_kwargs": {"until": []}}, {"q": "t", "a": ""})["until"], [])


class Choice(unittest.TestCase):
    TASK = {"output_type": "multiple_choice", "doc_to_text": "Question: {{q}}\nAnswer:", "doc_to_target": "gold",
            "doc_to_choice": "{{choices}}", "test_split": "test", "fewshot_split": "train"}
    DOC = {"q": "Sky?", "choices": ["blue", "red"], "gold": 0}

    def test_is_asked_by_letters(self):
        sample = one(self.TASK, self.DOC)
        self.assertEqual(sample["messages"],
                         [{"role": "system", "content": CHOICE_INSTRUCTION},
                          {"role": "user", "content": "Question: Sky?\nA. blue\nB. red\nAnswer:"}])
        self.assertEqual((sample["target"], sample["right"], sample["letters"]), ("A", [0], ["A", "B"]))

    def test_keeps_what_log_likelihoods_need(self):
        sample = one(self.TASK, self.DOC)
        self.assertEqual(sample["context"], "Question: Sky?\nAnswer:")
        self.assertEqual(sample["continuations"], [" blue", " red"])

    def test_examples_are_answered_by_letters(self):
        task = {**self.TASK, "fewshot_config": {"sampler": "first_n"}}
        sample = one(task, self.DOC, fewshot_docs=[{"q": "Sea?", "choices": ["dry", "wet"], "gold": 1}],
                     num_fewshot=1)
        self.assertEqual(sample["messages"][1]["content"],
                         "Question: Sea?\nA. dry\nB. wet\nAnswer: B\n\nQuestion: Sky?\nA. blue\nB. red\nAnswer:")
        self.assertEqual(sample["context"], "Question: Sea?\nAnswer: wet\n\nQuestion: Sky?\nAnswer:")

    def test_the_first_choice_of_an_example_is_an_answer_too(self):
        task = {**self.TASK, "fewshot_config": {"sampler": "first_n"}}
        sample = one(task, self.DOC, fewshot_docs=[self.DOC], num_fewshot=1)
        self.assertTrue(sample["context"].startswith("Question: Sky?\nAnswer: blue\n\n"))

    def test_choices_in_the_question_are_not_listed_again(self):
        self.assertEqual(lettered("Q?\nA. x\nB. y\nAnswer:", ["A", "B"]), "Q?\nA. x\nB. y\nAnswer:")

    def test_an_answer_may_be_the_choices_text(self):
        self.assertEqual(one(self.TASK, {**self.DOC, "gold": "red"})["target"], "B")
        self.assertEqual(one(self.TASK, {**self.DOC, "gold": "green"})["targets"], [])

    def test_several_inputs_are_the_choices(self):
        task = {**self.TASK, "doc_to_text": "{{gold}}", "doc_to_target": "was late.",
                "doc_to_choice": "{{['The man', 'The moon']}}"}
        sample = one(task, {"gold": 1})
        self.assertEqual(sample["choices"], ["The man was late.", "The moon was late."])
        self.assertEqual(sample["target"], "B")
        self.assertEqual(sample["contexts"], ["The man", "The moon"])


class Functions(unittest.TestCase):
    UTILS = """
import datasets

def keep_even(dataset: datasets.Dataset):
    return dataset.filter(lambda row: row["n"] % 2 == 0).map(lambda row: {"q": f"number {row['n']}"})

def text(doc):
    return "T " + doc["q"]

def listed():
    return [{"q": "listed", "a": "yes"}]

def broken(dataset):
    raise KeyError("column")
"""

    def test_process_docs_sees_the_whole_split(self):
        task = {**TASK, "doc_to_target": "{{n}}", "process_docs": {"!function": "utils.keep_even"},
                "doc_to_text": {"!function": "utils.text"}}
        made = prepare(task, [{"n": i} for i in range(5)], {"utils.py": self.UTILS})
        self.assertEqual([s["context"] for s in made["samples"]], ["T number 0", "T number 2", "T number 4"])
        self.assertEqual([s["doc_id"] for s in made["samples"]], [0, 1, 2])

    def test_process_docs_by_itself(self):
        context, folder = support.context({"utils.py": self.UTILS})
        with folder:
            made = process_docs({"task": {"process_docs": "!function utils.keep_even"},
                                 "docs": [{"n": 1}, {"n": 2}]}, context)
        self.assertEqual(made["docs"], [{"n": 2, "q": "number 2"}])

    def test_samples_from_a_function(self):
        task = {**TASK, "fewshot_config": {"sampler": "first_n", "samples": {"!function": "utils.listed"}}}
        made = prepare(task, [{"q": "t", "a": ""}], {"utils.py": self.UTILS}, num_fewshot=1)
        self.assertIn("Q: listed\nA: yes\n\n", made["samples"][0]["context"])

    def test_what_fails_names_the_function_and_where(self):
        task = {**TASK, "process_docs": {"!function": "utils.broken"}}
        with self.assertRaisesRegex(Fault, "process_docs failed on docs: KeyError: 'column'"):
            prepare(task, [{"n": 1}], {"utils.py": self.UTILS})

    def test_unsafe_code_runs_in_a_sandbox_only(self):
        task = {**TASK, "unsafe_code": True}
        with self.assertRaises(Fault) as caught:
            prepare(task, [{"q": "t", "a": ""}])
        self.assertEqual(caught.exception.kind, "unsupported")
        self.assertEqual(len(prepare(task, [{"q": "t", "a": ""}], sandboxed=True)["samples"]), 1)

    def test_functions_outside_the_folder_are_refused(self):
        other = support.folder_with({"theirs.py": "def f(doc): return 'x'"})
        with other:
            task = {**TASK, "doc_to_text": {"!function": "theirs.f", "folder": other.name}}
            with self.assertRaises(Fault) as caught:
                prepare(task, [{"q": "t", "a": ""}], {"utils.py": ""})
        self.assertEqual(caught.exception.kind, "forbidden")


if __name__ == "__main__":
    unittest.main()

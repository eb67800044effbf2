"""Prompts of lm-evaluation-harness tasks: what its own algorithm gives for the same rows, seed and settings.

Names of keys are those of lm-eval's task files.
"""

import ast
import random

from .faults import Fault
from .rendering import render

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
CHOICE_INSTRUCTION = "Answer with the letter of the right choice and nothing else."
ANSWER_MARK = "Answer:"
FEWSHOT_KEYS = ("doc_to_text", "doc_to_target", "doc_to_choice", "process_docs", "gen_prefix",
                "target_delimiter", "fewshot_delimiter")


def maybe_delimit(first, second, delimiter):
    """Both texts with @p delimiter between, which is left out where either brings a space or has nothing."""
    if not first or not second:
        return first or second or ""
    if first[-1].isspace() or second[0].isspace():
        return first + second
    return first + delimiter + second


class Settings:
    """Which of a task's keys hold: for its own rows, or for those of its few-shot examples."""

    def __init__(self, keys, columns):
        self.keys = keys
        self.columns = columns

    def _field(self, key, row, what):
        """A column's name stands for the column, any other text is a template, a function is called."""
        if callable(what):
            return what(row)
        if isinstance(what, str):
            if what in self.columns:
                try:
                    return row[what]
                except KeyError:
                    raise Fault("template_failed", f"{key}: the row has no column `{what}`") from None
            return render(what, row)
        return what

    @property
    def has_choices(self):
        return self.keys.get("doc_to_choice") is not None

    def text(self, row):
        """The question: text, or the number of the right input where there are several."""
        what = self.keys.get("doc_to_text")
        if what is None:
            raise Fault("invalid_argument", "the task has no doc_to_text")
        text = self._field("doc_to_text", row, what)
        is_template = isinstance(what, str) and what not in self.columns
        if is_template and text.isdigit() and self.has_choices:
            return int(text)
        return text

    def target(self, row):
        """The answer: text, the number of a choice, or a list of either where several are right."""
        what = self.keys.get("doc_to_target")
        target = self._field("doc_to_target", row, what)
        if not isinstance(what, str) or what in self.columns:
            return target
        if target.isdigit() and self.has_choices:
            return int(target)
        if len(target) >= 2 and target[0] == "[" and target[-1] == "]":
            try:
                return ast.literal_eval(target)
            except (SyntaxError, ValueError):
                return target
        return target

    def choices(self, row):
        """@returns the list of choices, or None when the task has none."""
        what = self.keys.get("doc_to_choice")
        if what is None:
            return None
        if isinstance(what, dict):
            return list(what.values())
        found = self._field("doc_to_choice", row, what)
        if isinstance(found, str):
            try:
                found = ast.literal_eval(found)
            except (SyntaxError, ValueError):
                raise Fault("template_failed", f"doc_to_choice gives no Python list: {found[:200]}") from None
        if not isinstance(found, (list, tuple)) or not found:
            raise Fault("template_failed", "doc_to_choice must give a list")
        return list(found)

    def prefix(self, row):
        what = self.keys.get("gen_prefix")
        return None if what is None else self._field("gen_prefix", row, what)

    def delimiter(self, key):
        value = self.keys.get(key)
        return {"target_delimiter": " ", "fewshot_delimiter": "\n\n"}[key] if value is None else value


class Task:
    """One task's configuration, functions already loaded."""

    def __init__(self, keys, columns, fewshot_columns):
        self.keys = keys
        self.own = Settings(keys, columns)
        fewshot = keys.get("fewshot_config") or {}
        inherited = {key: keys.get(key) for key in FEWSHOT_KEYS}
        inherited.update({key: fewshot[key] for key in FEWSHOT_KEYS if fewshot.get(key) is not None})
        # lm-eval looks names of columns up in the split that is evaluated, for examples too.
        self.fewshot = Settings(inherited, columns or fewshot_columns)
        self.sampler = fewshot.get("sampler") or "default"
        self.indices = fewshot.get("fewshot_indices")
        split = fewshot.get("split") or keys.get("fewshot_split")
        self.draws_from_own_split = split == keys.get("test_split")
        self.output_type = keys.get("output_type") or "generate_until"

    @property
    def until(self):
        given = self.keys.get("generation_kwargs") or {}
        until = given.get("until")
        if until is None:
            return [self.own.delimiter("fewshot_delimiter")]
        return [until] if isinstance(until, str) else list(until)


class Draw:
    """The few-shot examples of each row, in the order of the rows: one generator serves all of them."""

    def __init__(self, task, pool, count, seed):
        if count > 0 and task.indices and task.sampler != "first_n":
            pool = [pool[index] for index in task.indices]
        self._pool = pool
        self._count = count
        self._drop_own = task.draws_from_own_split
        self._random = random.Random(seed)
        if task.sampler not in ("default", "first_n"):
            raise Fault("unsupported", f"fewshot_config.sampler `{task.sampler}` is not known",
                        "write default or first_n")
        self._first = task.sampler == "first_n"
        needed = count + 1 if self._drop_own and not self._first else count
        if count > 0 and needed > len(pool):
            raise Fault("invalid_argument", f"{count} few-shot examples need {needed} rows, and there are {len(pool)}",
                        "ask for fewer examples, or name another fewshot_split")

    def examples(self, row):
        if self._count <= 0:
            return []
        if self._first:
            return self._pool[:self._count]
        if not self._drop_own:
            return self._random.sample(self._pool, self._count)
        drawn = self._random.sample(self._pool, self._count + 1)
        return [one for one in drawn if one != row][:self._count]

    def skip(self, rows):
        """Goes on as if @p rows rows had been served: what a page further back has drawn."""
        if self._count <= 0 or self._first:
            return
        size = self._count + 1 if self._drop_own else self._count
        numbers = range(len(self._pool))
        for _ in range(rows):
            self._random.sample(numbers, size)


class Turn:
    """A message, and what stands behind it where all messages become one text."""

    def __init__(self, role, content, delimiter=""):
        self.role = role
        self.content = content
        self.delimiter = delimiter


def answer_text(answer, choices):
    """The text of an example's answer."""
    if isinstance(answer, (list, tuple)):
        if not answer:
            return None
        answer = answer[0]
    if isinstance(answer, int) and not isinstance(answer, bool) and choices:
        return str(choices[answer])
    return str(answer)


def turns_of(question, choices, answer, prefix, target_delimiter, fewshot_delimiter):
    """One question, with its answer when it is an example (@p answer is not None)."""
    answered = answer is not None and answer != ""
    question = str(question)
    touching = prefix and not (question[-1:].isspace() or prefix[0].isspace())
    behind = target_delimiter if (answered and not prefix) or touching else ""
    out = [Turn("user", question, behind)]
    if answered:
        text = answer_text(answer, choices)
        if text is not None:
            out.append(Turn("assistant", maybe_delimit(prefix, text, " "), fewshot_delimiter))
    elif prefix:
        out.append(Turn("assistant", prefix))
    return out


def as_text(turns):
    return "".join(turn.content + turn.delimiter for turn in turns)


def as_messages(turns, multiturn):
    """The turns as a chat; unless @p multiturn, examples and question become one message of the user."""
    def message(role, content):
        return {"role": role, "content": content}

    if multiturn:
        return [message(turn.role, turn.content) for turn in turns]
    out = []
    rest = list(turns)
    if rest and rest[0].role == "system":
        out.append(message("system", rest.pop(0).content))
    last = rest.pop() if rest and rest[-1].role == "assistant" else None
    out.append(message("user", as_text(rest[:-1]) + rest[-1].content if rest else ""))
    if last is not None:
        out.append(message("assistant", last.content))
    return out


def system_turns(task, row, instruction):
    description = task.keys.get("description")
    if description:
        description = task.own._field("description", row, description)
    text = maybe_delimit(instruction, description or "", task.own.delimiter("fewshot_delimiter"))
    return [Turn("system", text)] if text else []


def context_turns(task, row, examples, instruction):
    """lm-eval's prompt for @p row, as turns."""
    out = system_turns(task, row, instruction)
    for example in examples:
        question = task.fewshot.text(example)
        choices = task.fewshot.choices(example)
        answer = task.fewshot.target(example)
        if isinstance(question, int) and choices:
            question, choices = choices[question], None
        # lm-eval takes the examples' prefix from the row that is asked.
        out += turns_of(question, choices, answer, task.fewshot.prefix(row),
                        task.fewshot.delimiter("target_delimiter"), task.fewshot.delimiter("fewshot_delimiter"))
    question = task.own.text(row)
    if isinstance(question, int):
        return out, question
    out += turns_of(question, None, None, task.own.prefix(row), task.own.delimiter("target_delimiter"), "")
    return out, None


# -- multiple choice through chat --------------------------------------------------------------------------


def lettered(question, choices):
    """@p question with its choices, one a line, and the mark behind which the letter belongs."""
    if len(choices) > len(LETTERS):
        raise Fault("unsupported", f"{len(choices)} choices are more than there are letters")
    stem = question.rstrip()
    if stem.endswith(ANSWER_MARK):
        stem = stem[:-len(ANSWER_MARK)].rstrip()
    letters = LETTERS[:len(choices)]
    lines = [stem] if stem else []
    # Many tasks list the choices in the question, and their choices are the letters alone.
    if [str(choice).strip() for choice in choices] != list(letters):
        lines += [f"{letter}. {str(choice).strip()}" for letter, choice in zip(letters, choices)]
    return "\n".join([*lines, ANSWER_MARK])


def right_choices(answer, choices):
    """@returns the numbers of the right choices; none when the row's answer is none of them."""
    answers = answer if isinstance(answer, (list, tuple)) else [answer]
    out = []
    for one in answers:
        if isinstance(one, bool) or not isinstance(one, int):
            text = str(one)
            texts = [str(choice) for choice in choices]
            one = texts.index(text) if text in texts else -1
        if 0 <= one < len(choices):
            out.append(one)
    return out


def chat_parts(settings, row):
    """@returns (question, choices, numbers of the right ones) of one row."""
    question = settings.text(row)
    choices = settings.choices(row)
    if choices is None:
        raise Fault("invalid_argument", "a multiple_choice task needs doc_to_choice")
    answer = settings.target(row)
    if isinstance(question, int):
        # Several inputs, one continuation: the choices are the whole texts.
        ending = settings.delimiter("target_delimiter") + str(answer)
        return "Which of these texts is right?", [f"{choice}{ending}" for choice in choices], [question]
    return str(question), choices, right_choices(answer, choices)


def choice_turns(task, row, examples, instruction):
    """The same question for models that chat: its choices have letters, and a letter is the answer."""
    system = system_turns(task, row, instruction)
    text = maybe_delimit(system[0].content if system else "", CHOICE_INSTRUCTION, "\n\n")
    out = [Turn("system", text)]
    for example in examples:
        question, choices, right = chat_parts(task.fewshot, example)
        if right:
            out.append(Turn("user", lettered(question, choices), " "))
            out.append(Turn("assistant", LETTERS[right[0]], task.fewshot.delimiter("fewshot_delimiter")))
    question, choices, right = chat_parts(task.own, row)
    out.append(Turn("user", lettered(question, choices)))
    return out, choices, right

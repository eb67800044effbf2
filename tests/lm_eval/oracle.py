"""Prompts, filtered answers and metrics of lm-evaluation-harness's tasks, by its documented algorithm alone: jinja2,
CPython's random, and re. Shares no code with the farm or its Python workers."""

import ast
import importlib.util
import json
import math
import random
import re
import string

import jinja2
import yaml

SEED = 1234


class Loader(yaml.SafeLoader):
    """`!function module.name` becomes the function itself."""


class Rows(list):
    """As much of a dataset as the tasks here use."""

    def filter(self, keeps):
        return Rows(row for row in self if keeps(row))

    def map(self, change):
        return Rows({**row, **change(row)} for row in self)


def load(path):
    def function(loader, node):
        module, name = loader.construct_scalar(node).rsplit(".", 1)
        spec = importlib.util.spec_from_file_location(module, path.parent / f"{module}.py")
        made = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(made)
        return getattr(made, name)

    class Local(Loader):
        pass

    Local.add_constructor("!function", function)
    with open(path, encoding="utf-8") as text:
        own = yaml.load(text, Loader=Local)
    base = own.pop("include", None)
    if base is None:
        return own
    merged = load(path.parent / base)
    merged.pop("task_list", None)
    merged.update(own)
    return merged


ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True)
ENVIRONMENT.filters["regex_replace"] = lambda text, pattern, repl, count=0: re.sub(pattern, repl, text, count=count)


def field(config, key, doc):
    what = config.get(key)
    if isinstance(what, str):
        return doc[what] if what in doc else ENVIRONMENT.from_string(what).render(**doc)
    return what


def target_of(config, doc):
    found = field(config, "doc_to_target", doc)
    if isinstance(found, str) and config["doc_to_target"] not in doc and found[:1] == "[" and found[-1:] == "]":
        try:
            return ast.literal_eval(found)
        except (SyntaxError, ValueError):
            return found
    return found


def rows_of(config, folder, split):
    text = (folder / config["dataset_kwargs"]["data_files"][split]).read_text(encoding="utf-8")
    rows = Rows(json.loads(line) for line in text.splitlines())
    return config["process_docs"](rows) if "process_docs" in config else rows


def prompts_of(config, folder):
    """@returns (doc, system text, user text) of each doc, with the examples drawn by one generator."""
    docs = rows_of(config, folder, config["test_split"])
    count = config.get("num_fewshot") or 0
    split = config.get("fewshot_split") or config.get("training_split") or config["test_split"]
    pool = rows_of(config, folder, split)
    chance = random.Random(SEED)
    first = (config.get("fewshot_config") or {}).get("sampler") == "first_n"
    same = config.get("fewshot_split") == config["test_split"]
    out = []
    for doc in docs:
        shown = []
        if count and first:
            shown = pool[:count]
        elif count:
            shown = chance.sample(pool, count + 1 if same else count)
            if same:
                shown = [one for one in shown if one != doc][:count]
        text = ""
        for one in shown:
            text += field(config, "doc_to_text", one) + config.get("target_delimiter", " ")
            answer = target_of(config, one)
            text += (answer if isinstance(answer, str) else str(answer)) + config.get("fewshot_delimiter", "\n\n")
        text += field(config, "doc_to_text", doc)
        out.append((doc, field(config, "description", doc) or "", text))
    return out


def letters_prompt(config, doc):
    """The documented prompt of multiple choice through chat."""
    choices = ast.literal_eval(field(config, "doc_to_choice", doc))
    lines = [field(config, "doc_to_text", doc).rstrip()]
    lines += [f"{letter}. {choice}" for letter, choice in zip("ABCDEFGHIJ", choices)]
    return "Answer with the letter of the right choice and nothing else.", "\n".join([*lines, "Answer:"])


def filtered(steps, answer):
    for step in steps:
        if step["function"] == "regex":
            found = re.findall(step.get("regex_pattern", r"#### (\-?[0-9\.\,]+)"), answer)
            if found:
                one = found[step.get("group_select", 0)]
                if isinstance(one, tuple):
                    parts = [part for part in one if part]
                    one = parts[0] if parts else step.get("fallback", "[invalid]")
                answer = one.strip()
            else:
                answer = step.get("fallback", "[invalid]")
        elif step["function"] == "remove_whitespace":
            answer = answer.lstrip()
    return answer


def exact_match(metric, answer, gold):
    def plain(text):
        for pattern in metric.get("regexes_to_ignore") or []:
            text = re.sub(pattern, "", text)
        if metric.get("ignore_case"):
            text = text.lower()
        if metric.get("ignore_punctuation"):
            text = text.translate(str.maketrans("", "", string.punctuation))
        return text

    return float(any(plain(answer) == plain(one) for one in (gold if isinstance(gold, list) else [gold])))


def values_of(config, doc, answer):
    """@returns {"metric,filter": value} of one answer."""
    if config.get("output_type") == "multiple_choice":
        return {"acc,none": float(answer.strip()[:1] == "ABCDEFGHIJ"[doc[config["doc_to_target"]]])}
    out = {}
    metrics = config.get("metric_list") or [{"metric": "exact_match"}]
    for one in config.get("filter_list") or [{"name": "none", "filter": [{"function": "take_first"}]}]:
        text = filtered(one["filter"], answer)
        if "process_results" in config:
            made = config["process_results"](doc, [text])
            out.update({f"{name},{one['name']}": value for name, value in made.items()})
        else:
            for metric in metrics:
                out[f"{metric['metric']},{one['name']}"] = exact_match(metric, text, target_of(config, doc))
    return out


def summary(values):
    """@returns (mean, standard error) with the sample's deviation."""
    mean = sum(values) / len(values)
    spread = math.sqrt(sum((one - mean) ** 2 for one in values) / (len(values) - 1))
    return mean, spread / math.sqrt(len(values))

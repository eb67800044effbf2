"""Functions of tasks that judge answers: `!function` metrics, process_results, custom filters and scorers."""

from .faults import Fault, describe
from .lm_eval import refuse_unsafe


def numbers_and_notes(made, name):
    """@returns (scores, notes) from what a function gave: a number, or an object of numbers and other things."""
    if isinstance(made, dict):
        scores, notes = {}, {}
        for key, value in made.items():
            value = plain_number(value)
            (scores if isinstance(value, (int, float)) else notes)[str(key)] = value
        return scores, notes
    made = plain_number(made)
    if isinstance(made, (int, float)):
        return {name: made}, {}
    if isinstance(made, (list, tuple)):
        # What an aggregation over all samples wants to see, such as (gold, predicted).
        return {}, {name: list(made)}
    raise Fault("scorer_failed", f"{name} gave {type(made).__name__}, neither a number nor an object")


def plain_number(value):
    """Numbers of other libraries and truth values as Python's own numbers."""
    if isinstance(value, bool):
        return int(value)
    convert = getattr(value, "item", None)
    if callable(convert) and getattr(value, "shape", ()) == ():
        return convert()
    return value


def ask_metric(function, gold, answer, options):
    """Both ways in which lm-eval calls a metric."""
    try:
        return function(references=[gold], predictions=[answer], **options)
    except TypeError as error:
        if _raised_inside(error):
            raise
        return function([gold, answer])


def _raised_inside(error):
    """Whether the function's own code ran before it failed; if not, it does not take these arguments."""
    here = error.__traceback__
    depth = 0
    while here is not None:
        depth += 1
        here = here.tb_next
    return depth > 1


def score_metric(metric, item):
    name, function, options = metric["name"], metric["function"], metric.get("kwargs") or {}
    answer = item.get("answer")
    targets = item.get("targets")
    if targets is None:
        return numbers_and_notes(ask_metric(function, item.get("target"), answer, options), name)
    # With several right answers lm-eval asks whether any of them scores.
    best = {}
    for target in targets:
        scores, _ = numbers_and_notes(ask_metric(function, target, answer, options), name)
        for key, value in scores.items():
            best[key] = 1.0 if value else best.get(key, 0.0)
    return best, {}


def score_item(functions, item):
    scores, notes = {}, {}

    def keep(made):
        scores.update(made[0])
        notes.update(made[1])

    doc = item.get("doc") or {}
    for metric in functions["metrics"]:
        keep(score_metric(metric, item))
    if functions["process_results"] is not None:
        results = item.get("results")
        results = [item.get("answer")] if results is None else results
        keep(numbers_and_notes(functions["process_results"](doc, results), "process_results"))
    if functions["scorer"] is not None:
        target = item.get("targets") if item.get("targets") is not None else item.get("target")
        keep(numbers_and_notes(functions["scorer"](item.get("answer"), target, doc), "score"))
    out = {"id": item.get("id"), "scores": scores}
    if notes:
        out["notes"] = notes
    return out


def loaded_functions(arguments, context):
    refuse_unsafe(arguments, context)
    metrics = []
    for metric in arguments.get("metrics") or []:
        function = context.functions.need(metric.get("function"), "a metric's function")
        metrics.append({**metric, "name": metric.get("name") or function.__name__, "function": function})
    out = {"metrics": metrics}
    for key in ("process_results", "scorer"):
        given = arguments.get(key)
        out[key] = None if given is None else context.functions.need(given, key)
    if not metrics and out["process_results"] is None and out["scorer"] is None:
        raise Fault("invalid_argument", "score needs metrics, process_results or scorer")
    return out


def items_of(arguments):
    items = arguments.get("items")
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise Fault("invalid_argument", "items must be a list of objects")
    return items


def score(arguments, context):
    functions = loaded_functions(arguments, context)
    out = []
    for item in items_of(arguments):
        try:
            out.append(score_item(functions, item))
        except (Exception, SystemExit) as error:
            out.append({"id": item.get("id"), "error": describe(error, "scorer_failed")})
    return {"items": out}


def filter_answers(arguments, context):
    """A custom filter sees the answers of all items at once, as in lm-eval: fn(answers, docs)."""
    refuse_unsafe(arguments, context)
    function = context.functions.need(arguments.get("function"), "function")
    items = items_of(arguments)
    docs = [item.get("doc") or {} for item in items]
    answers = [item.get("answers") or [] for item in items]
    if isinstance(function, type):
        function = function(**(arguments.get("kwargs") or {})).apply
        made = list(function(answers, docs))
    else:
        made = list(function(answers, docs, **(arguments.get("kwargs") or {})))
    if len(made) != len(items):
        raise Fault("scorer_failed", f"the filter gave {len(made)} results for {len(items)} samples")
    return {"items": [{"id": item.get("id"), "answers": one if isinstance(one, str) else list(one)}
                      for item, one in zip(items, made)]}


def aggregate(arguments, context):
    """One number over all samples, by the task's own function."""
    refuse_unsafe(arguments, context)
    function = context.functions.need(arguments.get("function"), "function")
    value = plain_number(function(arguments.get("values") or []))
    if not isinstance(value, (int, float)):
        raise Fault("scorer_failed", f"the aggregation gave {type(value).__name__}, no number")
    return {"value": value}


def apply(arguments, context):
    """Calls a function with each row."""
    refuse_unsafe(arguments, context)
    function = context.functions.need(arguments.get("function"), "function")
    out = []
    for row in arguments.get("rows") or []:
        try:
            out.append({"value": function(row)})
        except (Exception, SystemExit) as error:
            out.append({"error": describe(error, "scorer_failed")})
    return {"rows": out}


OPERATIONS = {"score": score, "filter": filter_answers, "aggregate": aggregate, "apply": apply}

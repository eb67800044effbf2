"""Operations that prepare tasks: rows through process_docs, prompts, templates. docs/python_host.md has them."""

from .documents import Documents
from .faults import Fault, describe
from .prompts import LETTERS, Draw, Task, Turn, as_messages, as_text, choice_turns, context_turns, turns_of
from .rendering import render

DEFAULT_SEED = 1234


def targets_of(task, row):
    """What an answer of a generate_until task is compared with: {target} or {targets}."""
    gold = task.own.target(row)
    choices = task.own.choices(row)
    if choices is not None and isinstance(gold, int) and not isinstance(gold, bool):
        return {"target": str(choices[gold]), "choices": [str(one) for one in choices]}
    if isinstance(gold, (list, tuple)):
        if choices is not None:
            gold = [choices[one] if isinstance(one, int) else one for one in gold]
        return {"targets": [str(one) for one in gold]}
    return {"target": "" if gold is None else str(gold)}


def prepare_choice(task, row, examples, instruction, multiturn, sample):
    turns, several = context_turns(task, row, examples, instruction)
    asked, choices, right = choice_turns(task, row, examples, instruction)
    delimiter = task.own.delimiter("target_delimiter")
    if several is None:
        sample["context"] = as_text(turns)
        sample["continuations"] = [f"{delimiter}{choice}" for choice in choices]
    else:
        given = task.own.choices(row)
        sample["contexts"] = [as_text(turns + [Turn("user", str(choice))]) for choice in given]
        sample["continuations"] = [f"{delimiter}{task.own.target(row)}"]
    sample["messages"] = as_messages(asked, multiturn)
    sample["choices"] = [str(choice) for choice in choices]
    sample["letters"] = list(LETTERS[:len(choices)])
    sample["right"] = right
    if len(right) == 1:
        sample["target"] = LETTERS[right[0]]
    else:
        sample["targets"] = [LETTERS[one] for one in right]


def prepare_row(task, row, examples, instruction, multiturn, number):
    sample = {"doc_id": number, "doc": row}
    try:
        if task.output_type == "multiple_choice":
            prepare_choice(task, row, examples, instruction, multiturn, sample)
        elif task.output_type == "loglikelihood_rolling":
            sample.update({"context": "", "target": str(task.own.target(row))})
        else:
            turns, several = context_turns(task, row, examples, instruction)
            if several is not None:
                choices = task.own.choices(row)
                turns += turns_of(choices[several], None, None, task.own.prefix(row),
                                  task.own.delimiter("target_delimiter"), "")
            sample["context"] = as_text(turns)
            sample["messages"] = as_messages(turns, multiturn)
            sample.update(targets_of(task, row))
            if task.output_type == "generate_until":
                sample["until"] = task.until
    except Exception as error:
        return {"doc_id": number, "doc": row, "error": describe(error, "template_failed")}
    return sample


def checked_rows(arguments, key):
    rows = arguments.get(key)
    if rows is None:
        return Documents()
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise Fault("invalid_argument", f"{key} must be a list of objects")
    return Documents(rows)


def processed(function, rows, key):
    """@p rows as the task's own function wants them."""
    if function is None:
        return rows
    try:
        made = function(rows)
        out = Documents(made)
    except Exception as error:
        raise Fault("template_failed", f"process_docs failed on {key}: {type(error).__name__}: {error}") from error
    if not all(isinstance(row, dict) for row in out):
        raise Fault("template_failed", f"process_docs must give a list of objects for {key}")
    return out


def refuse_unsafe(keys, context):
    if keys.get("unsafe_code") and not context.sandboxed:
        raise Fault("unsupported", "the task is marked unsafe_code, which runs in a sandbox only",
                    "install bubblewrap, see `assay doctor`")


def loaded_task(arguments, context):
    keys = arguments.get("task")
    if not isinstance(keys, dict):
        raise Fault("invalid_argument", "task must be an object")
    refuse_unsafe(keys, context)
    return context.functions.resolve_all(keys)


def fewshot_pool(keys, arguments, done):
    """The rows from which examples are drawn."""
    fewshot = keys.get("fewshot_config") or {}
    samples = fewshot.get("samples")
    if callable(samples):
        samples = samples()
    if samples is not None:
        if not isinstance(samples, list):
            raise Fault("invalid_argument", "fewshot_config.samples must be a list")
        return Documents(samples)
    rows = checked_rows(arguments, "fewshot_docs")
    own = fewshot.get("process_docs")
    return rows if done else processed(own if own is not None else keys.get("process_docs"), rows, "fewshot_docs")


def count_of(arguments, keys):
    for place in (arguments, keys.get("fewshot_config") or {}, keys):
        if place.get("num_fewshot") is not None:
            return max(0, int(place["num_fewshot"]))
    return 0


def prepare_lm_eval(arguments, context):
    keys = loaded_task(arguments, context)
    done = bool(arguments.get("processed"))
    rows = checked_rows(arguments, "docs")
    rows = rows if done else processed(keys.get("process_docs"), rows, "docs")
    count = count_of(arguments, keys)
    pool = fewshot_pool(keys, arguments, done) if count > 0 else Documents()
    columns = arguments.get("columns")
    columns = set(columns) if columns is not None else set(rows.features)
    task = Task(keys, columns, set(pool.features))
    seed = arguments.get("fewshot_seed")
    draw = Draw(task, list(pool), count, DEFAULT_SEED if seed is None else int(seed))
    first = int(arguments.get("first_doc_id") or 0)
    start = int(arguments.get("start") or 0)
    most = arguments.get("count")
    end = len(rows) if most is None else min(len(rows), start + int(most))
    draw.skip(first + start)
    instruction = arguments.get("system_instruction")
    multiturn = bool(arguments.get("fewshot_as_multiturn"))
    samples = []
    for position in range(start, end):
        row = rows[position]
        # Drawn even for a row that fails, since the rows behind it depend on how often was drawn.
        examples = draw.examples(row)
        samples.append(prepare_row(task, row, examples, instruction, multiturn, first + position))
    return {"samples": samples, "total": len(rows), "next": end if end < len(rows) else None,
            "until": task.until, "num_fewshot": count}


def process_docs(arguments, context):
    """Rows as the task's process_docs wants them; the whole split at once, since it may leave rows out."""
    keys = loaded_task(arguments, context)
    fewshot = keys.get("fewshot_config") or {}
    function = keys.get("process_docs")
    if arguments.get("fewshot") and fewshot.get("process_docs") is not None:
        function = fewshot["process_docs"]
    return {"docs": list(processed(function, checked_rows(arguments, "docs"), "docs"))}


def custom_dataset(arguments, context):
    """Rows by split from the task's custom_dataset function."""
    keys = loaded_task(arguments, context)
    function = keys.get("custom_dataset")
    if not callable(function):
        raise Fault("invalid_argument", "custom_dataset must be a function, written `!function module.name`")
    try:
        made = function(**{**(keys.get("metadata") or {}), **(keys.get("dataset_kwargs") or {})})
        return {"splits": {str(name): [dict(row) for row in rows] for name, rows in made.items()}}
    except Fault:
        raise
    except Exception as error:
        raise Fault("dataset_unreadable", f"custom_dataset failed: {type(error).__name__}: {error}") from error


def render_rows(arguments, _context):
    templates = arguments.get("templates")
    if templates is None and isinstance(arguments.get("template"), str):
        templates = {"text": arguments["template"]}
    if not isinstance(templates, dict) or not all(isinstance(text, str) for text in templates.values()):
        raise Fault("invalid_argument", "templates must be an object of texts")
    out = []
    for row in checked_rows(arguments, "rows"):
        try:
            out.append({"values": {name: render(text, row) for name, text in templates.items()}})
        except Exception as error:
            out.append({"error": describe(error, "template_failed")})
    return {"rows": out}


OPERATIONS = {"prepare_lm_eval": prepare_lm_eval, "process_docs": process_docs,
              "custom_dataset": custom_dataset, "render": render_rows}

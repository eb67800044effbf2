"""Errors that travel to the farm: a kind, one sentence, and the traceback of the task's own code."""

import os
import traceback

MOST_TRACEBACK = 8_000
MOST_MESSAGE = 2_000
_HERE = os.path.dirname(os.path.abspath(__file__))


class Fault(Exception):
    """Something that the worker itself found wrong. @param kind: a name of the farm's error codes."""

    def __init__(self, kind, message, hint=""):
        super().__init__(message)
        self.kind = kind
        self.hint = hint


def _frames_of_task(error):
    """The frames outside this package: what the author of a task can mend."""
    frames = traceback.extract_tb(error.__traceback__)
    return [frame for frame in frames if os.path.dirname(os.path.abspath(frame.filename)) != _HERE]


def describe(error, kind):
    """@returns the JSON form of @p error; @p kind names it where the error does not do so itself."""
    if isinstance(error, Fault):
        out = {"kind": error.kind, "message": str(error)[:MOST_MESSAGE], "traceback": ""}
        if error.hint:
            out["hint"] = error.hint
        cause = error.__cause__
        if cause is not None:
            out["traceback"] = _traceback_of(cause)
        return out
    if isinstance(error, MemoryError):
        message = "the worker's memory limit is reached"
    elif isinstance(error, SystemExit):
        message = "the task's code called exit()"
    else:
        message = f"{type(error).__name__}: {error}".strip().removesuffix(":")
    return {"kind": kind, "message": message[:MOST_MESSAGE], "traceback": _traceback_of(error)}


def _traceback_of(error):
    frames = _frames_of_task(error)
    lines = ["Traceback (most recent call last):\n", *traceback.format_list(frames)] if frames else []
    lines += traceback.format_exception_only(error)
    text = "".join(lines)
    # The end of a traceback says most.
    return text if len(text) <= MOST_TRACEBACK else "..." + text[-MOST_TRACEBACK:]

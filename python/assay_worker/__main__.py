"""Serves jobs: 4 bytes of length, most significant first, then so many bytes of JSON, both ways.

    python3 -m assay_worker [--memory BYTES] [--folder PATH [--called PATH]] [--sandboxed]
"""

import argparse
import gc
import json
import os
import resource
import struct
import sys

from . import PROTOCOL
from .faults import Fault, describe

MOST_BYTES = 256 << 20


class Channel:
    """Messages over two file descriptors. Nothing else may write to them."""

    def __init__(self, reading, writing):
        self._reading = reading
        self._writing = writing

    def receive(self):
        """@returns the next message's bytes, or None when the farm has closed the pipe."""
        head = self._read(4)
        if head is None:
            return None
        (size,) = struct.unpack(">I", head)
        if size > MOST_BYTES:
            raise EOFError(f"a message of {size} bytes")
        return self._read(size)

    def send(self, body):
        view = memoryview(struct.pack(">I", len(body)) + body)
        while view:
            view = view[os.write(self._writing, view):]

    def _read(self, size):
        parts = []
        while size > 0:
            part = os.read(self._reading, min(size, 1 << 20))
            if not part:
                return None
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def take_channel():
    """Keeps stdin and stdout for messages; what a task prints goes to stderr, and what it reads is empty."""
    reading, writing = os.dup(0), os.dup(1)
    os.set_inheritable(reading, False)
    os.set_inheritable(writing, False)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stderr
    return Channel(reading, writing)


def limit_memory(most):
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if most > 0:
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def hello(_arguments, context):
    try:
        import jinja2

        version = jinja2.__version__
    except ImportError:
        version = None
    return {"protocol": PROTOCOL, "python": sys.version.split()[0], "jinja2": version,
            "sandboxed": context.sandboxed, "operations": sorted(operations())}


def operations():
    """Imported late, so that a worker without jinja2 can still say so."""
    from . import lm_eval, scoring

    out = {"hello": hello, **lm_eval.OPERATIONS, **scoring.OPERATIONS}
    return out


class Context:
    """What the worker was started with. @p functions loads the functions of the task's folder."""

    def __init__(self, folder, called, sandboxed):
        from .functions import Functions

        self.sandboxed = sandboxed
        self.functions = Functions(folder, called)


def plain(value):
    """What json cannot write, made into what it can: the numbers of other libraries, tuples, sets."""
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    for name in ("tolist", "item"):
        convert = getattr(value, name, None)
        if callable(convert):
            return convert()
    return str(value)


def without_nan(value):
    """JSON has no word for NaN and the infinities; they become null."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    if isinstance(value, dict):
        return {str(key): without_nan(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_nan(one) for one in value]
    return value


def encode(message):
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, default=plain)
    except (ValueError, TypeError):
        # NaN, or a key that is no text: rare, so that only these messages are copied.
        text = json.dumps(without_nan(json.loads(json.dumps(without_nan(message), default=plain))),
                          ensure_ascii=False)
    return text.encode("utf-8", "replace")


def answer(request, context):
    """@returns the message that answers @p request (bytes); never raises what a task's code raised."""
    number = 0
    try:
        message = json.loads(request)
        if not isinstance(message, dict):
            raise Fault("malformed_input", "a message must be a JSON object")
        number = message.get("id", 0)
        name = message.get("operation")
        handler = operations().get(name)
        if handler is None:
            raise Fault("unsupported", f"the worker knows no operation `{name}`")
        arguments = message.get("arguments") or {}
        if not isinstance(arguments, dict):
            raise Fault("invalid_argument", "arguments must be a JSON object")
        body = encode({"id": number, "value": handler(arguments, context)})
        if len(body) > MOST_BYTES:
            raise Fault("too_large", f"the answer has {len(body)} bytes", "ask for fewer rows at a time")
        return body
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return encode({"id": number, "error": describe(error, "malformed_input")})
    except BaseException as error:  # exit() and the like in a task's code must not end the worker
        return encode({"id": number, "error": describe(error, "scorer_failed")})


def main():
    flags = argparse.ArgumentParser(prog="assay_worker", description=__doc__)
    flags.add_argument("--memory", type=int, default=0, help="bytes of address space; 0 means no limit")
    flags.add_argument("--folder", default="", help="where functions of a task are looked for")
    flags.add_argument("--called", default="", help="what the farm calls that folder")
    flags.add_argument("--sandboxed", action="store_true", help="nothing outside can be reached from here")
    given = flags.parse_args()
    channel = take_channel()
    limit_memory(given.memory)
    context = Context(given.folder, given.called, given.sandboxed)
    while True:
        try:
            request = channel.receive()
        except MemoryError:
            return 3
        if request is None:
            return 0
        channel.send(answer(request, context))
        del request
        gc.collect(0)


if __name__ == "__main__":
    try:
        code = main()
    except (BrokenPipeError, EOFError, KeyboardInterrupt):
        code = 1
    # A task's threads and exit handlers have no say in the end of the worker.
    sys.stderr.flush()
    os._exit(code)

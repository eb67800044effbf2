"""Jinja2 templates, in its immutable sandboxed environment, with lm-eval's settings."""

import functools
import re

from .faults import Fault

try:
    from jinja2 import StrictUndefined
    from jinja2.exceptions import TemplateError, TemplateSyntaxError, UndefinedError
    from jinja2.sandbox import ImmutableSandboxedEnvironment
except ImportError:
    ImmutableSandboxedEnvironment = None


def regex_replace(text, pattern, repl, count=0):
    """@p text with what @p pattern matches replaced, at most @p count times; 0 means all."""
    return re.sub(pattern, repl, text, count=count)


@functools.cache
def _environment():
    if ImmutableSandboxedEnvironment is None:
        raise Fault("unsupported", "jinja2 is not installed", "install the package python3-jinja2")
    made = ImmutableSandboxedEnvironment(undefined=StrictUndefined, keep_trailing_newline=True)
    made.filters["regex_replace"] = regex_replace
    return made


@functools.lru_cache(maxsize=512)
def _template(text):
    environment = _environment()
    try:
        return environment.from_string(text)
    except TemplateSyntaxError as error:
        raise Fault("template_failed", f"line {error.lineno} of the template: {error.message}") from None


def render(text, row):
    """@returns the template @p text filled with the columns of @p row (dict)."""
    template = _template(text)
    try:
        return template.render(dict(row))
    except UndefinedError as error:
        raise Fault("template_failed", str(error), "columns are: " + ", ".join(map(str, row))) from None
    except TemplateError as error:
        raise Fault("template_failed", f"{type(error).__name__}: {error}") from None
    except Fault:
        raise
    except (MemoryError, RecursionError) as error:
        raise Fault("template_failed", f"the template needs too much: {type(error).__name__}") from None
    except Exception as error:
        raise Fault("template_failed", f"{type(error).__name__}: {error}") from None

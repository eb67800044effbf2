"""The Python side of assay's Python host: templates, lm-eval tasks, and functions that tasks bring along.

Plain Python 3.11 and jinja2. docs/python_host.md describes the protocol.
"""

PROTOCOL = 1

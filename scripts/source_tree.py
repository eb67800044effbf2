"""What the checking scripts know about the tree: its files, their includes, their text without comments."""

import pathlib
import re
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
_TOKEN = re.compile(
    r'//[^\n]*|/\*.*?\*/|R"(?P<tag>[^()\s\\]{0,16})\(.*?\)(?P=tag)"|"(?:\\.|[^"\\\n])*"|(?<![0-9a-fA-F])\'(?:\\.|[^\'\\\n])+\'',
    re.DOTALL)


def files(root=ROOT):
    """Paths, relative to the root, of all files that are tracked or could be: not those that git ignores."""
    listed = subprocess.run(["git", "-C", str(root), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            check=True, capture_output=True).stdout.decode()
    return sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file())


def is_cpp(name):
    return name.endswith((".cpp", ".hpp"))


def _blank(text):
    return re.sub(r"[^\n]", " ", text)


def code_only(text):
    """The text with comments and the contents of literals blanked; lines keep their numbers."""
    def replace(match):
        token = match.group(0)
        return _blank(token) if token.startswith("/") else token[0] + _blank(token[1:-1]) + token[-1]
    return _TOKEN.sub(replace, text)


def without_comments(text):
    """The text with comments blanked; literals, and so the names in includes, stay."""
    return _TOKEN.sub(lambda m: _blank(m.group(0)) if m.group(0).startswith("/") else m.group(0), text)


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def includes(text):
    """(line, name) of each #include."""
    clean = without_comments(text)
    return [(line_of(clean, m.start(1)), m.group(2)) for m in INCLUDE.finditer(clean)]

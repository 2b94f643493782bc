"""The project's files as the checks see them: paths, text, and text without comments and literals."""

import re
from collections import namedtuple
from functools import lru_cache
from pathlib import Path

Finding = namedtuple("Finding", "check path line message")

# What .gitignore names; the checks also run where there is no git.
LEFT_OUT = re.compile(r"^(\.git|build|build-.*|node_modules|__pycache__|\.cache)$")

_TOKEN = re.compile(
    r'R"(?P<tag>[^\s()\\]{0,16})\(.*?\)(?P=tag)"'  # raw string
    r"|//[^\n]*"
    r"|/\*.*?\*/"
    r'|"(?:\\.|[^"\\\n])*"'
    # A quote after a digit separates digits (1'000), so a literal never starts behind a word character.
    r"|(?<![0-9A-Za-z_])(?:u8|[uUL])?'(?:\\.|[^'\\\n])*'",
    re.DOTALL,
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)


def _blank(match):
    """Keeps line numbers: a comment becomes blanks, a literal an empty one."""
    text = match.group(0)
    ends = "" if text.startswith("/") else '"' if '"' in text[:3] else "'"
    return ends + "\n" * text.count("\n") + ends


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self.files = sorted(self._walk(self.root))

    def _walk(self, folder):
        for entry in sorted(folder.iterdir()):
            if LEFT_OUT.match(entry.name):
                continue
            if entry.is_dir() and not entry.is_symlink():
                yield from self._walk(entry)
            elif entry.is_file() and entry.suffix != ".pyc":
                yield entry.relative_to(self.root).as_posix()

    def ending(self, *suffixes, under=""):
        return [path for path in self.files if path.endswith(suffixes) and path.startswith(under)]

    def has(self, path):
        return (self.root / path).exists()

    @lru_cache(maxsize=None)
    def text(self, path):
        """The file's text; None where it is not text."""
        data = (self.root / path).read_bytes()
        if b"\0" in data:
            return None
        return data.decode("utf-8", errors="replace")

    @lru_cache(maxsize=None)
    def code(self, path):
        """C++ without comments and without what stands in literals; lines keep their numbers."""
        # Include lines are blanked first: a path is not a literal that hides code.
        text = _INCLUDE.sub("", self.text(path))
        return _TOKEN.sub(_blank, text)

    @lru_cache(maxsize=None)
    def includes(self, path):
        """(line, '<' or '"', what) for each include directive that is not in a comment."""
        def keep_includes(match):
            return match.group(0) if match.group(0)[0] == '"' else _blank(match)

        text = _TOKEN.sub(keep_includes, self.text(path))
        return [
            (text.count("\n", 0, match.start(2)) + 1, match.group(1), match.group(2))
            for match in _INCLUDE.finditer(text)
        ]


def line_of(text, offset):
    return text.count("\n", 0, offset) + 1


def matches(pattern, text):
    """(line, matched words) for each match of a pattern."""
    return [(line_of(text, match.start()), match.group(0)) for match in re.finditer(pattern, text)]

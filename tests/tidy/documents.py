"""What documents name exists, and every module has its document."""

import posixpath
import re

from source_tree import Finding, line_of, matches

_TEST = re.compile(r"\b(?:TEST|TEST_F|TEST_P|TYPED_TEST|TYPED_TEST_P)\(\s*(\w+)\s*,\s*(\w+)\s*\)")
_PYTHON_CLASS = re.compile(r"^class (\w+)", re.MULTILINE)
_PYTHON_TEST = re.compile(r"^\s+def (test_\w+)", re.MULTILINE)
_BACKTICKED = re.compile(r"`([^`\n]+)`")
_NAMED_TEST = re.compile(r"^(\w+)\.(\w+)$")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)|!\[[^\]\n]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)

MODULE_FOLDERS = (
    "edge-agent", "edge-agent/spool", "dmz-relay", "it-agent", "schemas", "deploy/ca", "tests",
)


def _without_fences(text):
    return _FENCE.sub(lambda match: "\n" * match.group(0).count("\n"), text)


def known_tests(tree):
    """{suite: {test}} of GoogleTest and of Python's unittest, over tests/."""
    suites = {}
    for path in tree.ending(".cpp", ".hpp", under="tests/"):
        for suite, name in _TEST.findall(tree.code(path)):
            suites.setdefault(suite, set()).add(name)
    for path in tree.ending(".py", under="tests/"):
        text = tree.text(path)
        starts = [(match.start(), match.group(1)) for match in _PYTHON_CLASS.finditer(text)]
        for test in _PYTHON_TEST.finditer(text):
            owner = [name for start, name in starts if start < test.start()]
            if owner:
                suites.setdefault(owner[-1], set()).add(test.group(1))
    return suites


def check_named_tests(tree):
    suites = known_tests(tree)
    for path in tree.ending(".md"):
        text = _without_fences(tree.text(path))
        for match in _BACKTICKED.finditer(text):
            words = match.group(1)
            named = _NAMED_TEST.match(words)
            line = line_of(text, match.start())
            if named:
                suite, test = named.groups()
                # Python's other members and file names (`Suite.md`) are not names of tests.
                if (suite in suites or suite.endswith("Test")) and test not in suites.get(suite, ()):
                    yield Finding("named-test", path, line, f"no test {words} under tests/")
            elif re.match(r"^tests/[\w./-]+$", words) and not tree.has(words) and not any(
                file.startswith(words + ".") for file in tree.files  # a header and its source
            ):
                yield Finding("named-test", path, line, f"there is no {words}")


def check_links(tree):
    for path in tree.ending(".md"):
        text = _without_fences(tree.text(path))
        for match in _LINK.finditer(text):
            target = match.group(1) or match.group(2)
            if re.match(r"^[a-z][a-z0-9+.-]*:", target) or target.startswith("#"):
                continue
            file = posixpath.normpath(posixpath.join(posixpath.dirname(path), target.split("#")[0]))
            if not tree.has(file):
                yield Finding("link", path, line_of(text, match.start()), f"no file at {target}")


def check_readmes(tree):
    rooms = {
        "/".join(path.split("/")[:2]) for path in tree.ending(".cpp", ".hpp", under="common/")
    }
    for folder in sorted(rooms | {folder for folder in MODULE_FOLDERS if tree.has(folder)}):
        if not tree.has(f"{folder}/README.md"):
            yield Finding("readme", folder, 0, "a module without a README.md")


def check_namespaces(tree):
    for path in tree.ending(".hpp", under="common/"):
        room = path.split("/")[1]
        if not matches(rf"\bnamespace sallyport::{room}\b", tree.code(path)):
            yield Finding("namespace", path, 1, f"does not open namespace sallyport::{room}")

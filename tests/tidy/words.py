"""Words that do not belong: notes to oneself, paths of one machine, exceptions in the wrong file."""

import re

from source_tree import Finding, matches

NOTES = r"\b(?:TODO|FIXME|XXX|HACK)\b"
KJ_EXCEPTION_HOME = "common/tunnel/frame.cpp"
# The optional data folder lies beside the checkout; only the integration tests look for it.
DATA_FOLDER = r"\.\./shared/"
DATA_FOLDER_HOME = "tests/integration/"
ONE_MACHINE = r"(?<![\w.$}>/-])/(?:work|root|farm)/"


def check_notes(tree):
    for path in tree.files:
        for line, words in matches(NOTES, tree.text(path) or ""):
            yield Finding("note", path, line, f"{words}: do it, or state the limit in the documents")


def check_exceptions(tree):
    for path in tree.ending(".cpp", ".hpp"):
        if path != KJ_EXCEPTION_HOME:
            for line, _ in matches(r"\bkj::(?:\w*Exception\b|runCatchingExceptions)", tree.code(path)):
                yield Finding("kj-exception", path, line, f"belongs to {KJ_EXCEPTION_HOME} alone")


def check_paths(tree):
    for path in tree.files:
        text = tree.text(path) or ""
        found = matches(ONE_MACHINE, text)
        if not path.startswith(DATA_FOLDER_HOME):
            found += matches(DATA_FOLDER, text)
        for line, words in sorted(found):
            yield Finding("machine-path", path, line, f"names a path outside the project: {words}")


def check_run_bits(tree):
    for path in tree.files:
        text = tree.text(path) or ""
        if re.match(r"#!", text) and not (tree.root / path).stat().st_mode & 0o100:
            yield Finding("run-bit", path, 1, "has an interpreter line but no run bit")

"""Files of at most 500 lines and functions of at most 70."""

import re

from source_tree import Finding, line_of

FILE_LINES_MAX = 500
FUNCTION_LINES_MAX = 70

_TYPE_OR_NAMESPACE = re.compile(
    r"^(?:template\s*<.*>\s*)?(?:inline\s+|typedef\s+|export\s+)*"
    r"(?:namespace|class|struct|union|enum|extern)\b(?!.*\)\s*(?:const|noexcept|override|final|\s)*$)",
    re.DOTALL,
)
_CONSTRUCTOR_LIST = re.compile(r"\)\s*(?:noexcept\s*)?:(?!:)")
_ACCESS = re.compile(r"^\s*(?:public|private|protected)\s*:(?!:)\s*")
_MEMBER_AT_END = re.compile(r"(?:^|[,:])\s*[\w:]+(?:<[^{}]*>)?\s*$")


def _is_member_initialiser(header):
    """`Foo(int a) : a_{` – this brace starts a member, the body comes later."""
    start = _CONSTRUCTOR_LIST.search(header)
    return bool(start and _MEMBER_AT_END.search(header[start.end() - 1:]))


def functions(code):
    """(first line, last line, first words) of each function that stands in no other function.

    A heuristic over braces: `code` has neither comments nor literals. A brace at namespace or class
    level that follows a parameter list (or a lambda's) starts a function; what is inside belongs to it.
    """
    code = re.sub(r"^[ \t]*#(?:\\\n|[^\n])*", lambda match: "\n" * match.group(0).count("\n"),
                  code, flags=re.MULTILINE)
    open_braces = []  # "scope", "member", "value" or (offset of a function's header)
    header_start = 0
    for match in re.finditer(r"[{};]", code):
        mark, offset = match.group(0), match.start()
        inside_function = any(not isinstance(brace, str) for brace in open_braces)
        if mark == "{":
            header = _ACCESS.sub("", code[header_start:offset])
            words = header.strip()
            if inside_function or "member" in open_braces or "value" in open_braces:
                open_braces.append("member" if not inside_function else "scope")
            elif header.count("(") > header.count(")") or _is_member_initialiser(header):
                open_braces.append("member")  # a default argument, or a member's start
                continue
            elif not words or _TYPE_OR_NAMESPACE.match(words):
                open_braces.append("scope")
            elif "(" in words and not re.search(r"=\s*$", words):
                open_braces.append(offset - len(header.lstrip()))
            else:
                open_braces.append("value")
        elif mark == "}" and open_braces:
            brace = open_braces.pop()
            if brace == "member":
                continue
            if not isinstance(brace, str):
                first_words = " ".join(code[brace:brace + 90].split())
                yield line_of(code, brace), line_of(code, offset), first_words.split("{")[0].strip()
        if not any(not isinstance(brace, str) for brace in open_braces):
            if not any(brace in ("member", "value") for brace in open_braces):
                header_start = match.end()


def check_files(tree):
    for path in tree.ending(".cpp", ".hpp", ".py", ".capnp", ".cmake", ".js"):
        lines = tree.text(path).count("\n")
        if lines > FILE_LINES_MAX:
            yield Finding("file-length", path, lines,
                          f"{lines} lines, at most {FILE_LINES_MAX}: split it by topic")


def check_functions(tree):
    for path in tree.ending(".cpp", ".hpp"):
        for first, last, words in functions(tree.code(path)):
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield Finding(
                    "function-length", path, first,
                    f"{last - first + 1} lines, at most {FUNCTION_LINES_MAX}: {words}",
                )

"""Nothing lies about unused: every header is included, every source is built."""

import re
from pathlib import PurePosixPath

from source_tree import Finding


def check_headers(tree):
    included = {
        target
        for path in tree.ending(".cpp", ".hpp")
        for _, _, target in tree.includes(path)
        if target != path
    }
    for path in tree.ending(".hpp"):
        if path not in included:
            yield Finding("orphan-header", path, 1, "no file includes it")


def _names_it(cmake, below, name):
    """Whether the text of a CMakeLists.txt takes in the file `name` of the subfolder `below`."""
    cmake = re.sub(r"#[^\n]*", "", cmake)
    prefix = f"{below}/" if below else ""
    if not below:
        if name == "main.cpp" and "sallyport_program(" in cmake:
            return True
        if name != "main.cpp" and "sallyport_library(" in cmake:
            return True
    elif re.search(rf"\bsallyport_unit_test\(\s*{re.escape(below)}\b", cmake):
        return True
    if re.search(rf"(?<![\w/.-]){re.escape(prefix + name)}(?![\w.-])", cmake):
        return True
    for call in re.findall(r"file\(\s*GLOB(?:_RECURSE)?\b[^)]*\)", cmake):
        if re.search(rf"(?<![\w/.-]){re.escape(prefix)}\*(?:_test)?\.cpp", call):
            return True
        if "GLOB_RECURSE" in call and re.search(r"(?<![\w/.-])\*\.cpp", call):
            return True
    return False


def _reachable(tree):
    """Folders whose CMakeLists.txt is read when the top one is."""
    found, waiting = set(), [PurePosixPath(".")]
    while waiting:
        folder = waiting.pop()
        path = (folder / "CMakeLists.txt").as_posix()
        if folder in found or not tree.has(path):
            continue
        found.add(folder)
        for name in re.findall(r"^\s*add_subdirectory\(\s*([\w./-]+)", tree.text(path), re.MULTILINE):
            waiting.append(folder / name)
    return found


def check_sources(tree):
    reachable = _reachable(tree)
    for path in tree.ending(".cpp"):
        file = PurePosixPath(path)
        built = any(
            folder in reachable
            and _names_it(
                tree.text((folder / "CMakeLists.txt").as_posix()),
                "" if folder == file.parent else file.parent.relative_to(folder).as_posix(),
                file.name,
            )
            for folder in file.parents
        )
        if not built:
            yield Finding("orphan-source", path, 1, "no CMakeLists.txt that is read builds it")

"""exemptions.txt: findings that are meant, each with its reason; an unused one is itself a finding."""

import re

from source_tree import Finding

FILE = "tests/tidy/exemptions.txt"
_LINE = re.compile(r"^(?P<check>[a-z-]+) (?P<path>\S+): (?P<reason>\S.{9,})$")


def apply(findings, tree, checks):
    """The findings that no exemption covers, and a finding for each bad or unused exemption."""
    exempt, left = {}, []
    lines = tree.text(FILE).splitlines() if tree.has(FILE) else []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = _LINE.match(line)
        if not match or match["check"] not in checks:
            left.append(Finding("exemption", FILE, number,
                                "not `<check> <path>: <reason>` with a known check and a real reason"))
            continue
        exempt[match["check"], match["path"]] = number
    unused = dict(exempt)
    for finding in findings:
        key = finding.check, finding.path
        if key in exempt:
            unused.pop(key, None)
        else:
            left.append(finding)
    left += [
        Finding("exemption", FILE, number, f"{check} {path}: nothing to exempt any more, remove it")
        for (check, path), number in unused.items()
    ]
    return left

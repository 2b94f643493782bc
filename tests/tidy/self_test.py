#!/usr/bin/python3
"""Each check must pass on a clean sample and fail on a seeded bad one: a check that cannot fail is a defect."""

import importlib.machinery
import importlib.util
import os
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.dont_write_bytecode = True


def load_run():
    loader = importlib.machinery.SourceFileLoader("tidy_run", str(HERE / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("tidy_run", loader))
    loader.exec_module(module)
    return module


RUN = load_run()

CLEAN = {
    "CMakeLists.txt": "add_subdirectory(common/mqtt)\nadd_subdirectory(edge-agent/core)\n"
                      "add_subdirectory(tests/unit)\n",
    "common/mqtt/CMakeLists.txt": "sallyport_library(mqtt)\n",
    "common/mqtt/README.md": "Shown by `Decoder.RefusesQos3`; see [the edge](../../edge-agent/README.md).\n",
    "common/mqtt/decode.hpp": "namespace sallyport::mqtt {\nint decode(int from);\n}\n",
    "common/mqtt/decode.cpp":
        '#include "common/mqtt/decode.hpp"\n'
        "// std::rand, <thread> and kj::Exception are only words here, as in \"namespace\".\n"
        'namespace sallyport::mqtt {\nint decode(int from) { return from == \'"\' ? 1\'000 : 2; }\n}\n',
    "edge-agent/README.md": "The edge.\n",
    "edge-agent/core/CMakeLists.txt": "sallyport_library(edge_core)\n",
    "edge-agent/core/edge_core.cpp": '#include "common/mqtt/decode.hpp"\n',
    "tests/README.md": "Tests.\n",
    "tests/unit/CMakeLists.txt": "sallyport_unit_test(mqtt)\n",
    "tests/unit/mqtt/decode_test.cpp":
        '#include "common/mqtt/decode.hpp"\nTEST(Decoder, RefusesQos3) { EXPECT_EQ(1, 1); }\n',
}

# check -> [(what is seeded, files added to or put in place of the clean ones)]
BAD = {
    "include-direction": [
        ("a lower room includes a higher one",
         {"common/base/README.md": "b", "common/base/bytes.hpp": "namespace sallyport::base {}\n",
          "common/base/CMakeLists.txt": "", "common/mqtt/decode.cpp":
          '#include "common/mqtt/decode.hpp"\n#include "common/ops/log.hpp"\n',
          "common/ops/log.hpp": '#include "common/base/bytes.hpp"\n'}),
        ("mqtt includes tunnel", {"common/mqtt/decode.cpp":
         '#include "common/mqtt/decode.hpp"\n#include "common/tunnel/frame.hpp"\n',
         "common/tunnel/frame.hpp": ""}),
        ("tunnel includes mqtt", {"common/tunnel/frame.hpp": '#include "common/mqtt/decode.hpp"\n'}),
        ("rooms of one rank", {"common/net/driver.hpp": '#include "common/storage/store.hpp"\n',
                               "common/storage/store.hpp": ""}),
        ("common includes an agent", {"common/mqtt/x.hpp": '#include "edge-agent/core/a.hpp"\n',
                                      "edge-agent/core/a.hpp": ""}),
        ("one agent includes another", {"edge-agent/core/edge_core.cpp":
         '#include "it-agent/emit/a.hpp"\n', "it-agent/emit/a.hpp": ""}),
        ("a room of an agent includes one above", {"edge-agent/spool/a.hpp":
         '#include "edge-agent/core/b.hpp"\n', "edge-agent/core/b.hpp": ""}),
        ("runtime includes main", {"dmz-relay/runtime/a.cpp": '#include "dmz-relay/main.hpp"\n',
                                   "dmz-relay/main.hpp": ""}),
        ("a core includes a room with I/O", {"edge-agent/core/edge_core.cpp":
         '#include "common/net/driver.hpp"\n', "common/net/driver.hpp": ""}),
        ("the product includes a test", {"edge-agent/core/edge_core.cpp":
         '#include "tests/unit/a.hpp"\n', "tests/unit/a.hpp": ""}),
        ("a path that is not from the top", {"common/mqtt/decode.cpp": '#include "decode.hpp"\n'}),
        ("a room without a rank", {"edge-agent/cellar/a.hpp": '#include "edge-agent/core/b.hpp"\n',
                                   "edge-agent/core/b.hpp": ""}),
    ],
    "core-purity": [
        (f"a core includes <{header}>", {"common/mqtt/decode.cpp": f"#include <{header}>\n"})
        for header in ("boost/asio/post.hpp", "boost/beast.hpp", "openssl/ssl.h", "sqlite3.h", "thread",
                       "mutex", "atomic", "random", "fstream", "filesystem", "iostream", "unistd.h",
                       "sys/stat.h")
    ] + [
        (f"a core calls {call}", {"edge-agent/core/edge_core.cpp": f"auto x = {call};\n"})
        for call in ("std::chrono::system_clock::now()", "std::rand()", 'getenv("A")',
                     'std::getenv("A")')
    ],
    "file-length": [("501 lines", {"common/mqtt/decode.cpp": "\n" * 501})],
    "function-length": [
        ("71 lines", {"common/mqtt/decode.cpp": "namespace a {\nint f()\n{\n" + "\n" * 68 + "}\n}\n"}),
        ("a method with a member list and a default argument",
         {"common/mqtt/decode.cpp": "class A {\npublic:\n A(B b = {}) : c_{1}, d_(2) {\n"
          + "if (a) { b(); }\n" * 70 + "}\n};\n"}),
        ("a test", {"tests/unit/mqtt/decode_test.cpp":
         "TEST(Decoder, RefusesQos3) {\n" + "EXPECT_TRUE(1);\n" * 70 + "}\n"}),
    ],
    "orphan-header": [("nobody includes it",
                       {"common/mqtt/lonely.hpp": "namespace sallyport::mqtt {}\n"})],
    "orphan-source": [
        ("a folder without a CMakeLists.txt", {"common/mqtt/inner/lonely.cpp": "\n"}),
        ("a folder that no add_subdirectory reads",
         {"edge-agent/spool/CMakeLists.txt": "sallyport_library(spool)\n", "edge-agent/spool/a.cpp": "\n",
          "edge-agent/spool/README.md": "s"}),
        ("a main beside a library", {"common/mqtt/main.cpp": "\n"}),
        ("a test folder that is not named", {"tests/unit/pki/a_test.cpp": "\n"}),
    ],
    "named-test": [
        ("no such test", {"edge-agent/README.md": "Shown by `Decoder.RefusesQos4`.\n"}),
        ("no such suite", {"edge-agent/README.md": "Shown by `SpoolTest.KeepsOrder`.\n"}),
        ("no such file", {"edge-agent/README.md": "See `tests/integration/outage.py`.\n"}),
    ],
    "link": [("no such file", {"edge-agent/README.md": "See [this](spool/README.md#full).\n"})],
    "readme": [("a room without one", {"common/pki/a.hpp": "namespace sallyport::pki {}\n"})],
    "namespace": [("another one", {"common/mqtt/decode.hpp": "namespace sallyport::codec {}\n"})],
    "note": [("a note to oneself", {"edge-agent/core/edge_core.cpp": "// TO" "DO: later\n"})],
    "kj-exception": [("caught elsewhere", {"edge-agent/core/edge_core.cpp":
                                           "try { f(); } catch (const kj::Exception&) {}\n"})],
    "machine-path": [
        ("an absolute path", {"edge-agent/README.md": "Build in " + "/work" + "/main.\n"}),
        ("the data folder", {"tests/unit/mqtt/decode_test.cpp": "// .." + "/shared/data\n"}),
    ],
    "run-bit": [("a script without it", {"tests/go": "#!/bin/sh\n"})],
    "exemption": [
        ("an unused one", {"tests/tidy/exemptions.txt": "note a.cpp: a reason that is long enough\n"}),
        ("without a reason", {"tests/tidy/exemptions.txt": "note a.cpp: -\n"}),
        ("an unknown check", {"tests/tidy/exemptions.txt": "size a.cpp: a reason that is long enough\n"}),
    ],
}


def findings(files):
    with tempfile.TemporaryDirectory() as folder:
        for path, text in files.items():
            file = Path(folder, path)
            os.makedirs(file.parent, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return RUN.findings_of(RUN.Tree(folder))


class Checks(unittest.TestCase):
    def test_a_clean_tree_has_no_findings(self):
        self.assertEqual([], findings(CLEAN))

    def test_every_check_has_a_bad_sample(self):
        self.assertEqual(set(RUN.CHECKS) | {"exemption"}, set(BAD))

    def test_an_exemption_covers_its_finding_alone(self):
        long_file = {"common/mqtt/decode.cpp": "\n" * 501}
        exempt = {"tests/tidy/exemptions.txt":
                  "file-length common/mqtt/decode.cpp: one table of the standard\n"}
        self.assertEqual([], findings(CLEAN | long_file | exempt))
        self.assertEqual(1, len(findings(
            CLEAN | long_file | exempt | {"edge-agent/core/edge_core.cpp": "\n" * 501})))

    def test_seventy_lines_are_allowed(self):
        self.assertEqual([], findings(CLEAN | {
            "common/mqtt/decode.cpp": "int f()\n{\n" + "\n" * 67 + "}\n"}))


def seeded(check, files):
    def test(self):
        found = [finding for finding in findings(CLEAN | files) if finding.check == check]
        self.assertEqual(1, len(found), found)
        self.assertTrue(any(file.startswith(found[0].path) for file in files), found)

    return test


for _check, _samples in BAD.items():
    for _what, _files in _samples:
        _name = f"test_{_check}_finds_{_what}".replace("-", "_").replace(" ", "_")
        assert not hasattr(Checks, _name), _name
        setattr(Checks, _name, seeded(_check, _files))


if __name__ == "__main__":
    result = unittest.TextTestRunner(stream=sys.stdout, verbosity=0).run(
        unittest.defaultTestLoader.loadTestsFromTestCase(Checks))
    bad = len(result.failures) + len(result.errors)
    print(f"tidy self-test: {result.testsRun - bad} passed, {bad} failed")
    sys.exit(1 if bad else 0)

#!/usr/bin/env python3
"""The checks find what they are for."""

import os
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import check


class Layers(unittest.TestCase):
    def offends(self, path, include):
        return bool(check.offences_of_layers(path, f'#include "{include}"\n'))

    def test_a_folder_includes_those_above_it_and_no_others(self):
        self.assertFalse(self.offends("src/net/server.cc", "journal/journal.h"))
        self.assertTrue(self.offends("src/journal/writer.cc", "net/server.h"))
        self.assertFalse(self.offends("src/journal/writer.cc", "journal/segment.h"))
        self.assertTrue(self.offends("src/clinical/score.cc", "journal/journal.h"))
        self.assertTrue(self.offends("src/nowhere/x.cc", "base/result.h"))
        self.assertTrue(self.offends("src/net/server.cc", "server.h"))

    def test_services_never_include_one_another(self):
        self.assertTrue(self.offends("src/services/epro/intake.cc", "services/trials/project.h"))
        self.assertFalse(self.offends("src/services/epro/intake.cc", "services/epro/report.h"))

    def test_only_tests_include_doubles(self):
        self.assertTrue(self.offends("src/io/posix.cc", "testing/faulty_disk.h"))
        self.assertFalse(self.offends("src/io/posix_test.cc", "testing/faulty_disk.h"))


class Words(unittest.TestCase):
    def offends(self, text, path="src/base/x.cc"):
        return bool(check.offences_of_words(path, text))

    def test_promises_and_machines(self):
        for text in ("// TO" + "DO: later", "good enough for " + "now", "/ro" + "ot/x",
                     '"/wo' + 'rk/main"'):
            self.assertTrue(self.offends(text), text)
        for text in ("for nowhere", "build/work/x", "$HOME/x", "https://example.org/work/x"):
            self.assertFalse(self.offends(text), text)

    def test_files_that_have_grown_too_long(self):
        self.assertTrue(self.offends("x\n" * 501))
        self.assertFalse(self.offends("x\n" * 501, "docs/long.md"))


class Headers(unittest.TestCase):
    def test_a_header_that_needs_another_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            good, bad = os.path.join(folder, "good.h"), os.path.join(folder, "bad.h")
            with open(good, "w") as file:
                file.write("#pragma once\n#include <string>\nstd::string Name();\n")
            with open(bad, "w") as file:
                file.write("#pragma once\nstd::string Name();\n")
            commands = os.path.join(folder, "commands.json")
            with open(commands, "w") as file:
                file.write("[]")
            found = check.offences_of_headers({good: "", bad: ""}, "c++", commands)
        self.assertFalse(found[good])
        self.assertTrue(found[bad])

    def test_a_source_that_includes_its_header_first_proves_it(self):
        files = {"src/a/x.h": "", "src/a/y.h": "",
                 "src/a/x.cc": '#include "a/x.h"\n#include "a/y.h"\n'}
        self.assertEqual(check.headers_to_compile(files), ["src/a/y.h"])


class Documents(unittest.TestCase):
    def test_metrics_and_alarms_that_only_one_side_knows(self):
        code = 'out.Gauge("weir_lag", "Lag.", 1);\nlog_->Warn(\n    "disk.slow", "it is slow");\n'
        known = "| `weir_lag{task}` | lag |\n| `disk.slow` | slow |\n"
        self.assertFalse(check.offences_of_documents(
            {"src/a.cc": code, "docs/operations.md": known}))
        found = check.offences_of_documents(
            {"src/a.cc": code, "docs/operations.md": "| `weir_other` | x |\n"})
        self.assertEqual(len(found["src/a.cc"]), 2)
        self.assertEqual(len(found["docs/operations.md"]), 1)


if __name__ == "__main__":
    unittest.main()

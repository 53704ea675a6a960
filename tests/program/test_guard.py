"""weir guard simulate: the story of a laboratory, from the sample trace to what an operator reads."""

import csv
import io
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

PROGRAM = os.environ["WEIR_TEST_PROGRAM"]
TRACE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs/laboratory.csv")


def simulate(*arguments):
    return subprocess.run([PROGRAM, "guard", "simulate", *arguments], capture_output=True, text=True,
                          timeout=60)


def seconds(*arguments):
    done = simulate(*arguments)
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


class Guard(unittest.TestCase):
    def test_states_hold_the_laboratory_off_in_three_seconds_and_let_it_back_in_five(self):
        passed = [int(row["passed"]) for row in seconds(TRACE)]
        self.assertEqual(passed[:20], [50] * 20)
        self.assertLess(max(passed[23:80]), 25)
        self.assertEqual(passed[85:], [50] * 15)

    def test_google_takes_longer_both_ways(self):
        rows = seconds(TRACE, "--controller", "google")
        self.assertGreater(int(rows[25]["passed"]), 25)
        self.assertLess(int(rows[85]["passed"]), 45)
        self.assertEqual(int(rows[99]["passed"]), 50)

    def test_a_bucket_passes_its_rate(self):
        rows = seconds(TRACE, "--controller", "bucket", "--rate", "10", "--burst", "10")
        self.assertEqual({int(row["passed"]) for row in rows[1:]}, {10})

    def test_the_plot_is_an_svg(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "plot.svg")
            seconds(TRACE, "--controller", "gozero", "--svg", path)
            self.assertTrue(ElementTree.parse(path).getroot().tag.endswith("svg"))

    def test_a_wrong_trace_is_refused_by_its_line_and_a_right_one_still_read(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "trace.csv")
            for wrong in ("", "at_ms\n", "at_ms,service_ms,result\n1,2,well\n",
                          "at_ms,service_ms,result\n-1,2,ok\n",
                          "at_ms,service_ms,result\n5,2,ok\n4,2,ok\n"):
                with open(path, "w", encoding="ascii") as file:
                    file.write(wrong)
                done = simulate(path)
                self.assertEqual(done.returncode, 1, wrong)
                self.assertIn("line ", done.stderr)
            with open(path, "w", encoding="ascii") as file:
                file.write("at_ms,service_ms,result\n4,2,ok\n5,2,ok\n")
            self.assertEqual(seconds(path)[0]["passed"], "2")
        self.assertEqual(simulate(TRACE, "--controller", "none").returncode, 2)


if __name__ == "__main__":
    unittest.main()

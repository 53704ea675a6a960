"""weir guard simulate: the stories of a laboratory and of a herd, from the sample traces to what an operator
reads."""

import csv
import io
import os
import subprocess
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

PROGRAM = os.environ["WEIR_TEST_PROGRAM"]
DOCS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../docs")
TRACE = os.path.join(DOCS, "laboratory.csv")
HERD = os.path.join(DOCS, "herd.csv")


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

    def test_the_default_shedder_holds_a_herd_at_the_disks_rate_and_readers_at_the_processors(self):
        rows = [{name: float(value) for name, value in row.items()}
                for row in seconds(HERD, "--controller", "auto")]
        self.assertEqual(len(rows), 28)
        self.assertEqual({row["urgent_refused"] for row in rows}, {0})
        usual = [*rows[:4], rows[15], *rows[25:]]
        self.assertEqual({row["refused"] for row in usual}, {0})
        for row in rows[4:12]:  # four times what the disk takes: 12,800 a second, besides 6,500 others
            self.assertGreater(row["report_refused"], 0)
            self.assertGreater(row["answered"], 0.9 * 12_800 + 6_500)
            self.assertEqual(row["read_refused"] + row["export_refused"], 0)
            self.assertLess(row["limit_high"] - row["limit_low"], 0.2 * row["limit_high"])
        for row in rows[16:24]:  # more calls than the processor can even refuse and serve
            self.assertEqual(row["report_refused"] + row["metric_refused"], 0)
            self.assertGreater(row["export_refused"], row["read_refused"])
            self.assertGreater(row["processor_share"], 0)

    def test_what_a_server_is_like_can_be_told(self):
        slow = seconds(TRACE, "--controller", "auto", "--cost-us", "40000")
        self.assertGreater(sum(int(row["refused"]) for row in slow), 0)
        self.assertEqual({row["refused"] for row in seconds(TRACE, "--controller", "auto")}, {"0"})
        for wrong in (("--sync-ms", "0"), ("--sync-records", "0"), ("--cost-us", "-1"), ("--cpu-threshold", "1000")):
            self.assertEqual(simulate(TRACE, "--controller", "auto", *wrong).returncode, 2, wrong)

    def test_the_plot_is_an_svg(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "plot.svg")
            for trace, controller, shown in ((TRACE, "gozero", "passed"), (HERD, "auto", "export")):
                seconds(trace, "--controller", controller, "--svg", path)
                root = ElementTree.parse(path).getroot()
                self.assertTrue(root.tag.endswith("svg"))
                self.assertIn(shown, "".join(root.itertext()))
            done = simulate(TRACE, "--svg", os.path.join(directory, "none", "plot.svg"))
            self.assertEqual(done.returncode, 1)
            self.assertIn("cannot be written", done.stderr)

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
                file.write("at_ms,service_ms,result,class\n1,2,ok,nurse\n")
            self.assertIn("line 2: class is urgent, report, metric, read or export",
                          simulate(path, "--controller", "auto").stderr)
            for away in (directory, path + ".away"):
                done = simulate(away)
                self.assertEqual(done.returncode, 1)
                self.assertIn("cannot be read", done.stderr)
            with open(path, "w", encoding="ascii") as file:
                file.write("at_ms,service_ms,result\n4,2,ok\n5,2,ok\n")
            self.assertEqual(seconds(path)[0]["passed"], "2")
        self.assertEqual(simulate(TRACE, "--controller", "none").returncode, 2)


if __name__ == "__main__":
    unittest.main()

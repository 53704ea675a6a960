"""The loop of measuring: the benchmark's comparison with its base, and the flame graphs."""

import os
import struct
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

from weir_server import ROOT, full_scale

sys.path.insert(0, os.path.join(ROOT, "bench"))
import base  # noqa: E402
import flame  # noqa: E402


def row(section, name, value, at_least=None, at_most=None, unit=""):
    return {"section": section, "name": name, "value": value, "unit": unit, "at_least": at_least,
            "at_most": at_most}


class Base(unittest.TestCase):
    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "base.json")

    def test_says_what_got_worse_and_better_beyond_the_tolerance(self):
        base.record([row("submit", "ratio to the floor", 0.60, at_least=0.75),
                     row("submit", "CPU, ratio to the floor", 1.90, at_most=1.6),
                     row("latency", "p99", 4.0, at_most=5, unit="ms"),
                     row("latency", "p50", 1.0, unit="ms")], self.path)
        worse, better = base.compare([row("submit", "ratio to the floor", 0.50, at_least=0.75),
                                      row("submit", "CPU, ratio to the floor", 1.50, at_most=1.6),
                                      row("latency", "p99", 5.9, at_most=5, unit="ms"),
                                      row("latency", "p50", 9.0, unit="ms"),
                                      row("new", "figure", 1.0, at_least=2)],
                                     base.read(self.path))
        self.assertEqual(worse, ["submit: ratio to the floor: 0.6 to 0.5 (-17%, tolerance 10%)"])
        self.assertEqual(better, ["submit: CPU, ratio to the floor: 1.9 to 1.5 (-21%, tolerance 10%)"])

    def test_a_difference_around_zero_and_a_count_of_none_are_compared_too(self):
        def cost(value):
            return row("guard", "CPU", value, at_most=0.4, unit="µs") | {"within": 0.3}

        def wrong(value):
            return row("herd", "found wrong", value, at_most=0)
        base.record([cost(-0.06), wrong(0)], self.path)
        self.assertEqual(base.compare([cost(0.2), wrong(0)], base.read(self.path)), ([], []))
        self.assertEqual(base.compare([cost(-0.2)], base.read(self.path)), ([], []))
        worse, better = base.compare([cost(0.35), wrong(2)], base.read(self.path))
        self.assertEqual(worse, ["guard: CPU: -0.06 to 0.35 µs (tolerance 0.3)",
                                 "herd: found wrong: 0 to 2 (tolerance 50%)"])
        self.assertEqual(better, [])

    def test_a_record_of_one_section_keeps_the_others(self):
        base.record([row("a", "x", 1.0, at_least=1), row("a", "gone", 1.0), row("b", "y", 2.0)], self.path)
        base.record([row("a", "x", 3.0, at_least=1)], self.path)
        kept = base.read(self.path)
        self.assertEqual(set(kept), {"a: x", "b: y"})
        self.assertEqual(kept["a: x"]["value"], 3.0)

    def test_without_a_base_nothing_is_worse(self):
        self.assertEqual(base.compare([row("a", "x", 1.0, at_least=9)], base.read(self.path)), ([], []))

    def test_the_sections_are_listed(self):
        done = subprocess.run([os.path.join(ROOT, "bench", "run"), "--list"], capture_output=True,
                              text=True, timeout=60, check=True)
        names = [line.split()[0] for line in done.stdout.splitlines()]
        for name in ("submit", "uring", "guard", "overload"):
            self.assertIn(name, names)


class Profile(unittest.TestCase):
    @unittest.skipUnless(full_scale(), "a sanitized program has no profiler")
    def test_make_profile_draws_what_the_server_does(self):
        with tempfile.TemporaryDirectory() as out:
            done = subprocess.run([os.path.join(ROOT, "bench", "profile"), "--seconds", "2", "--out", out],
                                  capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertRegex(done.stdout, r"reports/s, .* [1-9][0-9.]* allocations and [1-9][0-9,]* bytes")
            for name in ("cpu.svg", "alloc.svg", "alloc_count.svg", "heap.svg"):
                titles = [element.text for element in
                          ElementTree.parse(os.path.join(out, name)).iter("{http://www.w3.org/2000/svg}title")]
                self.assertGreater(len(titles), 20)
                self.assertTrue(any("weir::journal::" in title for title in titles), name)

    def test_stacks_are_folded_from_the_outside_in(self):
        cpu = struct.pack("=15Q", 0, 3, 0, 10_000, 0, 5, 2, 1, 3, 2, 1, 3, 0, 1, 0)
        stacks = flame.read_cpu(cpu + b"55d0-55d1 r-xp /weir\n")
        self.assertEqual(stacks, [(5, [1, 3]), (2, [3])])
        root = flame.fold(stacks, {1: "leaf", 3: "outer"})
        self.assertEqual(root.children["outer"].weight, 7)
        self.assertEqual(root.children["outer"].children["leaf"].own, 5)
        self.assertEqual(flame.heaviest(root, 1), [(5 / 7, "leaf")])
        self.assertEqual(flame.without_allocator([(9, [7, 1, 7])], {1: "leaf", 7: "tcmalloc::allocate"}),
                         [(9, [1, 7])])

    def test_bytes_of_a_heap_are_what_their_samples_stand_for(self):
        heap = ("heap profile: 3: 192 [3: 192] @ heap_v2/4096\n  2: 128 [2: 128] @ 0x1 0x3\n"
                "  0: 0 [1: 64] @ 0x5\n\nMAPPED_LIBRARIES:\n")
        self.assertEqual(flame.read_heap(heap), [(8256, [1, 3])])  # each of 64 bytes: one in 64.5
        allocations = "heap profile: 0: 0 [3: 96] @ heapprofile\n0: 0 [3: 96] @ 0x1 0x3\n"
        self.assertEqual(flame.read_allocations(allocations), ([(96, [1, 3])], [(3, [1, 3])]))

    def test_names_are_shortened_to_what_tells_them_apart(self):
        self.assertEqual(flame.shorten("std::map<int, a<b> >::find(int) const"), "std::map::find")


if __name__ == "__main__":
    unittest.main()

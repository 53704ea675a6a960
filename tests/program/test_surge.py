"""The load generator against the real server: both protocols, in the clear and over TLS, a
certificate that does not hold, and a server that stops and comes back under it."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import unittest

from certificates import make_certificate
from weir_server import PROGRAM, Server, full_scale, wait_for

REPORTS = 4000 if full_scale() else 800


def surge(url, *arguments):
    """(exit status, what it said, its figures)"""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as figures:
        done = subprocess.run([PROGRAM, "surge", "--url", url, "--json", figures.name, *arguments],
                              capture_output=True, text=True, timeout=300, check=False)
        text = figures.read()
    return done.returncode, done.stdout + done.stderr, json.loads(text) if text else None


class Surge(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        cls.one = make_certificate(cls.directory.name, "one")
        cls.other = make_certificate(cls.directory.name, "other")
        cls.tls = [f"Tls.CertFile={cls.one}.crt", f"Tls.KeyFile={cls.one}.key"]

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def assert_verified(self, url, *arguments):
        status, said, figures = surge(url, "--patients", str(REPORTS), "--over", "1s",
                                      "--connections", "20", "--verify", *arguments)
        self.assertEqual(status, 0, said)
        self.assertEqual(figures["acknowledged"], REPORTS, said)
        self.assertEqual(figures["verified"]["read_back"], REPORTS, said)
        self.assertGreater(figures["alerts"]["urgent"]["count"], 0, said)
        self.assertEqual(figures["http2"], "--http2" in arguments)
        return said

    def test_reports_in_the_clear(self):
        with Server() as server:
            url = f"http://127.0.0.1:{server.port}"
            self.assert_verified(url)
            self.assert_verified(url, "--http2")
            self.assertGreater(server.metric("weir_http_requests_total"), 2 * REPORTS)

    def test_reports_over_tls(self):
        with Server(sets=self.tls) as server:
            url = f"https://localhost:{server.port}"
            trusted = ["--cacert", self.one + ".crt"]
            said = self.assert_verified(url, *trusted)
            self.assertIn("over TLS", said)
            self.assert_verified(url, "--http2", *trusted)
            self.assert_verified(f"https://127.0.0.1:{server.port}", "--http2", "--insecure")

    def test_a_certificate_that_does_not_hold(self):
        with Server(sets=self.tls) as server:
            url = f"https://127.0.0.1:{server.port}"
            for http2 in ([], ["--http2"]):
                status, said, _ = surge(url, "--patients", "10", "--cacert", self.other + ".crt",
                                        *http2)
                self.assertEqual(status, 1)
                self.assertRegex(said, "no connection to .*certificate verify failed")
            status, said, _ = surge(url, "--patients", "10", "--over", "1ms", "--cacert",
                                    self.one + ".crt")
            self.assertEqual(status, 0, said)

    def test_what_the_server_does_not_speak_is_said(self):
        with Server(sets=self.tls) as server:
            status, said, _ = surge(f"http://127.0.0.1:{server.port}", "--patients", "10", "--http2")
            self.assertEqual(status, 1)
            self.assertRegex(said, "no connection to .*(HTTP/2|closed)")
        with Server() as server:
            status, said, _ = surge(f"https://127.0.0.1:{server.port}", "--patients", "10",
                                    "--insecure")
            self.assertEqual(status, 1)
            self.assertRegex(said, "no connection to .*(TLS|closed)")

    def test_nothing_is_lost_where_the_server_stops_and_comes_back(self):
        """It says that it goes away; what it did not take is sent again, elsewhere and later."""
        with Server() as server:
            before = server.sets
            with tempfile.TemporaryFile("w+") as output:
                running = subprocess.Popen(
                    [PROGRAM, "surge", "--url", f"http://127.0.0.1:{server.port}", "--patients",
                     str(4 * REPORTS), "--over", "4s", "--http2", "--verify"],
                    stdout=output, stderr=subprocess.STDOUT)
                try:
                    wait_for(lambda: (server.metric("weir_http_requests_total") or 0) > REPORTS, 60,
                             "reports on their way")
                    server.process.send_signal(signal.SIGTERM)
                    self.assertEqual(server.wait(60), 0)
                    server.sets = [*before, f"Port={server.port}"]
                    server.start()
                    self.assertEqual(running.wait(200), 0)
                finally:
                    if running.poll() is None:
                        running.kill()
                        running.wait()
                    output.seek(0)
                    said = output.read()
                self.assertRegex(said, r"verified +\S+ read back: 0 missing, 0 doubled", said)
                self.assertEqual(int(re.search(r"acknowledged +([\d,]+) of", said).group(1)
                                     .replace(",", "")), 4 * REPORTS, said)

    def test_where_one_address_has_too_few_ports_it_comes_from_several(self):
        own_network = ["unshare", "--map-root-user", "--net"]
        allowed = subprocess.run([*own_network, "true"], capture_output=True, check=False)
        if allowed.returncode != 0:
            self.skipTest("a network of its own is not allowed: " + allowed.stderr.decode().strip())
        inside = os.path.join(os.path.dirname(os.path.abspath(__file__)), "few_ports.py")
        done = subprocess.run([*own_network, sys.executable, inside],
                              capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()

"""What operators put beside the server: its metrics, the alert rules and the dashboard, held against
promtool and against what the server really says."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

from certificates import make_certificate
from weir_server import ROOT, Server

OPERATIONS = os.path.join(ROOT, "docs", "operations")
NAME = re.compile(r"\bweir_[a-z0-9_]+\b")


def find_promtool():
    """In the path, or out of Debian's package, which is unpacked and not installed: it would start a
    Prometheus. Why there is none, instead."""
    found = shutil.which("promtool")
    if found:
        return found, ""
    tools = os.path.join(ROOT, "build", "tools")
    promtool = os.path.join(tools, "promtool")
    if not os.path.exists(promtool):
        os.makedirs(tools, exist_ok=True)
        with tempfile.TemporaryDirectory() as directory:
            got = subprocess.run(["apt-get", "download", "prometheus"], cwd=directory,
                                 capture_output=True, text=True, timeout=300, check=False)
            packages = [name for name in os.listdir(directory) if name.endswith(".deb")]
            if not packages:
                return None, "promtool could not be had: " + got.stderr[-200:]
            subprocess.run(["dpkg", "-x", packages[0], "unpacked"], cwd=directory, check=True,
                           timeout=300)
            shutil.copy(os.path.join(directory, "unpacked", "usr", "bin", "promtool"),
                        promtool + ".new")
            os.replace(promtool + ".new", promtool)
    return promtool, ""


class Observability(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.TemporaryDirectory()
        certificate = make_certificate(cls.directory.name, "server")
        # With all that has metrics of its own: TLS, a target with its breaker, traces.
        with Server(sets=[f"Tls.CertFile={certificate}.crt", f"Tls.KeyFile={certificate}.key",
                          "Alerts.Targets.ward.Url=http://127.0.0.1:9/alerts",
                          "Alerts.Targets.ward.Secret=s3cret",
                          "Trace.Otlp.Endpoint=127.0.0.1:9",
                          "Alerts.Routes=[{Doctor: d1, Targets: [ward]}]"]) as server:
            cls.metrics = server.admin("/metrics").body.decode()

    @classmethod
    def tearDownClass(cls):
        cls.directory.cleanup()

    def promtool(self, *arguments, text=None):
        promtool, why = find_promtool()
        if not promtool:
            self.skipTest(why)
        done = subprocess.run([promtool, *arguments], input=text, capture_output=True, text=True,
                              timeout=120, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def check_known(self, text, what):
        families = set(re.findall(r"^# TYPE (\S+)", self.metrics, re.M))
        for name in NAME.findall(text):
            family = re.sub(r"_(bucket|sum|count)$", "", name)
            self.assertTrue(name in families or family in families, f"{what} names {name}")

    def test_the_metrics_are_clean(self):
        self.assertEqual(self.promtool("check", "metrics", text=self.metrics).strip(), "")

    def test_the_rules_are_accepted_and_do_what_they_say(self):
        rules = os.path.join(OPERATIONS, "weir-alerts.yaml")
        self.assertIn("18 rules found", self.promtool("check", "rules", rules))
        self.assertIn("SUCCESS", self.promtool("test", "rules",
                                               os.path.join(OPERATIONS, "weir-alerts-test.yaml")))
        with open(rules, encoding="utf-8") as file:
            self.check_known(file.read(), "a rule")

    def test_the_dashboard_asks_for_what_there_is(self):
        with open(os.path.join(OPERATIONS, "weir-dashboard.json"), encoding="utf-8") as file:
            dashboard = json.load(file)
        expressions = [target["expr"] for panel in dashboard["panels"]
                       for target in panel.get("targets", [])]
        self.assertGreater(len(expressions), 20)
        rules = {"groups": [{"name": "dashboard", "rules": [
            {"record": f"panel:{i}", "expr": expression}
            for i, expression in enumerate(expressions)]}]}
        path = os.path.join(self.directory.name, "expressions.yaml")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(rules, file)  # JSON is YAML
        self.promtool("check", "rules", path)
        for expression in expressions:
            self.check_known(expression, "the dashboard")


if __name__ == "__main__":
    unittest.main()

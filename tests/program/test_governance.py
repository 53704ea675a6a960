"""What stands before requests: the configuration that people have, the bounds, the rate limits, and
that all of it is reloaded without dropping a connection."""

import http.client
import json
import os
import signal
import subprocess
import tempfile
import threading
import unittest

from weir_server import PROGRAM, Server, SlowServer, phq9, wait_for

PATIENT_SERVICE = """
Name: patient-service
Host: 0.0.0.0
Port: 8888
Rest:
  Middlewares:
    Trace: true
    Prometheus: true
    Breaker: true
    Shedder: true
Shedder:
  CpuThreshold: 900
  MaxConcurrency: 10000
  MaxQueueing: 5000
"""


def report(number, **fields):
    return json.dumps({"report_id": f"r{number}", "patient_id": "p1", "data": "text", **fields})


SUICIDAL = phq9("", "", [0] * 8 + [3])["data"]


def json_headers(**more):
    return {"Content-Type": "application/json", **more}


class Connection:
    """One connection that is kept, and complains if the server drops it."""

    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.connect()
        self.socket = self.connection.sock

    def submit(self, number, headers=None, **fields):
        self.connection.request("POST", "/submit", report(number, **fields),
                                headers or json_headers())
        response = self.connection.getresponse()
        response.body = response.read()
        assert self.connection.sock is self.socket, "the connection was dropped"
        return response

    def close(self):
        self.connection.close()


class Governance(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.config = os.path.join(self.directory.name, "weir.yaml")

    def write(self, text):
        with open(self.config, "w", encoding="utf-8") as file:
            file.write(text)

    def connect(self, server):
        connection = Connection(server.port)
        self.addCleanup(connection.close)
        return connection

    def reload(self, server):
        done = server.text().count("config.reload_done")
        server.process.send_signal(signal.SIGHUP)
        wait_for(lambda: server.text().count("config.reload_done") > done, 30, "the reload")

    def test_the_configuration_people_have_says_what_it_lacks_and_then_serves(self):
        self.write(PATIENT_SERVICE)
        checked = subprocess.run([PROGRAM, "config", "check", self.config], capture_output=True,
                                 text=True, timeout=60, check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)
        shown = subprocess.run([PROGRAM, "config", "show", self.config], capture_output=True,
                               text=True, timeout=60, check=False)
        self.assertIn("Name: patient-service", shown.stdout, shown.stderr)
        data = ["--set", f"DataDir={os.path.join(self.directory.name, 'data')}"]
        refused = subprocess.run([PROGRAM, "serve", "--config", self.config, *data],
                                 capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(refused.returncode, 2)
        lacks = [line for line in refused.stderr.splitlines() if "0.0.0.0" in line]
        self.assertEqual(len(lacks), 1, refused.stderr)
        self.assertIn("InsecureAllowPublic: true", lacks[0])
        self.assertIn("weir tokens add", lacks[0])
        added = subprocess.run([PROGRAM, "tokens", "add", "app", *data], capture_output=True,
                               text=True, timeout=60, check=False)
        self.assertEqual(added.returncode, 0, added.stderr)
        token = next(word for word in added.stdout.split() if len(word) > 30)
        with Server(data_dir=os.path.join(self.directory.name, "data"), config=self.config,
                    sets=["InsecureAllowPublic=true"]) as server:
            # What the banner proposes to try carries a token, too.
            proposed = server.text().partition("  try ")[2].partition("  data ")[0]
            tried = subprocess.run(
                ["sh", "-c", proposed], capture_output=True, text=True, timeout=60, check=True,
                env={**os.environ, "WEIR_TOKEN": token})
            self.assertIn("receipt", json.loads(tried.stdout))
            connection = self.connect(server)
            self.assertEqual(connection.submit(2).status, 401)
            allowed = json_headers(Authorization=f"Bearer {token}")
            self.assertEqual(connection.submit(2, allowed).status, 202)

    def test_traces_and_the_metrics_of_requests_can_be_switched_off(self):
        trace = "0af7651916cd43dd8448eb211c80319c"
        for wanted in (True, False):
            switch = "true" if wanted else "false"
            self.write(f"Rest: {{Middlewares: {{Trace: {switch}, Prometheus: {switch}}}}}\n")
            with Server(config=self.config) as server:
                connection = self.connect(server)
                self.assertEqual(connection.submit(1).status, 202)
                refused = connection.submit(2, json_headers(traceparent=f"00-{trace}-b7ad6b7169203331-01"),
                                            patient_id="")
                self.assertEqual(json.loads(refused.body)["trace_id"] == trace, wanted)
                metrics = server.admin("/metrics").body.decode()
                self.assertEqual("weir_http_requests_total" in metrics, wanted)
                self.assertEqual("weir_http_request_seconds" in metrics, wanted)
                self.assertIn("weir_guard_admitted_total", metrics)

    def test_over_a_rate_limit_is_429_until_it_is_raised_and_no_connection_is_dropped(self):
        self.write("RateLimits:\n  Token:\n    PerSecond: 0.01\n    Burst: 3\n")
        with Server(config=self.config) as server:
            connection = self.connect(server)
            for number in range(3):
                self.assertEqual(connection.submit(number).status, 202)
            refused = connection.submit(3)
            self.assertEqual(refused.status, 429)
            self.assertEqual(refused.headers["RateLimit"].split(";")[:2], ['"token"', "r=0"])
            self.assertEqual(refused.headers["RateLimit-Policy"], '"token";q=3;w=300')
            self.assertGreaterEqual(int(refused.headers["Retry-After"]), 100)
            self.assertEqual(json.loads(refused.body)["type"], "/problems/rate-limited")
            self.write("RateLimits:\n  Token:\n    PerSecond: 1000\n")
            self.reload(server)
            self.assertEqual(connection.submit(3).status, 202)
            self.assertEqual(server.metric("weir_rate_limited_total", '{limit="token"}'), 1)

    def test_a_study_over_its_limit_leaves_others_alone_and_its_urgent_reports_pass(self):
        self.write("RateLimits:\n  Study:\n    PerSecond: 0.01\n    Burst: 1\n")
        with Server(config=self.config) as server:
            connection = self.connect(server)
            self.assertEqual(connection.submit(1, study_id="a").status, 202)
            self.assertEqual(connection.submit(2, study_id="a").status, 429)
            self.assertEqual(connection.submit(2, study_id="b").status, 202)
            self.assertEqual(connection.submit(3, study_id="a", data=SUICIDAL).status, 202)
            for path in ("/api/v1/reports?study=a", "/api/v1/reports/a/r1"):
                self.assertEqual(server.get(path).status, 429, path)
            lines = "".join(report(number, study_id="a") + "\n" for number in (4, 5))
            batch = server.request("POST", "/api/v1/reports:batch", lines,
                                   {"Content-Type": "application/x-ndjson"})
            for line in map(json.loads, batch.body.splitlines()):
                self.assertEqual(line["status"], 429)
                self.assertGreaterEqual(line["retry_after"], 50)
            self.assertEqual(server.get("/api/v1/reports?study=c").status, 200)
            self.assertEqual(server.get("/api/v1/alerts?study=a").status, 200)

    def test_the_address_that_a_trusted_proxy_names_is_limited(self):
        self.write("RateLimits:\n  Address:\n    PerSecond: 0.01\n    Burst: 1\n"
                   "  TrustedProxies: [127.0.0.1]\n")
        with Server(config=self.config) as server:
            connection = self.connect(server)

            def from_address(number, address):
                return connection.submit(number, json_headers(**{"X-Forwarded-For": address})).status

            self.assertEqual(from_address(1, "198.51.100.1"), 202)
            self.assertEqual(from_address(2, "6.6.6.6, 198.51.100.1"), 429)
            self.assertEqual(from_address(2, "198.51.100.2"), 202)
            self.write("RateLimits:\n  Address:\n    PerSecond: 0.01\n    Burst: 1\n")
            self.reload(server)  # it is no longer believed: all are one address
            self.assertEqual(from_address(3, "198.51.100.3"), 202)
            self.assertEqual(from_address(4, "198.51.100.4"), 429)

    def test_over_the_bound_is_503_with_retry_after_and_sending_again_succeeds(self):
        self.write("Shedder:\n  MaxConcurrency: 1\n")
        with Server(config=self.config) as server:
            statuses, lock = {}, threading.Lock()

            def flood(which):
                connection = Connection(server.port)
                try:
                    for number in range(50):
                        answer = connection.submit(f"{which}-{number}")
                        with lock:
                            statuses[f"{which}-{number}"] = answer.status
                            if answer.status == 503:
                                self.assertIn(int(answer.headers["Retry-After"]), range(1, 11))
                finally:
                    connection.close()

            threads = [threading.Thread(target=flood, args=(i,)) for i in range(16)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(set(statuses.values()), {202, 503})
            self.write("Shedder:\n  MaxConcurrency: 10000\n")
            self.reload(server)
            connection = self.connect(server)
            for name, status in statuses.items():
                self.assertEqual(connection.submit(name).status, 200 if status == 202 else 202)
            self.assertEqual(server.metric("weir_guard_in_flight"), 0)
            self.assertEqual(server.metric("weir_guard_queueing"), 0)

    def test_what_the_disk_cannot_take_is_shed_but_for_urgent_reports_and_counted_in_a_dry_run(self):
        config = "Journal: {BatchRecordsMax: 4}\nShedder:\n  DryRun: "  # 80 reports a second
        self.write(config + "true\n")

        def flood(server, name):
            answers = []

            def send(which):
                connection = Connection(server.port)
                urgent = which % 16 == 0
                for number in range(4):
                    answer = connection.submit(f"{name}-{which}-{number}",
                                               data=SUICIDAL if urgent else "text")
                    answers.append((urgent, answer.status, answer.headers["Retry-After"]))
                connection.close()

            threads = [threading.Thread(target=send, args=(which,)) for which in range(80)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(answers), 4 * len(threads))
            return answers

        def shed(server, counter):
            return server.metric(counter, '{class="report",reason="disk"}')

        with SlowServer(50, os.path.join(self.directory.name, "data"), config=self.config) as server:
            self.assertEqual({status for _, status, _ in flood(server, "dry")}, {202})
            self.assertGreater(shed(server, "weir_guard_would_shed_total"), 0)
            self.assertEqual(shed(server, "weir_guard_shed_total"), 0)
            self.write(config + "false\n")
            self.reload(server)
            answers = flood(server, "wet")
            refused = [wait for _, status, wait in answers if status == 503]
            self.assertEqual(shed(server, "weir_guard_shed_total"), len(refused))
            self.assertGreater(len(refused), 0)
            self.assertLessEqual(set(refused), {str(seconds) for seconds in range(1, 11)})
            self.assertGreater(len(set(refused)), 3, "a herd comes back spread")
            self.assertEqual({status for urgent, status, _ in answers if urgent}, {202})

    def test_answers_are_measured_by_class_and_logged_by_share(self):
        self.write("Log:\n  AccessShare: 1\n  Burst: 1000\n")
        with Server(config=self.config) as server:
            connection = self.connect(server)
            for number in range(20):
                self.assertEqual(connection.submit(f"planted-{number}").status, 202)
            self.assertEqual(connection.submit("planted-urgent", data=SUICIDAL).status, 202)
            server.get("/api/v1/tasks")
            self.assertEqual(server.metric("weir_http_request_seconds_count", '{class="report"}'), 20)
            self.assertEqual(server.metric("weir_http_request_seconds_count", '{class="urgent"}'), 2)
            wait_for(lambda: server.text().count('"event":"access"') >= 22, 30, "the lines")
            line = next(json.loads(line) for line in server.text().splitlines()
                        if '"event":"access"' in line)
            self.assertEqual((line["route"], line["status"]), ("/submit", 202))
            self.assertNotIn("trace_id", line)
            self.assertNotIn("planted", server.text())

    def test_the_share_of_answers_that_are_logged_is_reloaded(self):
        self.write("Log:\n  AccessShare: 0\n")
        with Server(config=self.config) as server:
            connection = self.connect(server)

            def lines():
                return server.text().count('"event":"access"')

            self.assertEqual(connection.submit("before").status, 202)
            self.write("Log:\n  AccessShare: 1\n")
            self.reload(server)
            self.assertEqual(lines(), 0)
            self.assertEqual(connection.submit("logged").status, 202)
            wait_for(lambda: lines() == 1, 30, "the line of what came after the reload")
            self.write("Log:\n  AccessShare: 0\n")
            self.reload(server)
            self.assertEqual(connection.submit("after").status, 202)
            self.assertEqual(server.terminate(), 0)
            self.assertEqual(lines(), 1)

    def test_a_client_that_leaves_gives_its_place_back(self):
        self.write("Shedder:\n  MaxConcurrency: 20\n")
        with Server(config=self.config) as server:
            for number in range(200):
                connection = Connection(server.port)
                connection.connection.request("POST", "/submit", report(number), json_headers())
                connection.close()
            wait_for(lambda: self.connect(server).submit("last").status == 202, 30,
                     "a place")
            wait_for(lambda: server.metric("weir_guard_in_flight") == 0, 30, "all places free")


if __name__ == "__main__":
    unittest.main()

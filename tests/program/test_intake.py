"""A patient's report comes in, is acknowledged when it is durable, and can be read back."""

import concurrent.futures
import gzip
import hashlib
import http.client
import json
import signal
import subprocess
import unittest

from weir_server import PROGRAM, Server, full_scale, phq9, wait_for


def sha256(body):
    return hashlib.sha256(body).hexdigest()


class Intake(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def post(self, body, path="/submit", **headers):
        return self.server.request("POST", path, body=body,
                                   headers={"Content-Type": "application/json", **headers})

    def test_the_short_form_is_accepted_and_read_back_byte_for_byte(self):
        body = b'{"report_id":"short-1","patient_id":"p1","data":"free text"}'
        answer = self.post(body)
        self.assertEqual(answer.status, 202, answer.body)
        receipt = answer.json()
        self.assertEqual(receipt["message"], "Report received and queued for processing.")
        self.assertEqual(receipt["report_id"], "short-1")
        self.assertEqual(receipt["receipt"]["sha256"], sha256(body))
        stored = self.server.get("/api/v1/reports/default/short-1")
        self.assertEqual(stored.status, 200, stored.body)
        self.assertIn(b'"report":' + body, stored.body)
        self.assertEqual(stored.json()["receipt"], receipt["receipt"])
        self.assertEqual(stored.json()["received_at"], receipt["received_at"])

    def test_white_space_and_unknown_fields_are_kept(self):
        body = b' {"x": [1.50, null], "report_id":"kept-1",\n "patient_id":"p1","data":{} } '
        self.assertEqual(self.post(body).status, 202)
        stored = self.server.get("/api/v1/reports/default/kept-1")
        self.assertIn(body, stored.body)

    def test_a_repeat_gets_the_first_receipt(self):
        body = b'{"report_id":"twice-1","patient_id":"p1","data":"x"}'
        first = self.post(body)
        again = self.post(body, path="/api/v1/reports")
        self.assertEqual((first.status, again.status), (202, 200))
        self.assertEqual(again.json(), {**first.json(), "duplicate": True})

    def test_other_bytes_under_a_known_id_are_a_conflict_that_is_kept(self):
        self.assertEqual(self.post(b'{"report_id":"c-1","patient_id":"p","data":"a"}').status, 202)
        other = b'{"report_id":"c-1","patient_id":"p","data":"b"}'
        answer = self.post(other)
        self.assertEqual(answer.status, 409)
        self.assertEqual(answer.json()["type"], "/problems/report-conflict")
        self.assertEqual(answer.json()["receipt"]["sha256"], sha256(other))
        self.assertEqual(self.post(other).json()["receipt"], answer.json()["receipt"])
        self.server.wait_applied()
        listed = self.server.get("/api/v1/studies/default/conflicts").json()["conflicts"]
        self.assertEqual([c["report"]["data"] for c in listed if c["report_id"] == "c-1"], ["b"])

    def test_ten_conflicts_of_an_id_are_kept_and_no_more(self):
        def send(data):
            return self.server.submit({"report_id": "many-1", "patient_id": "p", "data": str(data)})
        self.assertEqual(send(0).status, 202)
        answers = [send(i).json() for i in range(1, 13)]
        types = [a["type"] for a in answers]
        self.assertEqual(types[:10], ["/problems/report-conflict"] * 10)
        self.assertEqual(types[10:], ["/problems/report-conflict-limit"] * 2)

    def test_the_same_id_in_another_study_is_another_report(self):
        body = {"report_id": "s-1", "patient_id": "p", "data": "x"}
        first = self.server.submit({**body, "study_id": "one"})
        second = self.server.submit({**body, "study_id": "two"})
        self.assertEqual((first.status, second.status), (202, 202))

    def test_each_offending_field_is_named(self):
        answer = self.server.submit({"report_id": 5, "patient_id": "a\nb", "authored_at": "noon"})
        self.assertEqual(answer.status, 422)
        self.assertEqual(answer.headers["Content-Type"], "application/problem+json")
        self.assertEqual({e["path"] for e in answer.json()["errors"]},
                         {"report_id", "patient_id", "data", "authored_at"})

    def test_what_is_not_a_report_is_refused_with_the_right_status(self):
        self.assertEqual(self.post(b"{").status, 400)
        self.assertEqual(self.post(b"[]").status, 400)
        self.assertEqual(self.post(b'{"report_id":"\xff","patient_id":"p","data":""}').status, 400)
        self.assertEqual(self.post(b"{}", **{"Content-Type": "text/plain"}).status, 415)
        self.assertEqual(self.post(b"x" * (1 << 20) + b"x").status, 413)
        self.assertEqual(self.server.get("/nowhere").status, 404)
        wrong = self.server.get("/submit")
        self.assertEqual((wrong.status, wrong.headers["Allow"]), (405, "POST, OPTIONS"))
        options = self.server.request("OPTIONS", "/api/v1/reports")
        self.assertEqual(options.status, 204)
        self.assertIn("POST", options.headers["Allow"])

    def test_head_ends_with_the_head_and_what_follows_is_answered(self):
        for path in ("/openapi.json", "/api/v1/alerts/stream",
                     "/api/v1/studies/default/export?table=items"):
            connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
            connection.request("HEAD", path)
            head = connection.getresponse()
            self.assertEqual((head.status, head.read()), (200, b""), path)
            connection.request("GET", "/api/v1/tasks")  # on the same connection
            self.assertIn("tasks", json.loads(connection.getresponse().read()), path)
            connection.close()

    def test_a_missing_content_type_counts_as_json(self):
        answer = self.server.request("POST", "/submit",
                                     body=b'{"report_id":"n-1","patient_id":"p","data":""}')
        self.assertEqual(answer.status, 202)

    def test_a_batch_is_of_lines_of_json_and_says_so(self):
        line = b'{"report_id":"n-2","patient_id":"p","data":""}'
        def send(path, content_type):
            return self.server.request("POST", path, body=line,
                                       headers={"Content-Type": content_type} if content_type else {})
        for good in ("", "application/x-ndjson", "Application/NDJSON; charset=utf-8", "application/json"):
            self.assertEqual(send("/api/v1/reports:batch", good).status, 200, good)
        for bad in ("text/plain", "application/x-www-form-urlencoded"):
            answer = send("/api/v1/reports:batch", bad)
            self.assertEqual((answer.status, answer.json()["type"]),
                             (415, "/problems/unsupported-media-type"), bad)
        self.assertEqual(send("/submit", "Application/JSON").status, 200)

    def test_gzip_is_decoded_and_hashed_as_it_was_before(self):
        body = b'{"report_id":"z-1","patient_id":"p","data":"zipped"}'
        answer = self.post(gzip.compress(body), **{"Content-Encoding": "gzip"})
        self.assertEqual(answer.status, 202)
        self.assertEqual(answer.json()["receipt"]["sha256"], sha256(body))
        bomb = self.post(gzip.compress(b" " * (8 << 20)), **{"Content-Encoding": "gzip"})
        self.assertEqual(bomb.status, 413)

    def test_a_chunked_body_is_taken(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        pieces = [b'{"report_id":"ch-1",', b'"patient_id":"p","data":""}']
        connection.request("POST", "/submit", body=iter(pieces), encode_chunked=True,
                           headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(connection.getresponse().status, 202)
        connection.close()

    def test_a_batch_is_answered_line_for_line_in_order(self):
        lines = []
        for i in range(3000):
            lines.append(json.dumps({"report_id": f"b-{i}", "patient_id": "p", "data": ""}))
        lines[10] = "{"
        lines[20] = json.dumps({"report_id": "b-21", "patient_id": "p", "data": ""})  # as line 22
        lines[30] = ""
        answer = self.server.request("POST", "/api/v1/reports:batch",
                                     body="\n".join(lines).encode(),
                                     headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual(answer.status, 200, answer.body[:300])
        results = [json.loads(line) for line in answer.body.splitlines()]
        self.assertEqual([r["line"] for r in results],
                         [i + 1 for i in range(3000) if i != 30])
        by_line = {r["line"]: r for r in results}
        self.assertEqual(by_line[11]["status"], 400)
        self.assertEqual(by_line[11]["problem"]["type"], "/problems/malformed")
        self.assertEqual(sorted([by_line[21]["status"], by_line[22]["status"]]), [200, 202])
        self.assertEqual(by_line[21]["receipt"], by_line[22]["receipt"])
        self.assertEqual(by_line[3000]["status"], 202)

    def test_a_report_that_cannot_wait_is_told_to_send_again(self):
        body = b'{"report_id":"late-1","patient_id":"p","data":""}'
        answer = self.post(body, **{"X-Request-Timeout-Ms": "30000"})
        self.assertEqual(answer.status, 202)

    def test_a_deadline_is_a_number_of_milliseconds(self):
        body = b'{"report_id":"late-2","patient_id":"p","data":""}'
        for good in ("30000", "999999999999"):  # at most what is configured
            self.assertIn(self.post(body, **{"X-Request-Timeout-Ms": good}).status, (200, 202), good)
        for bad in ("0", "-1", "soon", "5s", "1.5", "-99999999999"):
            answer = self.post(body, **{"X-Request-Timeout-Ms": bad})
            self.assertEqual((answer.status, answer.json()["type"]), (400, "/problems/malformed"), bad)

    def test_sixty_four_connections_send_the_same_report_at_once(self):
        with Herd(self.server) as herd:
            for i in range(1000 if full_scale() else 50):
                body = b'{"report_id":"same-%d","patient_id":"p","data":""}' % i
                statuses, receipts = herd.send(body)
                self.assertEqual((statuses.count(202), statuses.count(200)), (1, 63))
                self.assertEqual(len(set(receipts)), 1)


class Herd:
    """Sixty-four connections that send the same at once."""

    def __init__(self, server):
        self.connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                            for _ in range(64)]
        self.pool = concurrent.futures.ThreadPoolExecutor(len(self.connections))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.pool.shutdown()
        for connection in self.connections:
            connection.close()

    def send(self, body):
        """(their statuses, the receipts' offsets)"""
        def ask(connection):
            connection.request("POST", "/submit", body=body,
                               headers={"Content-Type": "application/json"})
            response = connection.getresponse()
            return response.status, json.loads(response.read())["receipt"]["offset"]
        answers = list(self.pool.map(ask, self.connections))
        return [status for status, _ in answers], [offset for _, offset in answers]


class Restart(unittest.TestCase):
    def check_known(self, server, bodies, receipts):
        for body, receipt in zip(bodies, receipts):
            answer = server.request("POST", "/submit", body=body)
            self.assertEqual(answer.status, 200)
            self.assertEqual(answer.json()["receipt"], receipt)
            other = server.request("POST", "/submit", body=body.replace(b'"x"', b'"y"'))
            self.assertEqual(other.status, 409)
        with Herd(server) as herd:
            for body, receipt in list(zip(bodies, receipts))[:50]:
                for sent, status in ((body, 200), (body.replace(b'"x"', b'"y"'), 409)):
                    statuses, offsets = herd.send(sent)
                    self.assertEqual(set(statuses), {status})
                    self.assertEqual(len(set(offsets)), 1)
                    self.assertEqual(offsets[0] == receipt["offset"], status == 200)

    def run_with(self, stop, sets=(), filler=0):
        with Server(sets=sets) as server:
            bodies = [b'{"report_id":"k-%d","patient_id":"p","data":"x"}' % i for i in range(300)]
            receipts = []
            for body in bodies:
                answer = server.request("POST", "/submit", body=body)
                self.assertEqual(answer.status, 202)
                receipts.append(answer.json()["receipt"])
            self.check_known(server, bodies[:20], receipts)
            lines = [json.dumps({"report_id": f"filler-{i}", "patient_id": "p", "data": ""})
                     for i in range(filler)]
            if lines:
                server.request("POST", "/api/v1/reports:batch", body="\n".join(lines).encode())
            stop(server)
            server.start()
            self.check_known(server, bodies, receipts)

    def test_repeats_and_conflicts_are_known_after_an_orderly_stop(self):
        self.run_with(lambda server: self.assertEqual(server.terminate(), 0))

    def test_repeats_and_conflicts_are_known_after_a_crash(self):
        self.run_with(lambda server: server.kill())

    def test_repeats_and_conflicts_are_known_after_the_keys_have_left_memory(self):
        self.run_with(lambda server: server.terminate(), sets=["Journal.RecentKeysMax=1024"], filler=5000)


class Refusals(unittest.TestCase):
    def test_a_second_server_on_the_same_data_is_refused(self):
        with Server() as first:
            second = Server(data_dir=first.data_dir).start(expect_ready=False)
            self.assertEqual(second.wait(10), 1)
            self.assertIn(first.data_dir, second.text())
            self.assertEqual(first.get("/api/v1/tasks").status, 200)

    def test_a_second_server_on_the_same_port_is_refused(self):
        with Server() as first:
            with_port = Server(sets=[f"Port={first.port}"])
            with_port.start(expect_ready=False)
            self.assertEqual(with_port.wait(10), 2)
            self.assertIn(str(first.port), with_port.text())
            with_port.__exit__()

    def test_off_loopback_it_wants_tls_or_the_switch_and_a_token(self):
        server = Server(sets=["Host=0.0.0.0"]).start(expect_ready=False)
        self.assertEqual(server.wait(10), 2)
        self.assertIn("InsecureAllowPublic", server.text())
        server.__exit__()

    def test_an_unknown_key_names_the_nearest(self):
        server = Server(sets=["Prot=1"]).start(expect_ready=False)
        self.assertEqual(server.wait(10), 2)
        self.assertIn("Port", server.text())
        server.__exit__()


class Shutdown(unittest.TestCase):
    def test_sigterm_seals_the_journal_and_the_backlog_waits(self):
        with Server(sets=["Tasks.Paused=true"]) as server:
            for i in range(500):
                self.assertEqual(
                    server.submit(phq9(f"r-{i}", f"p-{i}", [1] * 9)).status, 202)
            self.assertEqual(server.terminate(20), 0)
            server.sets = []
            server.start()
            server.wait_applied()
            analytics = server.get("/api/v1/studies/default/analytics").json()
            self.assertEqual(analytics["received"], 500)

    def test_sigterm_with_a_million_waiting_ends_in_time(self):
        waiting = 1_000_000 if full_scale() else 20_000
        with Server(sets=["Tasks.Paused=true"]) as server:
            surge = subprocess.run(
                [PROGRAM, "surge", "--url", f"http://127.0.0.1:{server.port}", "--closed-loop",
                 "--reports", str(waiting), "--connections", "256", "--resend", "0", "--no-alerts"],
                capture_output=True, text=True, timeout=300, check=False)
            self.assertEqual(surge.returncode, 0, surge.stdout + surge.stderr)
            self.assertGreaterEqual(server.tasks()["alert"]["lag"], waiting)
            server.terminate(60)
            server.sets = []
            server.start()
            wait_for(lambda: server.metric("weir_tasks_windows_total"), 90, "the tasks have begun")
            left = server.tasks()["research"]["lag"]
            self.assertEqual(server.terminate(20), 0)
            if full_scale():
                self.assertGreater(left, waiting / 2, "the stop came while most were waiting")
            server.start()
            self.assertEqual(server.get("/api/v1/tasks").status, 200)

    def test_sighup_says_what_was_reloaded(self):
        with Server() as server:
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: "reload" in server.text(), 10, "the reload is logged")
            self.assertEqual(server.get("/api/v1/tasks").status, 200)


if __name__ == "__main__":
    unittest.main()

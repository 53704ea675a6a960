"""Each request has a deadline: who cannot be answered by then is told to send it again, which is safe."""

import http.client
import json
import tempfile
import time
import unittest

from weir_server import SlowServer, wait_for

SYNC_MS = 1500


def report(report_id):
    return {"report_id": report_id, "patient_id": "p1", "data": "text"}


def lines(*reports):
    return "".join(json.dumps(report) + "\n" for report in reports)


class Deadlines(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.server = SlowServer(SYNC_MS, data_dir=directory.name)
        cls.addClassCleanup(cls.server.kill)
        cls.server.start(seconds=120)

    def assert_not_durable_in_time(self, problem, status):
        self.assertEqual((status, problem["type"]), (504, "/problems/not-durable-in-time"))
        self.assertIn("send it again", problem["detail"])

    def batch(self, body, **headers):
        answer = self.server.request("POST", "/api/v1/reports:batch", body=body, headers={
            "Content-Type": "application/x-ndjson", **headers})
        self.assertEqual(answer.status, 200)
        return [json.loads(line) for line in answer.body.splitlines()]

    def test_a_report_that_waits_for_the_disk_is_answered_and_may_be_sent_again(self):
        sent = time.monotonic()
        answer = self.server.submit(report("single"), headers={"X-Request-Timeout-Ms": "300"})
        self.assertLess(time.monotonic() - sent, SYNC_MS / 1000)
        self.assert_not_durable_in_time(answer.json(), answer.status)
        self.assertIn(int(answer.headers["Retry-After"]), (1, 2, 3))
        again = self.server.submit(report("single"))
        self.assertEqual((again.status, again.json()["duplicate"]), (200, True))

    def test_the_lines_of_a_batch_have_the_deadline_that_its_sender_gave(self):
        reports = [report(f"line-{i}") for i in range(3)]
        sent = time.monotonic()
        for line in self.batch(lines(*reports), **{"X-Request-Timeout-Ms": "300"}):
            self.assert_not_durable_in_time(line["problem"], line["status"])
        self.assertLess(time.monotonic() - sent, SYNC_MS / 1000)
        self.assertEqual([line["status"] for line in self.batch(lines(*reports))], [200] * 3)

    def test_an_order_that_waits_for_the_disk_is_answered_in_time_and_carried_out(self):
        sent = time.monotonic()
        answer = self.server.request("POST", "/api/v1/tasks/diary/pause", body="",
                                     headers={"X-Request-Timeout-Ms": "300"})
        self.assertLess(time.monotonic() - sent, SYNC_MS / 1000)
        self.assertEqual((answer.status, answer.json()["type"]), (504, "/problems/not-in-time"))
        wait_for(lambda: self.server.tasks()["diary"]["state"] == "paused", 30, "it is carried out")

    def answer_to_late(self, path, content_type, body):
        """Of a body that begins when the deadline has passed."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        self.addCleanup(connection.close)

        def late():
            time.sleep(0.5)
            yield body.encode()

        connection.request("POST", path, body=late(), encode_chunked=True,
                           headers={"Content-Type": content_type, "Transfer-Encoding": "chunked",
                                    "X-Request-Timeout-Ms": "300"})
        return json.loads(connection.getresponse().read())

    def test_what_comes_after_its_deadline_is_not_stored(self):
        problem = self.answer_to_late("/submit", "application/json", json.dumps(report("late")))
        self.assert_not_durable_in_time(problem, problem["status"])
        line = self.answer_to_late("/api/v1/reports:batch", "application/x-ndjson",
                                   lines(report("late-line")))
        self.assert_not_durable_in_time(line["problem"], line["status"])
        time.sleep(2 * SYNC_MS / 1000)
        for report_id in ("late", "late-line"):
            self.assertEqual(self.server.get(f"/api/v1/reports/default/{report_id}").status, 404)


if __name__ == "__main__":
    unittest.main()

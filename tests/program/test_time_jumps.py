"""The wall clock jumps by days, forwards and back, and the steady one does not: nothing that is timed
notices."""

import datetime
import http.client
import json
import os
import struct
import subprocess
import tempfile
import unittest

from test_doctors import URGENT, Stream, Webhook
from weir_server import PROGRAM, Server, phq9, wait_for

DAY_S = 86_400
JUMPS_DAYS = [3, -5, 400, 0]  # from the true time


class TimeJumps(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.shift = os.path.join(self.directory.name, "shift")
        self.jump(0)
        self.webhook = Webhook()
        self.addCleanup(self.webhook.close)

    def jump(self, days):
        with open(self.shift, "r+b" if os.path.exists(self.shift) else "wb") as file:
            file.write(struct.pack("<q", days * DAY_S * 1_000_000_000))

    def server(self, *sets, data_dir=None):
        return Server(data_dir=data_dir or os.path.join(self.directory.name, "data"), sets=sets,
                      env={"LD_PRELOAD": os.environ["WEIR_TEST_CLOCK"], "SHIFTED_CLOCK": self.shift})

    @staticmethod
    def submit(connection, report):
        connection.request("POST", "/submit", json.dumps(report),
                           {"Content-Type": "application/json", "X-Request-Timeout-Ms": "20000"})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def test_nothing_that_is_timed_follows_the_wall_clock(self):
        with self.server(*self.webhook.settings(), "Alerts.EscalateAfter=1h", "Alerts.GiveUpAfter=1h",
                         "RateLimits.Study.PerSecond=0.0001", "RateLimits.Study.Burst=2") as server:
            kept = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            self.addCleanup(kept.close)
            stream = Stream(server)
            self.addCleanup(stream.close)
            for number in range(2):
                limited = {"report_id": f"l{number}", "patient_id": "p", "study_id": "limited",
                           "data": "text"}
                self.assertEqual(self.submit(kept, limited)[0], 202)
            begin = datetime.datetime.now(datetime.timezone.utc)
            for number, days in enumerate(JUMPS_DAYS):
                with self.subTest(days=days):
                    self.webhook.behave = lambda: 500
                    report = phq9(f"before-{number}", "p", URGENT, doctor_id="d1", study_id=f"a{number}")
                    self.assertEqual(self.submit(kept, report)[0], 202)
                    tried = len(self.webhook.received)
                    wait_for(lambda: len(self.webhook.received) > tried, 30, "an attempt")
                    self.jump(days)
                    status, answer = self.submit(kept, phq9(f"after-{number}", "p", URGENT,
                                                            doctor_id="d1", study_id=f"b{number}"))
                    self.assertEqual(status, 202)
                    told = datetime.datetime.fromisoformat(answer["received_at"].replace("Z", "+00:00"))
                    self.assertAlmostEqual((told - begin).total_seconds(), days * DAY_S, delta=600)
                    self.assertEqual(self.submit(kept, {**limited, "report_id": f"m{number}"})[0], 429)
                    self.webhook.behave = lambda: 200
                    wait_for(lambda: len(stream.events) == 2 * (number + 1), 30, "the stream")
                    wait_for(lambda: len(self.webhook.taken()) == 2 * (number + 1), 30, "the webhook")
            ids = [int(number) for number, _, _ in stream.events]
            self.assertEqual(ids, sorted(set(ids)))
            self.assertEqual(server.metric("weir_alerts_escalated_total"), 0)
            for outcome, count in (("delivered", 2 * len(JUMPS_DAYS)), ("given_up", 0)):
                self.assertEqual(
                    server.metric("weir_alert_deliveries_total", f'{{outcome="{outcome}"}}'), count)
            self.assertEqual(server.metric("weir_http_timeouts_total"), 0)
            server.wait_applied()
            self.assertEqual(server.terminate(), 0)

    def test_a_start_a_month_earlier_goes_on_where_the_future_ended(self):
        data = os.path.join(self.directory.name, "data")
        self.jump(30)
        with self.server() as server:
            self.assertEqual(server.submit(phq9("future", "p", URGENT)).status, 202)
            server.wait_applied()
            stream = Stream(server)
            self.addCleanup(stream.close)
            ((before, _, _),) = wait_for(lambda: stream.events, 30, "the alert")
            self.assertEqual(server.terminate(), 0)
        self.jump(0)
        with self.server(data_dir=data) as server:
            stream = Stream(server, last_event_id=before)
            self.addCleanup(stream.close)
            self.assertEqual(server.submit(phq9("past", "p", URGENT)).status, 202)
            ((after, alert, _),) = wait_for(lambda: stream.events, 30, "the next alert")
            self.assertEqual(alert["report_id"], "past")
            self.assertGreater(int(after), int(before))
            self.assertEqual(server.get("/api/v1/reports/default/future").status, 200)
            self.assertEqual(server.submit(phq9("future", "p", URGENT)).status, 200)
            self.assertEqual(server.terminate(), 0)
        done = subprocess.run([PROGRAM, "journal", "verify", os.path.join(data, "journal")],
                              capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()

"""A doctor is alerted: on the stream, by webhook, exactly once, until somebody acknowledges it."""

import hashlib
import hmac
import http.client
import http.server
import json
import threading
import time
import unittest

from weir_server import Server, phq9, wait_for

URGENT = [0, 0, 0, 0, 0, 0, 0, 0, 1]
ELEVATED = [2, 2, 2, 2, 2, 0, 0, 0, 0]
QUIET = [0, 1, 0, 1, 0, 0, 0, 0, 0]


class Stream:
    """A client of the stream of alerts, in a thread of its own."""

    def __init__(self, server, last_event_id=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
        headers = {"Last-Event-ID": last_event_id} if last_event_id else {}
        self.connection.request("GET", "/api/v1/alerts/stream", headers=headers)
        self.response = self.connection.getresponse()
        assert self.response.status == 200, self.response.status
        assert self.response.headers["Content-Type"] == "text/event-stream"
        self.events = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        event = {}
        try:
            for raw in self.response:
                line = raw.decode().rstrip("\r\n")
                if not line:
                    if "data" in event:
                        self.events.append((event.get("id"), json.loads(event["data"]),
                                            time.monotonic()))
                    event = {}
                elif not line.startswith(":"):
                    name, _, value = line.partition(":")
                    event[name] = value.removeprefix(" ")
        except (OSError, http.client.HTTPException, AttributeError, ValueError):
            pass

    def of(self, report_id):
        return [event for event in self.events if event[1]["report_id"] == report_id]

    def close(self):
        sock = self.connection.sock or self.response.fp.raw._sock
        self.response.close()
        self.connection.close()
        del sock


class Webhook:
    """A doctor's system that can hang, refuse and fail."""

    def __init__(self):
        self.received = []
        self.behave = lambda: 200
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = webhook.behave()
                webhook.received.append((status, dict(self.headers), body))
                if status is None:
                    webhook.released.wait(30)
                    status = 500
                self.send_response(status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.released = threading.Event()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def taken(self):
        return [(headers, body) for status, headers, body in self.received if status == 200]

    def close(self):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()

    def settings(self):
        return [f"Alerts.Targets.ward.Url=http://127.0.0.1:{self.port}/alerts",
                "Alerts.Targets.ward.Secret=s3cret", "Alerts.RetryMin=50ms",
                "Alerts.RetryMax=500ms", "Alerts.Timeout=1s",
                'Alerts.Routes=[{Doctor: d1, Targets: [ward]}]']


class Alerts(unittest.TestCase):
    def test_urgent_and_elevated_reports_raise_one_alert_each(self):
        with Server() as server:
            stream = Stream(server)
            for report_id, scores in (("u", URGENT), ("e", ELEVATED), ("q", QUIET)):
                self.assertEqual(server.submit(phq9(report_id, "p-" + report_id, scores)).status, 202)
            wait_for(lambda: len(stream.events) >= 2, 10, "two alerts on the stream")
            server.wait_applied()
            self.assertEqual([e[1]["level"] for e in stream.of("u")], ["urgent"])
            self.assertEqual([e[1]["level"] for e in stream.of("e")], ["elevated"])
            self.assertEqual(stream.of("q"), [])
            listed = server.get("/api/v1/alerts").json()["alerts"]
            self.assertEqual({(a["report_id"], a["level"], a["state"]) for a in listed},
                             {("u", "urgent", "open"), ("e", "elevated", "open")})
            stream.close()

    def test_a_rise_over_the_previous_report_is_elevated(self):
        with Server() as server:
            self.assertEqual(server.submit(phq9("r1", "p", [0] * 9)).status, 202)
            self.assertEqual(server.submit(phq9("r2", "p", [1, 1, 1, 1, 1, 0, 0, 0, 0])).status, 202)
            self.assertEqual(server.submit(phq9("r3", "q", [1, 1, 1, 1, 1, 0, 0, 0, 0])).status, 202)
            server.wait_applied()
            listed = server.get("/api/v1/alerts").json()["alerts"]
            self.assertEqual([(a["report_id"], a["level"]) for a in listed], [("r2", "elevated")])

    def test_an_urgent_answer_behind_a_taken_id_is_alerted_too(self):
        with Server() as server:
            self.assertEqual(server.submit(phq9("r", "p", QUIET)).status, 202)
            self.assertEqual(server.submit(phq9("r", "p", URGENT)).status, 409)
            alerts = wait_for(lambda: server.get("/api/v1/alerts").json()["alerts"], 10, "an alert")
            self.assertEqual([a["level"] for a in alerts], ["urgent"])

    def test_a_new_client_gets_the_open_ones_and_a_returning_one_what_it_missed(self):
        with Server() as server:
            for i in range(5):
                server.submit(phq9(f"r{i}", f"p{i}", URGENT))
            stream = Stream(server)
            wait_for(lambda: len(stream.events) == 5, 10, "the open alerts")
            last = stream.events[-1][0]
            self.assertEqual([int(e[0]) for e in stream.events],
                             sorted(int(e[0]) for e in stream.events))
            stream.close()
            for i in range(5, 8):
                server.submit(phq9(f"r{i}", f"p{i}", URGENT))
            server.terminate()
            server.start()
            again = Stream(server, last)
            wait_for(lambda: len(again.events) >= 3, 10, "what was missed")
            self.assertEqual(sorted(e[1]["report_id"] for e in again.events), ["r5", "r6", "r7"])
            again.close()

    def test_an_acknowledgement_needs_a_note_and_holds_over_a_restart(self):
        with Server() as server:
            server.submit(phq9("r", "p", URGENT))
            alert = wait_for(lambda: server.get("/api/v1/alerts").json()["alerts"], 10, "alert")[0]
            path = f"/api/v1/alerts/{alert['id']}/acknowledge"
            self.assertEqual(server.request("POST", path, body={"note": ""}).status, 422)
            answer = server.request("POST", path, body={"note": "called"})
            self.assertEqual(answer.status, 200, answer.body)
            self.assertEqual(answer.json()["state"], "acknowledged")
            server.kill()
            server.start()
            listed = wait_for(
                lambda: [a for a in server.get("/api/v1/alerts").json()["alerts"]
                         if a["state"] == "acknowledged"], 10, "the acknowledgement")
            self.assertEqual(listed[0]["id"], alert["id"])

    def test_an_urgent_alert_that_nobody_acknowledges_escalates_once(self):
        with Server(sets=["Alerts.EscalateAfter=300ms"]) as server:
            stream = Stream(server)
            server.submit(phq9("u", "p", URGENT))
            server.submit(phq9("e", "p2", ELEVATED))
            wait_for(lambda: [e for e in stream.of("u") if e[1]["state"] == "escalated"], 10,
                     "the escalation")
            server.wait_applied()
            states = [e[1]["state"] for e in stream.of("u")]
            self.assertEqual(states, ["open", "escalated"])
            self.assertEqual([e[1]["state"] for e in stream.of("e")], ["open"])
            stream.close()

    def test_a_stream_without_backlog_gets_an_urgent_alert_within_a_second(self):
        with Server() as server:
            stream = Stream(server)
            sent = time.monotonic()
            server.submit(phq9("u", "p", URGENT))
            wait_for(lambda: stream.events, 5, "the alert")
            self.assertLess(stream.events[0][2] - sent, 1.0)
            stream.close()


class Webhooks(unittest.TestCase):
    def setUp(self):
        self.webhook = Webhook()

    def tearDown(self):
        self.webhook.close()

    def check_delivered_once(self, server, before):
        server.submit(phq9("u", "p", URGENT, doctor_id="d1"))
        server.submit(phq9("x", "p", URGENT, doctor_id="d2"))
        before(server)
        wait_for(lambda: self.webhook.taken(), 20, "the delivery")
        server.wait_applied()
        wait_for(lambda: server.metric("weir_alert_deliveries_pending") == 0, 20, "an empty outbox")
        keys = {headers["Idempotency-Key"] for _, headers, _ in self.webhook.received}
        self.assertEqual(len(keys), 1)
        self.assertEqual(len(self.webhook.taken()), 1)

    def test_a_delivery_is_signed_and_has_a_stable_key(self):
        with Server(sets=self.webhook.settings()) as server:
            self.check_delivered_once(server, lambda _: None)
            headers, body = self.webhook.taken()[0]
            parts = dict(part.split("=", 1) for part in headers["Weir-Signature"].split(","))
            signed = parts["t"].encode() + b"." + body
            self.assertEqual(parts["sha256"],
                             hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest())
            self.assertEqual(json.loads(body)["report_id"], "u")

    def test_one_that_fails_is_told_when_it_is_back(self):
        self.webhook.behave = lambda: 500
        with Server(sets=self.webhook.settings()) as server:
            def come_back(server):
                wait_for(lambda: len(self.webhook.received) >= 3, 20, "retries")
                self.assertEqual(server.submit(phq9("more", "p9", QUIET)).status, 202)
                server.wait_applied()
                self.webhook.behave = lambda: 200
            self.check_delivered_once(server, come_back)

    def test_an_operator_may_hold_a_target_back_and_let_it_go(self):
        def force(server, state, name="webhook:ward"):
            return server.request("POST", f"/api/v1/breakers/{name}/force",
                                  json.dumps({"state": state}))

        with Server(sets=self.webhook.settings()) as server:
            self.assertEqual(force(server, "open").status, 200)
            self.assertEqual(force(server, "ajar").status, 422)
            self.assertEqual(force(server, "open", "webhook:none").status, 404)

            def let_go(server):
                wait_for(lambda: server.metric("weir_breaker_rejected_total",
                                               '{dependency="webhook:ward"}'), 20, "a call held back")
                self.assertEqual(self.webhook.received, [])
                breaker = server.get("/api/v1/breakers").json()["breakers"][0]
                self.assertEqual((breaker["state"], breaker["forced"], breaker["opened"]),
                                 ("open", "open", 0))
                breaker = force(server, "none").json()["breakers"][0]
                self.assertEqual((breaker["state"], breaker["forced"]), ("closed", "none"))
            self.check_delivered_once(server, let_go)
            self.assertEqual(server.text().count('"breaker.opened"'), 1)
            self.assertEqual(server.text().count('"breaker.closed"'), 1)

    def test_one_that_hangs_delays_nothing_else(self):
        self.webhook.behave = lambda: None
        with Server(sets=self.webhook.settings()) as server:
            def come_back(server):
                wait_for(lambda: self.webhook.received, 20, "the first attempt")
                for i in range(50):
                    self.assertEqual(server.submit(phq9(f"m{i}", "p9", QUIET)).status, 202)
                server.wait_applied()
                self.webhook.behave = lambda: 200
                self.webhook.released.set()
            self.check_delivered_once(server, come_back)

    def test_one_that_refuses_is_told_after_a_restart(self):
        self.webhook.behave = lambda: 503
        with Server(sets=self.webhook.settings()) as server:
            def crash(server):
                wait_for(lambda: self.webhook.received, 20, "the first attempt")
                server.kill()
                self.webhook.behave = lambda: 200
                server.start()
            self.check_delivered_once(server, crash)


if __name__ == "__main__":
    unittest.main()

"""A trace follows a report: from its submission, through the journal and each task, to the webhook that
tells a doctor. Over OTLP to a collector that takes them, hangs, or is away."""

import base64
import json
import os
import re
import statistics
import subprocess
import sys
import time
import unittest

from otlp_collector import Collector, attribute
from test_doctors import QUIET, URGENT, Webhook
from weir_server import ROOT, Server, full_scale, phq9, wait_for

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CALLER = "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-01"}
NOT_SAMPLED = {"traceparent": f"00-{TRACE}-{CALLER}-00"}
TASKS = ["cleanse", "assess", "alert", "analytics", "research", "diary"]


def find_protobuf():
    """OpenTelemetry's own message types, out of its package for Python. Why there are none, instead."""
    tools = os.path.join(ROOT, "build", "tools", "otlp")
    if not os.path.isdir(os.path.join(tools, "opentelemetry")):
        got = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--target", tools,
                              "opentelemetry-proto"], capture_output=True, text=True, timeout=300,
                             check=False)
        if got.returncode != 0:
            return None, "opentelemetry-proto could not be had: " + got.stderr[-200:]
    return tools, ""


PARSE = """
import sys
from google.protobuf import json_format
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
request = json_format.Parse(sys.stdin.read(), ExportTraceServiceRequest())
for of_resource in request.resource_spans:
    for of_scope in of_resource.scope_spans:
        for span in of_scope.spans:
            print(span.trace_id.hex(), span.span_id.hex(), span.kind, span.name)
"""


def as_protobufs_json(export):
    """OTLP writes ids in hexadecimal digits where protobuf's JSON has base64; that is all."""
    for of_resource in export["resourceSpans"]:
        for of_scope in of_resource["scopeSpans"]:
            for span in of_scope["spans"]:
                for key in ("traceId", "spanId", "parentSpanId"):
                    if key in span:
                        span[key] = base64.b64encode(bytes.fromhex(span[key])).decode()
    return json.dumps(export)


class Tracing(unittest.TestCase):
    def setUp(self):
        self.collector = Collector().__enter__()
        self.webhook = Webhook()

    def tearDown(self):
        self.webhook.close()
        self.collector.__exit__()
        self.assertEqual(self.collector.wrong, [])

    def server(self, *sets, **kwargs):
        return Server(sets=[f"Trace.Otlp.Endpoint={self.collector.endpoint}", *sets], **kwargs)

    def wait_named(self, name, trace=TRACE, count=1):
        return wait_for(lambda: len(self.collector.named(name, trace)) >= count and
                        self.collector.named(name, trace), 30, f"{count} spans {name}")

    def check_tasks(self, parent, offset, urgent):
        for task in TASKS:
            (span,) = self.wait_named(f"task {task}")
            self.assertEqual(span["parentSpanId"], parent)
            self.assertEqual(span["kind"], 5)
            self.assertEqual(attribute(span, "weir.task"), task)
            self.assertEqual(attribute(span, "weir.journal.offset"), offset)
            self.assertEqual(attribute(span, "weir.lane"),
                             "express" if urgent and task == "alert" else None)

    def test_a_trace_follows_a_report_to_its_webhook(self):
        with self.server(*self.webhook.settings(), "Log.AccessShare=1") as server:
            answer = server.submit(phq9("r1", "p1", URGENT, doctor_id="d1"), headers=SAMPLED)
            wait_for(lambda: re.search(rf'"event":"access".*"trace_id":"{TRACE}"', server.text()),
                     30, "the line of the access log")
            offset = answer.json()["receipt"]["offset"]
            (request,) = self.wait_named("POST /submit")
            self.assertEqual((request["parentSpanId"], request["kind"]), (CALLER, 2))
            self.assertEqual(attribute(request, "http.route"), "/submit")
            self.assertEqual(attribute(request, "http.response.status_code"), 202)
            (durable,) = self.wait_named("journal")
            self.assertEqual(durable["parentSpanId"], request["spanId"])
            self.assertEqual(attribute(durable, "weir.journal.offset"), offset)
            self.assertLessEqual(int(durable["endTimeUnixNano"]), int(request["endTimeUnixNano"]))
            self.check_tasks(request["spanId"], offset, urgent=True)
            (told,) = self.wait_named("webhook ward")
            self.assertEqual(told["kind"], 3)
            self.assertEqual(told["parentSpanId"],
                             self.collector.named("task alert")[0]["spanId"])
            self.assertEqual(attribute(told, "http.response.status_code"), 200)
            headers = self.webhook.received[0][1]
            self.assertEqual(headers["traceparent"], f"00-{TRACE}-{told['spanId']}-01")
            # The clock of the spans is the one that is shown.
            self.assertLess(abs(int(request["startTimeUnixNano"]) / 1e9 - time.time()), 60)
            self.assertEqual(len(self.collector.spans(TRACE)), 9)

    def test_the_callers_tracestate_goes_with_its_trace(self):
        def told(server, report, headers):
            self.webhook.received.clear()
            server.submit(phq9(report, "p" + report, URGENT, doctor_id="d1"), headers=headers)
            wait_for(lambda: self.webhook.received, 30, "the webhook")
            return self.webhook.received[0][1].get("tracestate")

        state = "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"
        with self.server(*self.webhook.settings()) as server:
            self.assertEqual(told(server, "r1", {**SAMPLED, "tracestate": state}), state)
            for name in ("POST /submit", "task alert", "webhook ward"):
                self.assertEqual(self.wait_named(name)[0]["traceState"], state, name)
            self.assertEqual(told(server, "r2", {**NOT_SAMPLED, "tracestate": state}), state)
            self.assertIsNone(told(server, "r3", {**SAMPLED, "tracestate": "Congo=1"}))
            self.assertIsNone(told(server, "r4", {**SAMPLED, "tracestate": "a=" + "x" * 600}))
            self.assertIsNone(told(server, "r5", {"traceparent": "nonsense", "tracestate": state}))
        # Over a batch and a restart, without a collector.
        with Server(sets=[*self.webhook.settings(), "Tasks.Paused=true"]) as server:
            line = json.dumps(phq9("r1", "p1", URGENT, doctor_id="d1")).encode()
            server.request("POST", "/api/v1/reports:batch", body=line, headers={
                "Content-Type": "application/x-ndjson", **SAMPLED, "tracestate": state})
            server.terminate()
            server.sets.remove("Tasks.Paused=true")
            self.webhook.received.clear()
            server.start()
            wait_for(lambda: self.webhook.received, 30, "the webhook")
            self.assertEqual(self.webhook.received[0][1]["tracestate"], state)

    def test_each_attempt_is_a_span_and_a_failed_one_says_so(self):
        answers = [500, 200]
        self.webhook.behave = lambda: answers.pop(0) if answers else 200
        with self.server(*self.webhook.settings(), "Alerts.RetryMin=10ms") as server:
            server.submit(phq9("r1", "p1", URGENT, doctor_id="d1"), headers=SAMPLED)
            spans = self.wait_named("webhook ward", count=2)
            spans.sort(key=lambda span: attribute(span, "weir.attempt"))
            self.assertEqual([attribute(span, "weir.attempt") for span in spans], [1, 2])
            self.assertEqual([span.get("status") for span in spans], [{"code": 2}, None])
            told = [headers["traceparent"].split("-")[2]
                    for _, headers, _ in self.webhook.received]
            self.assertEqual(told, [span["spanId"] for span in spans])

    def test_tasks_of_another_day_go_on_with_the_trace(self):
        with self.server("Tasks.Paused=true", *self.webhook.settings()) as server:
            answer = server.submit(phq9("r1", "p1", URGENT, doctor_id="d1"), headers=SAMPLED)
            offset = answer.json()["receipt"]["offset"]
            self.assertEqual(server.terminate(), 0)
            # What waited was sent before it stopped.
            (request,) = self.collector.named("POST /submit", TRACE)
            self.assertEqual(self.collector.named("task cleanse"), [])
            with self.server(*self.webhook.settings(), data_dir=server.data_dir):
                self.check_tasks(request["spanId"], offset, urgent=True)
                (told,) = self.wait_named("webhook ward")
                self.assertEqual(told["parentSpanId"],
                                 self.collector.named("task alert")[0]["spanId"])

    def test_what_is_not_sampled_has_no_span(self):
        with self.server(*self.webhook.settings()) as server:
            server.submit(phq9("r1", "p1", URGENT, doctor_id="d1"), headers=NOT_SAMPLED)
            server.submit(phq9("r2", "p2", URGENT, doctor_id="d1"))
            wait_for(lambda: len(self.webhook.received) == 2, 30, "the webhooks")
            server.wait_applied()
            traceparents = {json.loads(body)["report_id"]: headers.get("traceparent")
                            for _, headers, body in self.webhook.received}
            self.assertRegex(traceparents["r1"], rf"^00-{TRACE}-[0-9a-f]{{16}}-00$")
            self.assertIsNone(traceparents["r2"])
            server.terminate()
        self.assertEqual(self.collector.spans(), [])

    def test_a_share_of_the_others_is_sampled(self):
        with self.server("Trace.SampleShare=1", "Trace.Otlp.Headers.api-key=s3cret",
                         "Trace.ServiceName=patients") as server:
            server.submit(phq9("r1", "p1", QUIET))
            server.get("/api/v1/reports/default/r1")
            server.get("/api/v1/reports/default/none")
            spans = wait_for(lambda: self.collector.named(
                "GET /api/v1/reports/{study}/{report_id}"), 30, "the reads")
            self.assertNotIn("parentSpanId", spans[0])
            self.assertEqual(len({span["traceId"] for span in spans}), len(spans))
            wait_for(lambda: len(self.collector.named("task diary")) == 1, 30, "the task")
            metric = lambda: server.metric("weir_trace_spans_total", '{outcome="exported"}')
            self.assertGreaterEqual(wait_for(metric, 30, "the metric"), 8)
        self.assertEqual(self.collector.headers[0]["api-key"], "s3cret")
        resource = json.loads(self.collector.exports[0])["resourceSpans"][0]["resource"]
        self.assertEqual(attribute(resource, "service.name"), "patients")

    def test_without_a_collector_a_callers_trace_is_passed_on(self):
        with Server(sets=self.webhook.settings()) as server:
            server.submit(phq9("r1", "p1", URGENT, doctor_id="d1"), headers=SAMPLED)
            wait_for(lambda: self.webhook.received, 30, "the webhook")
            self.assertEqual(self.webhook.received[0][1]["traceparent"], SAMPLED["traceparent"])

    def test_opentelemetrys_own_messages_take_what_is_sent(self):
        tools, why = find_protobuf()
        if not tools:
            self.skipTest(why)
        with self.server(*self.webhook.settings()) as server:
            server.submit(phq9("r1", "p1", URGENT, doctor_id="d1"), headers=SAMPLED)
            self.wait_named("webhook ward")
        parsed = []
        for body in self.collector.exports:
            done = subprocess.run([sys.executable, "-c", PARSE], text=True, capture_output=True,
                                  input=as_protobufs_json(json.loads(body)), timeout=120,
                                  env={**os.environ, "PYTHONPATH": tools}, check=False)
            self.assertEqual(done.returncode, 0, done.stderr)
            parsed += [line.split(" ", 3) for line in done.stdout.splitlines()]
        self.assertEqual(sorted(line[3] for line in parsed),
                         sorted(span["name"] for span in self.collector.spans()))
        self.assertEqual({line[0] for line in parsed}, {TRACE})
        self.assertIn("5", {line[2] for line in parsed})

    def test_a_wrong_endpoint_is_said_at_the_start(self):
        for endpoint, why in (("http://collector.example:4318", "loopback"),
                              ("ftp://collector.example", "expected https")):
            server = Server(sets=[f"Trace.Otlp.Endpoint={endpoint}"], data_dir="never-made")
            server.start(expect_ready=False)
            self.assertEqual(server.wait(), 2)
            self.assertIn(why, server.text())

    @staticmethod
    def median_ms(server, first, count=150):
        took = []
        for number in range(first, first + count):
            start = time.monotonic()
            answer = server.submit({"report_id": f"r{number}", "patient_id": f"p{number}",
                                    "data": "text"}, headers=SAMPLED)
            took.append((time.monotonic() - start) * 1000)
            assert answer.status == 202, answer.body
        return statistics.median(took)

    def test_a_collector_that_hangs_costs_spans_and_nothing_else(self):
        with self.server("Trace.Otlp.QueueMax=100", "Trace.Otlp.Timeout=1s",
                         "Trace.Otlp.BatchMax=50") as server:
            well = self.median_ms(server, 0)
            self.collector.hang()
            wait_for(lambda: server.submit({"report_id": f"h{time.monotonic_ns()}",
                                            "patient_id": "p", "data": "x"},
                                           headers=SAMPLED).status == 202 and
                     self.collector.hanging > 0, 30, "an export that hangs")
            hanging = self.median_ms(server, 1000)
            # On a loaded machine a median moves by itself; a time-out would show.
            self.assertLess(hanging, max(10 * well, 100) if full_scale() else 500)
            server.wait_applied()
            lost = lambda: (server.metric("weir_trace_spans_total", '{outcome="dropped"}') > 0 and
                            server.metric("weir_trace_spans_total", '{outcome="failed"}') > 0)
            wait_for(lost, 30, "spans that are dropped and counted")
            self.assertLessEqual(server.metric("weir_trace_queued_spans"), 100)
            self.collector.answer()
            wait_for(lambda: server.metric("weir_trace_queued_spans") == 0, 30, "an empty queue")
            before = len(self.collector.named("POST /submit"))
            self.median_ms(server, 2000, count=5)
            self.wait_named("POST /submit", count=before + 5)

    def test_a_collector_that_hangs_does_not_hold_up_the_end(self):
        with self.server("Trace.Otlp.Timeout=500ms") as server:
            self.collector.hang()
            for number in range(20):
                server.submit({"report_id": f"r{number}", "patient_id": "p", "data": "x"},
                              headers=SAMPLED)
            wait_for(lambda: self.collector.hanging > 0, 30, "an export that hangs")
            start = time.monotonic()
            self.assertEqual(server.terminate(), 0)
            self.assertLess(time.monotonic() - start, 20)


if __name__ == "__main__":
    unittest.main()

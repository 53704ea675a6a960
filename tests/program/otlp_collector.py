"""A collector of spans for a test: takes OTLP over HTTP in JSON, holds each export against the
specification's shape, and hangs or refuses when it is told to."""

import gzip
import http.server
import json
import re
import threading

ID = {"traceId": 32, "spanId": 16, "parentSpanId": 16}
VALUES = {"stringValue": str, "intValue": str}
NUMBER = re.compile(r"^-?[0-9]+$")


def check_attributes(attributes):
    for attribute in attributes:
        assert set(attribute) == {"key", "value"}, attribute
        assert isinstance(attribute["key"], str) and attribute["key"], attribute
        (kind, value), = attribute["value"].items()
        assert isinstance(value, VALUES[kind]), attribute
        assert kind != "intValue" or NUMBER.match(value), attribute
    keys = [attribute["key"] for attribute in attributes]
    assert len(keys) == len(set(keys)), keys


def check_span(span):
    required = {"traceId", "spanId", "name", "kind", "startTimeUnixNano", "endTimeUnixNano"}
    optional = {"parentSpanId", "traceState", "attributes", "status"}
    assert required <= set(span) <= required | optional, span
    for key, digits in ID.items():
        if key in span:
            assert re.match(rf"^[0-9a-f]{{{digits}}}$", span[key]), span
            assert set(span[key]) != {"0"}, span
    assert span["kind"] in (1, 2, 3, 4, 5) and span["name"], span
    for key in ("startTimeUnixNano", "endTimeUnixNano"):
        assert isinstance(span[key], str) and NUMBER.match(span[key]), span
    assert int(span["startTimeUnixNano"]) <= int(span["endTimeUnixNano"]), span
    check_attributes(span.get("attributes", []))
    assert span.get("status", {"code": 2}) == {"code": 2}, span


def check_export(export):
    """Raises where it is not an ExportTraceServiceRequest; returns its spans."""
    spans = []
    assert set(export) == {"resourceSpans"}, set(export)
    for of_resource in export["resourceSpans"]:
        assert set(of_resource) == {"resource", "scopeSpans"}, set(of_resource)
        check_attributes(of_resource["resource"]["attributes"])
        for of_scope in of_resource["scopeSpans"]:
            assert of_scope["scope"]["name"] == "weir"
            for span in of_scope["spans"]:
                check_span(span)
                spans.append(span)
    return spans


def attribute(span, key):
    for each in span.get("attributes", []):
        if each["key"] == key:
            (kind, value), = each["value"].items()
            return int(value) if kind == "intValue" else value
    return None


class Collector:
    """Use as a context manager. `spans()` is what came so far."""

    def __init__(self):
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                collector.take(self)

            def log_message(self, *_):
                pass

        class HttpServer(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass  # a client that has left

        self.changed = threading.Condition()
        self.hangs = False
        self.hanging = 0
        self.status = 200
        self.exports = []  # bodies, unpacked
        self.headers = []
        self.wrong = []
        self.server = HttpServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.answer()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    @property
    def endpoint(self):
        return f"127.0.0.1:{self.server.server_address[1]}"

    def hang(self):
        with self.changed:
            self.hangs = True

    def answer(self, status=200):
        with self.changed:
            self.hangs = False
            self.status = status
            self.changed.notify_all()

    def take(self, request):
        body = request.rfile.read(int(request.headers["Content-Length"]))
        if request.headers.get("Content-Encoding") == "gzip":
            body = gzip.decompress(body)
        with self.changed:
            self.hanging += 1
            self.changed.wait_for(lambda: not self.hangs)
            self.hanging -= 1
            status = self.status
        try:
            assert request.path == "/v1/traces", request.path
            assert request.headers["Content-Type"] == "application/json"
            check_export(json.loads(body))
        except (AssertionError, KeyError, TypeError, ValueError) as error:
            self.wrong.append(repr(error))
        request.send_response(status)
        request.send_header("Content-Length", "2")
        request.send_header("Content-Type", "application/json")
        request.end_headers()
        request.wfile.write(b"{}")
        if status == 200:
            with self.changed:
                self.headers.append(dict(request.headers))
                self.exports.append(body)

    def spans(self, trace=None):
        with self.changed:
            exports = list(self.exports)
        spans = [span for body in exports for span in check_export(json.loads(body))]
        return [span for span in spans if trace in (None, span["traceId"])]

    def named(self, name, trace=None):
        return [span for span in self.spans(trace) if span["name"] == name]

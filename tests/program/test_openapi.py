"""docs/openapi.yaml against the program: every path that the source has, every answer that a path gives."""

import http.client
import json
import os
import re
import unittest

from weir_server import ROOT, Answer, Server, phq9, wait_for

PROFILES = ("/debug/pprof/heap", "/debug/pprof/allocs", "/debug/pprof/profile")  # none if sanitized
# What any request may get: said once, in the description of the document.
GENERAL = {"400", "405", "408", "413", "417", "431", "500", "501", "505"}
ROUTE = re.compile(r'net::Method::k(\w+),\s*"(/[^"]*)"')
PAGE = re.compile(r'\.method = net::Method::k(\w+),\s*\.path = "(/[^"]*)"')
DATE_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def routes_of_the_source():
    found = set()
    for folder, _, names in os.walk(os.path.join(ROOT, "src")):
        for name in names:
            if name.endswith(".cc") and not name.endswith("_test.cc"):
                with open(os.path.join(folder, name), encoding="utf-8") as file:
                    text = file.read()
                for pattern in (ROUTE, PAGE):
                    found |= {(method.lower(), path) for method, path in pattern.findall(text)}
    return found


class Schema:
    """As much of JSON Schema as the document uses; what it does not know is an error of the test."""

    KNOWN = {"type", "required", "properties", "additionalProperties", "propertyNames", "items", "enum",
             "const", "pattern", "format", "description", "minimum", "maximum", "minLength", "maxLength",
             "default", "example", "examples", "$ref", "oneOf"}
    TYPES = {"object": dict, "array": list, "string": str, "boolean": bool}

    def __init__(self, document):
        self.document = document

    def resolve(self, node):
        while "$ref" in node:
            target = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def check(self, schema, value, where="$"):
        schema = self.resolve(schema)
        assert not set(schema) - self.KNOWN, f"{where}: the test knows no {set(schema) - self.KNOWN}"
        kind = schema.get("type")
        if kind in ("integer", "number"):
            allowed = int if kind == "integer" else (int, float)
            assert isinstance(value, allowed) and not isinstance(value, bool), f"{where}: {value!r}"
        elif kind:
            assert isinstance(value, self.TYPES[kind]), f"{where}: {value!r} is no {kind}"
        if "enum" in schema:
            assert value in schema["enum"], f"{where}: {value!r}"
        if "const" in schema:
            assert value == schema["const"], f"{where}: {value!r}"
        if "pattern" in schema:
            assert re.search(schema["pattern"], value), f"{where}: {value!r}"
        if schema.get("format") == "date-time":
            assert DATE_TIME.fullmatch(value), f"{where}: {value!r}"
        if isinstance(value, dict):
            self.check_object(schema, value, where)
        if isinstance(value, list) and "items" in schema:
            for i, item in enumerate(value):
                self.check(schema["items"], item, f"{where}[{i}]")

    def check_object(self, schema, value, where):
        properties = schema.get("properties", {})
        for name in schema.get("required", []):
            assert name in value, f"{where}: {name} is missing"
        others = schema.get("additionalProperties", True)
        for name, member in value.items():
            assert member is not None or name not in properties, f"{where}.{name}: null for what is absent"
            if name in properties:
                self.check(properties[name], member, f"{where}.{name}")
            elif isinstance(others, dict):
                self.check(others, member, f"{where}.{name}")
            else:
                assert others, f"{where}: {name} is not described"
            if "propertyNames" in schema:
                self.check(schema["propertyNames"], name, f"{where}: name")


class OpenApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        # A webhook where nobody listens, so that there is a breaker and a delivery.
        cls.server = Server(sets=["Alerts.Targets.ward.Url=http://127.0.0.1:1/", "Alerts.RetryMin=10ms",
                                  "Alerts.Targets.ward.Secret=s", "Alerts.GiveUpAfter=100ms",
                                  "Alerts.Routes.0.Targets=[ward]"]).start()
        cls.document = cls.server.get("/openapi.json").json()
        cls.schema = Schema(cls.document)
        cls.seen = set()

    @classmethod
    def tearDownClass(cls):
        cls.server.kill()

    def ask(self, method, template, path=None, status=200, **kwargs):
        """Asks, and holds the answer against what the document says of the template."""
        path = path or template
        item = self.document["paths"][template]
        port = self.server.admin_port if "servers" in item else None
        answer = self.server.request(method, path, port=port, **kwargs)
        self.assertEqual(answer.status, status, f"{method} {path}: {answer.body[:300]}")
        self.hold(method, template, answer)
        return answer

    def without_length(self, method, path, status):
        """As `curl -X POST` asks, twice on one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        try:
            for _ in range(2):
                connection.putrequest(method, path)
                connection.endheaders()
                answer = Answer(connection.getresponse())
                self.assertEqual(answer.status, status, f"{method} {path}: {answer.body[:300]}")
            return answer
        finally:
            connection.close()

    def hold(self, method, template, answer):
        where = f"{method} {template} {answer.status}"
        responses = self.document["paths"][template][method.lower()]["responses"]
        kind = answer.headers["Content-Type"].partition(";")[0]
        if str(answer.status) not in responses:
            self.assertIn(str(answer.status), GENERAL, f"{where} is not described")
            self.assertEqual(kind, "application/problem+json", where)
            return self.schema.check({"$ref": "#/components/schemas/Problem"}, answer.json(), where)
        if answer.status < 300:
            self.seen.add((method.lower(), template))
        response = self.schema.resolve(responses[str(answer.status)])
        self.assertIn(kind, response["content"], where)
        schema = response["content"][kind]["schema"]
        if kind == "application/x-ndjson":
            for line in answer.body.splitlines():
                self.schema.check(schema, json.loads(line), where)
        else:
            value = answer.json() if kind.endswith("json") else answer.body.decode(errors="replace")
            self.schema.check(schema, value, where)
        for header in response.get("headers", {}):
            self.assertIn(header, answer.headers, where)

    def test_every_path_of_the_source_is_described_and_no_other(self):
        described = {(method, path) for path, item in self.document["paths"].items()
                     for method in item if method != "servers"}
        # The administration's are added to its router one by one.
        with open(os.path.join(ROOT, "src", "app", "admin.cc"), encoding="utf-8") as file:
            administration = {(method.lower(), path) for method, path in ROUTE.findall(file.read())}
        source = routes_of_the_source()
        self.assertTrue(administration <= source and len(source) > 20)
        self.assertEqual(described, source)
        for method, path in administration:
            self.assertIn("servers", self.document["paths"][path], path)

    def test_nothing_in_it_is_empty(self):
        """As a description is that has a comma and no quotes."""
        def walk(node, where):
            self.assertIsNotNone(node, where)
            members = node.items() if isinstance(node, dict) else enumerate(
                node if isinstance(node, list) else ())
            for name, member in members:
                walk(member, f"{where}/{name}")
        walk(self.document, "#")

    def test_parameters_are_those_that_the_source_reads(self):
        read = set()
        for folder, _, names in os.walk(os.path.join(ROOT, "src")):
            for name in names:
                if name.endswith(".cc") and not name.endswith("_test.cc"):
                    with open(os.path.join(folder, name), encoding="utf-8") as file:
                        text = file.read()
                    read |= set(re.findall(r'Query(?:Param|Number)\([\w.]+,\s*"(\w+)"', text))
        described = {parameter["name"] for item in self.document["paths"].values()
                     for operation in item.values() if isinstance(operation, dict)
                     for parameter in map(self.schema.resolve, operation.get("parameters", []))
                     if parameter["in"] == "query"}
        self.assertEqual(described - {"from", "to"}, read - {"from", "to"})
        self.assertTrue({"from", "to"} <= described)

    def test_answers_are_as_described(self):
        self.reports()
        self.server.wait_applied()
        self.reading()
        self.alerts()
        self.operation()
        self.administration()
        described = {(method, path) for path, item in self.document["paths"].items()
                     for method in item if method != "servers"}
        # Nothing is in quarantine; its answer is that of pause and resume.
        unseen = {("post", "/api/v1/tasks/{task}/replay")}
        if self.sanitized:
            unseen |= {("get", path) for path in PROFILES}
        self.assertEqual(described - self.seen, unseen, "never answered")

    def reports(self):
        for path in ("/submit", "/api/v1/reports"):
            urgent = phq9("u", "p", [1] * 8 + [2], site_id="t", authored_at="2026-11-24T08:30:00Z")
            self.ask("POST", path, status=202 if path == "/submit" else 200, body=urgent)
            self.ask("POST", path, status=409, body={**urgent, "patient_id": path})
            self.ask("POST", path, status=422, body={"report_id": 1})
            self.ask("POST", path, status=400, body="{")
            self.ask("POST", path, status=415, body="x", headers={"Content-Type": "text/plain"})
            self.ask("POST", path, status=413, body=" " * (1 << 20) + " ",
                     headers={"Content-Type": "application/json"})
        lines = [phq9("l1", "p", [0] * 9), phq9("l1", "p", [0] * 9), phq9("l1", "q", [0] * 9), {},
                 {"report_id": "text", "patient_id": "p2", "data": "words"}]
        batch = "/api/v1/reports:batch"
        self.ask("POST", batch, body="\n".join(map(json.dumps, lines)) + "\n{\n")
        self.ask("POST", batch, status=400, body="")
        for path in ("/submit", "/api/v1/reports", batch):
            self.hold("POST", path, self.without_length("POST", path, status=411))
        self.ask("POST", batch, status=415, body="x", headers={"Content-Type": "text/plain"})

    def reading(self):
        for path in ("/api/v1/reports?study=default", "/api/v1/reports?study=default&limit=1&site=t",
                     "/api/v1/reports?study=default&patient=p&before=4"):
            page = self.ask("GET", "/api/v1/reports", path).json()
        self.assertGreater(len(page["reports"]), 0)
        offsets = [report["receipt"]["offset"] for report in self.ask(
            "GET", "/api/v1/reports", "/api/v1/reports?study=default").json()["reports"]]
        self.assertEqual(offsets, sorted(offsets, reverse=True), "newest first")
        self.ask("GET", "/api/v1/reports", status=422)
        report = "/api/v1/reports/{study}/{report_id}"
        whole = self.ask("GET", report, "/api/v1/reports/default/u").json()
        self.assertIn("total", whole["assessment"])
        self.ask("GET", report, "/api/v1/reports/default/text")
        self.ask("GET", report, "/api/v1/reports/default/none", status=404)
        analytics = "/api/v1/studies/{study}/analytics"
        self.ask("GET", analytics, "/api/v1/studies/default/analytics?from=2026-01-01&site=t")
        self.ask("GET", analytics, "/api/v1/studies/default/analytics")
        self.ask("GET", analytics, "/api/v1/studies/default/analytics?to=x", status=422)
        diary = "/api/v1/studies/{study}/patients/{patient}/diary"
        self.ask("GET", diary, "/api/v1/studies/default/patients/p/diary")
        self.ask("GET", diary, "/api/v1/studies/default/patients/none/diary", status=404)
        conflicts = "/api/v1/studies/{study}/conflicts"
        page = self.ask("GET", conflicts, "/api/v1/studies/default/conflicts?limit=2").json()
        self.assertEqual(len(page["conflicts"]), 2)
        self.ask("GET", conflicts, page["next"])
        self.ask("GET", conflicts, "/api/v1/studies/default/conflicts?limit=0", status=422)
        export = "/api/v1/studies/{study}/export"
        for table in ("reports", "items", "scores"):
            self.ask("GET", export, f"/api/v1/studies/default/export?table={table}")
        self.ask("GET", export, "/api/v1/studies/default/export?table=items&at=100000", status=409)
        self.ask("GET", export, "/api/v1/studies/default/export", status=422)

    def alerts(self):
        page = self.ask("GET", "/api/v1/alerts", "/api/v1/alerts?limit=1&level=urgent").json()
        self.ask("GET", "/api/v1/alerts", page["next"])
        self.ask("GET", "/api/v1/alerts", "/api/v1/alerts?state=x", status=422)
        first = self.ask("GET", "/api/v1/alerts", "/api/v1/alerts?site=t").json()["alerts"][-1]
        acknowledge = "/api/v1/alerts/{id}/acknowledge"
        path = f"/api/v1/alerts/{first['id']}"
        wait_for(lambda: self.server.get(path).json()["deliveries"], 10, "given up")
        self.ask("POST", acknowledge, path + "/acknowledge", status=422, body={"note": " "})
        self.ask("POST", acknowledge, path + "/acknowledge", body={"note": "seen"})
        self.ask("POST", acknowledge, "/api/v1/alerts/a-99/acknowledge", status=404, body={"note": "seen"})
        wait_for(lambda: self.server.get(path).json()["state"] == "acknowledged", 10, "acknowledged")
        alert = self.ask("GET", "/api/v1/alerts/{id}", path).json()
        self.assertEqual((alert["note"], alert["deliveries"][0]["delivered"]), ("seen", False))
        self.ask("GET", "/api/v1/alerts/{id}", "/api/v1/alerts/x", status=404)
        self.stream()

    def stream(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=10)
        connection.request("GET", "/api/v1/alerts/stream")
        response = connection.getresponse()
        self.assertEqual(response.headers["Content-Type"], "text/event-stream")
        self.seen.add(("get", "/api/v1/alerts/stream"))
        for line in response:
            if line.startswith(b"data: "):
                self.schema.check({"$ref": "#/components/schemas/Alert"}, json.loads(line[6:]))
                break
        response.close()
        connection.close()

    def operation(self):
        tasks = self.ask("GET", "/api/v1/tasks").json()["tasks"]
        self.assertEqual([task["name"] for task in tasks],
                         self.document["components"]["schemas"]["TaskName"]["enum"])
        for order in ("pause", "resume"):
            template = f"/api/v1/tasks/{{task}}/{order}"
            self.ask("POST", template, f"/api/v1/tasks/diary/{order}", status=202)
            self.hold("POST", template, self.without_length("POST", f"/api/v1/tasks/diary/{order}", 202))
            self.ask("POST", template, f"/api/v1/tasks/none/{order}", status=404)
        replay = "/api/v1/tasks/{task}/replay"
        self.hold("POST", replay, self.without_length("POST", "/api/v1/tasks/diary/replay", 422))
        self.ask("POST", replay, "/api/v1/tasks/diary/replay", status=422, body={})
        self.ask("POST", replay, "/api/v1/tasks/diary/replay", status=404, body={"offset": 1})
        quarantine = "/api/v1/tasks/quarantine"
        self.ask("GET", quarantine, quarantine + "?task=diary&limit=7")
        self.ask("GET", quarantine, quarantine + "?task=none", status=404)
        self.ask("GET", quarantine, quarantine + "?limit=1", status=422)
        breakers = self.ask("GET", "/api/v1/breakers").json()["breakers"]
        self.assertEqual([breaker["name"] for breaker in breakers], ["webhook:ward"])
        self.ask("POST", "/api/v1/breakers/{name}/force", "/api/v1/breakers/webhook:ward/force",
                 body={"state": "open"})
        self.ask("POST", "/api/v1/breakers/{name}/force", "/api/v1/breakers/x/force", status=422, body={})
        self.ask("POST", "/api/v1/breakers/{name}/force", "/api/v1/breakers/x/force", status=404,
                 body={"state": "open"})
        self.ask("GET", "/openapi.json")
        self.ask("GET", "/")
        self.ask("GET", "/", "/?x=%", status=400)

    def administration(self):
        for path in ("/metrics", "/livez", "/readyz", "/debug/pprof/symbol", "/debug/pprof/cmdline"):
            self.ask("GET", path)
        self.ask("POST", "/debug/pprof/symbol", body="0x401000")
        self.sanitized = self.server.admin(PROFILES[0]).status == 501
        heap, *lasting = PROFILES
        self.ask("GET", heap, status=501 if self.sanitized else 200)
        self.ask("GET", heap, heap + "?seconds=1", status=400)
        for profile in lasting:
            self.ask("GET", profile, profile + "?seconds=1", status=501 if self.sanitized else 200)
            for seconds in ("abc", "", "0", "-1", "301", "1.5", "99999999999"):
                refused = self.ask("GET", profile, f"{profile}?seconds={seconds}", status=400).json()
                self.assertIn("from 1 to 300", refused["detail"])
            self.ask("GET", profile, profile + "?seconds=%", status=400)
        problem = {"$ref": "#/components/schemas/Problem"}
        for method, path, status in (("GET", "/none", 404), ("DELETE", "/metrics", 405)):
            refused = self.server.request(method, path, port=self.server.admin_port)
            self.assertEqual(refused.status, status)
            self.schema.check(problem, refused.json())


if __name__ == "__main__":
    unittest.main()

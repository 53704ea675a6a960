"""The access log: what was answered, what was refused by whom, what failed; a share of it, within
bounds, and nothing of what was sent."""

import http.client
import json
import os
import socket
import subprocess
import tempfile
import unittest

from weir_server import PROGRAM, Server, wait_for

PLANTED = "planted"


def report(name, **fields):
    return {"report_id": f"{PLANTED}-{name}", "patient_id": f"{PLANTED}-patient",
            "data": f"{PLANTED}-answer", **fields}


class AccessLog(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.data = os.path.join(self.directory.name, "data")

    def server(self, *sets):
        return Server(data_dir=self.data, sets=["Log.Burst=10000", *sets])

    def token(self):
        added = subprocess.run([PROGRAM, "tokens", "add", "app", "--set", f"DataDir={self.data}"],
                               capture_output=True, text=True, timeout=60, check=True)
        return {"Authorization": "Bearer " + next(w for w in added.stdout.split() if len(w) > 30)}

    @staticmethod
    def lines(server):
        found = [json.loads(line) for line in server.text().splitlines()
                 if '"event":"access' in line]
        return [(line["event"], line.get("route"), line["status"]) for line in found]

    def expect(self, server, *line):
        wait_for(lambda: line in self.lines(server), 30, f"the line {line}")

    def test_a_refusal_by_whomever_is_a_line_with_its_route_and_nothing_that_was_sent(self):
        token = self.token()
        with self.server("Log.AccessShare=1", "Log.Level=debug", "RateLimits.Token.PerSecond=0.01",
                         "RateLimits.Token.Burst=2") as server:
            refused = "access.refused"
            self.assertEqual(server.submit(report(1), headers=token).status, 202)
            self.expect(server, "access", "/submit", 202)
            self.assertEqual(server.submit(report(2)).status, 401)
            self.expect(server, refused, "/submit", 401)
            self.assertEqual(server.get("/api/v1/tasks").status, 401)
            self.expect(server, refused, "/api/v1/tasks", 401)
            self.assertEqual(server.get(f"/{PLANTED}?{PLANTED}", headers=token).status, 404)
            self.expect(server, refused, None, 404)
            self.assertEqual(server.submit({"report_id": PLANTED}, headers=token).status, 422)
            self.expect(server, refused, "/submit", 422)
            path = f"/api/v1/reports/default/{PLANTED}-9"
            self.assertEqual(server.get(path, headers=token).status, 403)
            self.expect(server, refused, "/api/v1/reports/{study}/{report_id}", 403)
            self.assertEqual(server.submit(report(3), headers=token).status, 429)
            self.expect(server, refused, "/submit", 429)
            large = report(4, data=PLANTED * 300_000)
            try:
                self.assertEqual(server.submit(large, headers=token).status, 413)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused at its header, while it is still being sent
            self.expect(server, refused, "/submit", 413)
            with socket.create_connection(("127.0.0.1", server.port), 30) as connection:
                connection.sendall(f"GET {PLANTED}\r\n\r\n".encode())
                self.assertIn(b" 400 ", connection.recv(65536))
            self.expect(server, refused, None, 400)
            self.assertNotIn(PLANTED, server.text())
            self.assertNotIn(token["Authorization"].split()[1], server.text())

    def test_what_is_shed_is_sampled_and_no_failure(self):
        with self.server("Log.AccessShare=1", "Shedder.MaxConcurrency=1") as server:
            self.assertIn(503, self.crowd(server))
            self.expect(server, "access.refused", "/submit", 503)
            self.assertNotIn("access.failed", server.text())
            self.assertEqual(server.submit(report("last")).status, 202)

    @staticmethod
    def crowd(server):
        """Many at once on connections of their own, until one finds the place taken."""
        statuses = set()
        for turn in range(50):
            connections = [http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                           for _ in range(20)]
            for number, connection in enumerate(connections):
                connection.connect()
                connection.request("POST", "/submit", json.dumps(report(f"{turn}-{number}")),
                                   {"Content-Type": "application/json"})
            for connection in connections:
                response = connection.getresponse()
                response.read()
                statuses.add(response.status)
                connection.close()
            if 503 in statuses:
                break
        return statuses

    def test_without_a_share_refusals_cost_no_line_and_with_a_small_one_few(self):
        for share, least, most in (("0", 0, 0), ("0.1", 1, 60)):
            with self.server(f"Log.AccessShare={share}") as server:
                connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
                for _ in range(200):
                    connection.request("GET", "/none")
                    response = connection.getresponse()
                    response.read()
                    self.assertEqual(response.status, 404)
                connection.close()
                self.assertEqual(server.terminate(), 0)
                self.assertTrue(least <= len(self.lines(server)) <= most, share)

    def test_a_flood_of_refusals_is_bounded_and_others_are_still_told(self):
        with self.server("Log.AccessShare=1", "Log.Burst=5", "Log.PerSecond=0.001") as server:
            for _ in range(50):
                self.assertEqual(server.get("/none").status, 404)
            self.assertEqual(server.submit(report("after")).status, 202)
            self.expect(server, "access", "/submit", 202)
            self.assertEqual(self.lines(server).count(("access.refused", None, 404)), 5)


if __name__ == "__main__":
    unittest.main()

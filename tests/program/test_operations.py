"""What an operator sees and does: metrics, profiles, reload, archive, tokens."""

import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

from weir_server import PROGRAM, ROOT, Server, full_scale, phq9, wait_for

INSTRUMENTS = os.path.join(ROOT, "config", "instruments")


def submit_many(server, count, prefix="r"):
    lines = "\n".join(json.dumps(phq9(f"{prefix}{i}", f"p{i}", [0] * 9)) for i in range(count))
    answer = server.request("POST", "/api/v1/reports:batch", body=lines.encode(),
                            headers={"Content-Type": "application/x-ndjson"})
    assert answer.status == 200, answer.status
    assert answer.body.count(b'"status":202') == count, answer.body[:500]


class Metrics(unittest.TestCase):
    def test_what_is_scraped_is_what_the_document_explains(self):
        with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as file:
            explained = set(re.findall(r"`(weir_[a-z_]+)", file.read()))
        with Server() as server:
            submit_many(server, 10)
            server.wait_applied()
            text = server.admin("/metrics").body.decode()
        scraped = set(re.findall(r"^# TYPE (weir_[a-z_]+) ", text, re.M))
        self.assertGreater(len(scraped), 40)
        self.assertFalse(scraped - explained)
        self.assertIn('weir_reports_total{outcome="stored"} 10\n', text)
        self.assertGreater(float(re.search(r"weir_journal_sync_seconds_count (\d+)", text)[1]), 0)

    def test_it_is_scraped_while_the_server_starts_and_stops(self):
        with Server() as server:
            submit_many(server, 10)
            server.process.send_signal(signal.SIGTERM)
            try:
                while True:
                    server.admin("/metrics")
            except OSError:
                pass  # the administration server has gone, as the last
            self.assertEqual(server.wait(), 0)


@unittest.skipUnless(shutil.which("go"), "Go is not installed: there is no `go tool pprof`")
class Profiles(unittest.TestCase):
    def top(self, server, path, *options):
        url = f"http://127.0.0.1:{server.admin_port}/debug/pprof/{path}"
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run(
                ["go", "tool", "pprof", "-symbolize=remote", "-nodecount=500", "-top",
                 *options, url],
                capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=300,
                env={**os.environ, "PPROF_TMPDIR": folder})
        return run.stdout + run.stderr

    def test_functions_have_their_names(self):
        with Server() as server:
            if server.admin("/debug/pprof/heap").status == 501:
                self.skipTest("a build with a sanitizer takes no profile")
            for i in range(20):
                submit_many(server, 1000, f"a{i}-")
            self.assertIn("weir::", self.top(server, "heap"))
            # 2 s each, in which the tasks work off what was submitted and the reports go on.
            worker = subprocess.Popen(
                [PROGRAM, "surge", "--url", f"http://127.0.0.1:{server.port}", "--patients",
                 "20000", "--over", "6s"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
            try:
                profiles = [self.top(server, "profile?seconds=2"),
                            self.top(server, "allocs?seconds=2", "-sample_index=alloc_space"),
                            self.top(server, "allocs?seconds=2", "-sample_index=alloc_objects")]
            finally:
                worker.kill()
                worker.wait()
            for profile in profiles:
                self.assertIn("weir::", profile)


MIB = 1 << 20


def bodies_at_once(server, bodies):
    """Submits them so that all are in the server's memory together."""
    with contextlib.ExitStack() as stack:
        connections = [stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30))
                       for _ in bodies]
        for connection, body in zip(connections, bodies):
            connection.sendall(f"POST /submit HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(body)}\r\n\r\n{body[:-1]}".encode())
        for connection, body in zip(connections, bodies):
            connection.sendall(body[-1:].encode())
        for connection in connections:
            assert connection.recv(4096).startswith(b"HTTP/1.1 202"), "a body was not taken"


class Reload(unittest.TestCase):
    def test_sighup_takes_what_it_can_and_says_what_it_cannot(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file, Server() as server:
            def write(text):
                file.seek(0)
                file.truncate()
                file.write(text)
                file.flush()

            server.kill()
            write("Log: {Level: info}\nStore: {Readers: 2}\n")
            server.arguments_before = server.arguments
            server.arguments = lambda: [*server.arguments_before(), "--config", file.name]
            server.start()

            write("Log: {Level: debug}\nStore: {Readers: 3}\n")
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: '"event":"config.reload_done"' in server.text(), 10, "reloaded")
            self.assertRegex(server.text(), r'"event":"config.reloaded".*"key":"Log.Level"')
            self.assertRegex(server.text(), r'"event":"config.needs_restart".*"key":"Store.Readers"')

            write("Log: {Level: loud}\n")
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: '"event":"config.reload_refused"' in server.text(), 10, "refused")
            self.assertEqual(server.submit(phq9("r", "p", [0] * 9)).status, 202)

    def test_sighup_says_which_instruments_are_new(self):
        with tempfile.TemporaryDirectory() as directory:
            for name in os.listdir(INSTRUMENTS):
                shutil.copy(os.path.join(INSTRUMENTS, name), directory)
            with Server(sets=[f"Instruments.Directory={directory}"]) as server:
                def reload():
                    before = server.text().count('"event":"config.reload_done"')
                    server.process.send_signal(signal.SIGHUP)
                    wait_for(lambda: server.text().count('"event":"config.reload_done"') > before,
                             10, "reloaded")
                    return re.findall(r'"event":"instruments.reloaded".*"instrument":"([^"]*)"',
                                      server.text())

                self.assertEqual(reload(), [], "nothing has changed")
                rules = os.path.join(directory, "gad7.rules.yaml")
                with open(rules, encoding="utf-8") as file:
                    text = file.read()
                with open(rules, "w", encoding="utf-8") as file:
                    file.write(text.replace('">= 15"', '">= 16"'))
                self.assertEqual(reload(), ["gad7"])
                self.assertEqual(reload(), ["gad7"], "told once")


@unittest.skipUnless(full_scale(), "a sanitized program has another allocator")
class Memory(unittest.TestCase):
    def test_freed_pages_are_the_systems_again(self):
        def free():
            text = server.admin("/metrics").body.decode()
            return float(re.search(r'^weir_process_heap_bytes{kind="page_heap_free"} (\S+)$', text, re.M).group(1))

        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            def configure(size):
                file.seek(0)
                file.truncate()
                file.write(f"Memory: {{FreeBytesMax: {size}}}\n")
                file.flush()

            configure("1GiB")
            with Server(config=file.name) as server:
                bodies_at_once(server, [json.dumps({"report_id": f"r{i}", "patient_id": "p", "data": "x" * 900_000})
                                        for i in range(16)])
                self.assertGreater(free(), 4 * MIB)
                configure("2MiB")
                server.process.send_signal(signal.SIGHUP)
                wait_for(lambda: free() <= 2 * MIB, 10, "free pages were given back")
                self.assertGreater(free(), 0, "not all of them")


class Archive(unittest.TestCase):
    def test_old_segments_move_and_what_they_hold_stays_known(self):
        with tempfile.TemporaryDirectory() as archive:
            sets = [f"Journal.Archive.Directory={archive}", "Journal.SegmentBytes=64KiB",
                    "Journal.RecentKeysMax=1024"]  # what memory alone knows stays
            with Server(sets=sets[1:]) as server:
                submit_many(server, 5000)
                server.wait_applied()
                self.assertEqual(server.terminate(), 0)
                server.sets = sets
                server.start()
                wait_for(lambda: '"event":"journal.archived"' in server.text(), 30, "archived")
                self.assertIn("archive.manifest", os.listdir(archive))
                self.assertGreater(len(os.listdir(archive)), 1)
                repeat = server.submit(phq9("r0", "p0", [0] * 9))
                self.assertIn(repeat.status, (200, 409), "known, although its segment has gone")
                # And all of it again after a start without the archived segments.
                self.assertEqual(server.terminate(), 0)
                server.start()
                self.assertIn(server.submit(phq9("r1", "p1", [0] * 9)).status, (200, 409))


class Verify(unittest.TestCase):
    def test_a_missing_end_is_found_by_the_index(self):
        with Server(sets=["Journal.SegmentBytes=64KiB"]) as server:
            submit_many(server, 2000)
            journal = os.path.join(server.data_dir, "journal")

            def verify():
                return subprocess.run([PROGRAM, "journal", "verify", journal], capture_output=True,
                                      text=True, stdin=subprocess.DEVNULL, check=False)
            self.assertEqual(verify().returncode, 0, "of a running server")
            self.assertEqual(server.terminate(), 0)
            self.assertEqual(verify().returncode, 0)
            newest = max(name for name in os.listdir(journal) if re.fullmatch(r"\d+\.seg", name))
            os.remove(os.path.join(journal, newest))
            found = verify()
            self.assertEqual(found.returncode, 1, found.stdout)
            self.assertIn(f"index, offsets {int(newest[:-4])} to ", found.stdout)


class Tokens(unittest.TestCase):
    def run_weir(self, server, *arguments):
        return subprocess.run([PROGRAM, *arguments, "--set", f"DataDir={server.data_dir}"],
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, cwd=ROOT)

    def status(self, server, secret=None):
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        return server.submit(phq9("r", "p", [0] * 9), headers=headers).status

    def answer_to_header(self, server, line):
        """To a report whose body of 100 bytes never comes."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(b"POST /submit HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n"
                               + line.encode() + b"\r\n\r\n")
            return connection.recv(4096)

    def test_a_token_closes_the_server_opens_it_to_its_holder_and_is_revoked(self):
        with Server() as server:
            self.assertEqual(self.status(server), 202)
            secret = self.run_weir(server, "tokens", "add", "app").stdout.strip()
            self.assertTrue(secret.startswith("weir_"))
            wait_for(lambda: self.status(server) == 401, 10, "closed")
            self.assertEqual(self.status(server, secret), 200)
            refused = server.get("/api/v1/tasks", headers={"Authorization": f"Bearer {secret}"})
            self.assertEqual(refused.status, 403)
            self.assertIn("the scope `operate`", refused.json()["detail"])
            self.assertIn('error="insufficient_scope", scope="operate"', refused.headers["WWW-Authenticate"])
            self.assertIn(b" 401 ", self.answer_to_header(server, "Content-Encoding: gzip"))
            self.assertNotIn(secret, self.run_weir(server, "tokens", "list").stdout)
            self.assertEqual(self.run_weir(server, "tokens", "revoke", "app").returncode, 0)
            wait_for(lambda: self.status(server, secret) == 401, 10, "revoked")
            self.assertNotIn(secret, server.text())

    def test_a_stream_ends_with_the_token_that_opened_it(self):
        with Server() as server:
            def add(name):
                return {"Authorization": "Bearer " + self.run_weir(
                    server, "tokens", "add", name, "--scopes", "all").stdout.strip()}
            doctor, app = add("doctor"), add("app")
            wait_for(lambda: server.get("/api/v1/tasks").status == 401, 10, "closed")
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            self.addCleanup(connection.close)
            connection.request("GET", "/api/v1/alerts/stream", headers=doctor)
            response = connection.getresponse()
            self.assertEqual(response.status, 200)
            self.run_weir(server, "tokens", "revoke", "doctor")
            wait_for(lambda: server.get("/api/v1/tasks", headers=doctor).status == 401, 10, "revoked")
            server.submit(phq9("u", "p-secret", [0] * 8 + [1]), headers=app)
            self.assertNotIn(b"p-secret", response.read(), "and the answer ends")
            # Whoever still has a token sees the alert.
            wait_for(lambda: b"p-secret" in server.get("/api/v1/alerts", headers=app).body, 10, "seen")

    def test_the_audit_trail_says_who_did_what(self):
        with Server() as server:
            headers = {"Authorization": "Bearer " + self.run_weir(
                server, "tokens", "add", "doctor", "--scopes", "all").stdout.strip()}
            wait_for(lambda: server.get("/api/v1/tasks").status == 401, 10, "closed")
            server.submit(phq9("r-1", "p-1", [1] * 9), headers=headers)
            for path in ("/api/v1/reports/default/r-1", "/api/v1/studies/default/patients/p-1/diary",
                         "/api/v1/studies/default/export?table=items", "/api/v1/alerts?patient=p-1"):
                server.get(path, headers=headers)
            server.request("POST", "/api/v1/tasks/diary/pause", headers=headers)
            wait_for(lambda: server.get("/api/v1/alerts/a-2", headers=headers).status == 200, 10, "raised")
            server.request("POST", "/api/v1/alerts/a-2/acknowledge", body={"note": "seen"},
                           headers=headers)
            self.assertEqual(server.terminate(), 0)
            journal = os.path.join(server.data_dir, "journal")
            def dump(*flags):
                return subprocess.run([PROGRAM, "journal", "dump", journal, *flags],
                                      capture_output=True, text=True, check=True).stdout
            self.assertNotIn("p-1", dump(), "without the flag there is nobody's data")
            records = [json.loads(line) for line in dump("--heads").splitlines()]
            done = {(record["kind"], head.get("action"), head.get("subject")) for record in records
                    if (head := record["head"]).get("actor") == "doctor"}
            self.assertLessEqual({("audit", "read", "r-1"), ("audit", "read", "p-1"),
                                  ("audit", "export", "items"), ("audit", "list", "p-1"),
                                  ("audit", "pause", "diary"), ("task_state", None, None),
                                  ("alert_acknowledged", None, None)}, done)
            report = next(record["head"] for record in records if record["kind"] == "report")
            self.assertEqual((report["report_id"], report["sender"]), ("r-1", "doctor"))

    def test_a_study_that_is_not_the_tokens_is_refused(self):
        with Server() as server:
            secret = self.run_weir(server, "tokens", "add", "doctor", "--scopes", "alerts",
                                   "--study", "s1").stdout.strip()
            headers = {"Authorization": f"Bearer {secret}"}
            wait_for(lambda: server.get("/api/v1/alerts").status == 401, 10, "closed")
            self.assertEqual(server.get("/api/v1/alerts?study=s1", headers=headers).status, 200)
            for path in ("/api/v1/alerts?study=s2", "/api/v1/alerts/stream?study=s2"):
                self.assertEqual(server.get(path, headers=headers).status, 403, path)

    # The quarantine holds reports of all studies, and a paused task pauses for all.
    def test_a_token_of_one_study_does_not_operate_the_server(self):
        with Server() as server:
            headers = {}
            for name, study in (("site", ["--study", "s1"]), ("operator", [])):
                secret = self.run_weir(server, "tokens", "add", name, "--scopes", "all",
                                       *study).stdout.strip()
                headers[name] = {"Authorization": f"Bearer {secret}"}
            wait_for(lambda: server.get("/api/v1/tasks").status == 401, 10, "closed")
            for method, path, done in (("GET", "/api/v1/tasks/quarantine", 200),
                                       ("POST", "/api/v1/tasks/diary/pause", 202),
                                       ("POST", "/api/v1/tasks/diary/resume", 202),
                                       ("POST", "/api/v1/tasks/diary/replay", 422),
                                       ("POST", "/api/v1/breakers/none/force", 422)):
                status = {name: server.request(method, path, headers=given).status
                          for name, given in headers.items()}
                self.assertEqual(status, {"site": 403, "operator": done}, path)
            for path in ("/api/v1/tasks", "/api/v1/breakers"):
                self.assertEqual(server.get(path, headers=headers["site"]).status, 200)

    def test_a_second_server_on_the_same_directory_says_what_to_do(self):
        with Server() as server:
            second = Server(data_dir=server.data_dir)
            second.start(expect_ready=False)
            self.assertEqual(second.wait(), 1)
            self.assertIn("in use by another process: end that one, or give this one another DataDir",
                          second.text())
            self.assertEqual(self.status(server), 202)

    def test_off_loopback_it_does_not_start_open(self):
        with tempfile.TemporaryDirectory() as folder:
            run = subprocess.run([PROGRAM, "serve", "--set", f"DataDir={folder}", "--set",
                                  "Host=0.0.0.0", "--set", "Port=0", "--set", "Admin.Port=0"],
                                 capture_output=True, text=True, stdin=subprocess.DEVNULL,
                                 cwd=ROOT, timeout=30)
        self.assertEqual(run.returncode, 2)
        self.assertIn("InsecureAllowPublic", run.stderr)


if __name__ == "__main__":
    unittest.main()

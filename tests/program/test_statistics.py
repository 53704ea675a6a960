"""What is made of reports: scores, counters, diaries, research tables; and the operation of tasks."""

import csv
import io
import json
import os
import sqlite3
import subprocess
import unittest

from otlp_collector import Collector
from weir_server import PROGRAM, ROOT, Server, phq9, wait_for


class Reading(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server().start()
        for i in range(40):
            scores = [i % 4] * 8 + [0]
            answer = cls.server.submit(phq9(f"r-{i:02}", f"p-{i % 10}", scores, study_id="s1",
                                            site_id=f"site-{i % 2}"))
            assert answer.status == 202, answer.body
        cls.server.submit({"report_id": "text", "patient_id": "p-0", "study_id": "s1",
                           "data": "a secret thought"})
        cls.server.wait_applied()

    @classmethod
    def tearDownClass(cls):
        cls.server.__exit__()

    def export(self, table, at=None):
        path = f"/api/v1/studies/s1/export?table={table}" + (f"&at={at}" if at is not None else "")
        answer = self.server.get(path)
        self.assertEqual(answer.status, 200, answer.body)
        self.assertIn("text/csv", answer.headers["Content-Type"])
        return answer

    def test_a_report_shows_what_each_task_made_of_it(self):
        stored = self.server.get("/api/v1/reports/s1/r-01").json()
        self.assertEqual(stored["tasks"], {name: "applied" for name in (
            "cleanse", "assess", "alert", "analytics", "research", "diary")})

    def test_reports_are_listed_by_patient_and_site_in_order(self):
        def listed(query):
            ids, path = [], f"/api/v1/reports?study=s1&limit=3{query}"
            while path:
                page = self.server.get(path).json()
                ids += [report["report_id"] for report in page["reports"]]
                path = page.get("next")
            return ids
        self.assertEqual(listed("&patient=p-3"), [f"r-{i}" for i in (33, 23, 13, "03")])
        self.assertEqual(listed("&site=site-1"), [f"r-{i:02}" for i in range(39, 0, -2)])
        self.assertEqual(len(listed("")), 41)

    def test_a_report_is_listed_before_it_is_applied(self):
        with Server(sets=["Tasks.Paused=true"]) as server:
            server.submit(phq9("r", "p", [0] * 9))
            page = server.get("/api/v1/reports?study=default&patient=p").json()
            self.assertEqual([r["report_id"] for r in page["reports"]], ["r"])
            self.assertEqual(page["reports"][0]["tasks"]["assess"], "pending")

    def test_analytics_count_and_describe(self):
        analytics = self.server.get("/api/v1/studies/s1/analytics").json()
        self.assertEqual(analytics["received"], 41)
        self.assertEqual(analytics["scored"], 40)

    def test_a_diary_counts_a_patients_reports(self):
        diary = self.server.get("/api/v1/studies/s1/patients/p-3/diary").json()
        self.assertEqual(diary["reports"], 4)
        self.assertEqual(self.server.get("/api/v1/studies/s1/patients/no/diary").status, 404)

    def test_research_tables_are_pseudonymous_and_without_free_text(self):
        for table, rows in (("reports", 41), ("items", 360), ("scores", None)):
            body = self.export(table).body.decode()
            self.assertNotIn("p-3", body)
            self.assertNotIn("secret", body)
            if rows:
                self.assertEqual(len(list(csv.DictReader(io.StringIO(body)))), rows)

    def test_a_cut_is_the_same_bytes_whenever_it_is_made(self):
        with Server() as server:
            path = "/api/v1/studies/default/export?table=items"
            server.submit(phq9("first", "p-3", [1] * 9))
            server.wait_applied()
            answer = server.get(path)
            at = int(answer.headers["Weir-Cut"])
            server.submit(phq9("later", "p-3", [1] * 9))
            server.wait_applied()
            self.assertEqual(server.get(f"{path}&at={at}").body, answer.body)
            self.assertNotEqual(server.get(path).body, answer.body)
            self.assertEqual(server.get(f"{path}&at=99999999").status, 409)

    def test_what_is_asked_wrongly_is_said(self):
        for path, field in (("/api/v1/studies/s1/export?table=secrets", "table"),
                            ("/api/v1/studies/s1/export?table=items&at=x", "at"),
                            ("/api/v1/studies/s1/analytics?from=2026-13-01", "from"),
                            ("/api/v1/studies/s1/conflicts?from=-1", "from"),
                            ("/api/v1/reports", "study"),
                            ("/api/v1/reports?study=s1&limit=0", "limit"),
                            ("/api/v1/alerts?state=sleeping", "state"),
                            ("/api/v1/alerts?level=low", "level"),
                            ("/api/v1/alerts?before=x", "before"),
                            ("/api/v1/tasks/quarantine?limit=1", "limit")):
            answer = self.server.get(path)
            self.assertEqual(answer.status, 422, path)
            self.assertEqual([error["path"] for error in answer.json()["errors"]], [field], path)
        self.assertEqual(self.server.get("/api/v1/reports/s1/none").status, 404)

    def test_a_malformed_escape_does_not_widen_what_is_asked(self):
        for path in ("/api/v1/reports?study=s1&patient=%zz", "/api/v1/alerts?study=%4"):
            answer = self.server.get(path)
            self.assertEqual(answer.status, 400, path)
            self.assertEqual(answer.json()["type"], "/problems/malformed")


class Operation(unittest.TestCase):
    def test_a_paused_task_delays_no_other_and_catches_up(self):
        with Server() as server:
            self.assertEqual(server.request("POST", "/api/v1/tasks/research/pause").status, 202)
            wait_for(lambda: server.tasks()["research"]["state"] == "paused", 10, "paused")
            for i in range(20):
                server.submit(phq9(f"r{i}", "p", [0] * 9))
            wait_for(lambda: server.tasks()["assess"]["lag"] == 0, 10, "the others go on")
            self.assertGreaterEqual(server.tasks()["research"]["lag"], 20)
            server.kill()
            server.start()
            self.assertEqual(server.tasks()["research"]["state"], "paused")
            self.assertEqual(server.request("POST", "/api/v1/tasks/research/resume").status, 202)
            server.wait_applied()
            self.assertEqual(server.request("POST", "/api/v1/tasks/none/pause").status, 404)

    def test_a_rebuild_makes_the_same_store_again(self):
        with Server() as server:
            for i in range(30):
                server.submit(phq9(f"r{i}", f"p{i % 5}", [i % 4] * 9, site_id="t"))
            server.submit(phq9("r1", "p1", [0] * 8 + [2]))  # a conflict
            server.wait_applied()
            alert = server.get("/api/v1/alerts").json()["alerts"][0]
            server.request("POST", f"/api/v1/alerts/{alert['id']}/acknowledge",
                           body={"note": "seen"})
            server.wait_applied()
            self.assertEqual(server.terminate(), 0)
            before = self.rows(server)
            rebuilt = subprocess.run([PROGRAM, "rebuild", "--set", f"DataDir={server.data_dir}"],
                                     capture_output=True, text=True, cwd=ROOT, check=False)
            self.assertEqual(rebuilt.returncode, 0, rebuilt.stderr)
            self.assertEqual(self.rows(server), before)
            journal = os.path.join(server.data_dir, "journal")
            listed = subprocess.run([PROGRAM, "journal", "dump", journal, "--count", "1"],
                                    capture_output=True, text=True, check=True)
            sha256 = json.loads(listed.stdout)["sha256"]
            verified = subprocess.run([PROGRAM, "journal", "verify", journal, "--expect",
                                       f"0:{sha256}"],
                                      capture_output=True, text=True, check=False)
            self.assertEqual(verified.returncode, 0, verified.stdout + verified.stderr)
            self.assertIn("the record at offset 0 is there", verified.stdout)

    def test_a_rebuild_of_nothing_leaves_the_store_alone(self):
        with Server() as server:
            server.submit(phq9("r1", "p1", [1] * 9))
            server.wait_applied()
            self.assertEqual(server.terminate(), 0)
            before = self.rows(server)
            for lost, told in (("journal", "no segment"), ("keys/research.key", "research.key")):
                path = os.path.join(server.data_dir, lost)
                os.rename(path, path + ".away")
                if lost == "journal":
                    os.mkdir(path)
                rebuilt = subprocess.run([PROGRAM, "rebuild", "--set", f"DataDir={server.data_dir}"],
                                         capture_output=True, text=True, cwd=ROOT, check=False)
                self.assertEqual(rebuilt.returncode, 1, rebuilt.stdout)
                self.assertIn(told, rebuilt.stderr)
                self.assertEqual(self.rows(server), before)
                if lost == "journal":
                    os.rmdir(path)
                    os.rename(path + ".away", path)
            # Without a copy of the key the server starts, and says what it means.
            server.start()
            wait_for(lambda: '"event":"research.key_lost"' in server.text(), 10, "told")
            self.assertEqual(server.submit(phq9("r2", "p1", [1] * 9)).status, 202)

    @staticmethod
    def rows(server):
        """Every row of every table, but the numbers of the stream's events, which a rebuild makes
        anew (docs/alerts.md)."""
        store = sqlite3.connect(os.path.join(server.data_dir, "weir.db"))
        tables = [name for (name,) in store.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")]
        content = {}
        for table in tables:
            columns = [row[1] for row in store.execute(f"PRAGMA table_info({table})")
                       if row[1] not in ("sequence", "seq", "applied_ms")]
            if table == "migration" or not columns:
                continue
            content[table] = sorted(store.execute(f"SELECT {','.join(columns)} FROM {table}"),
                                    key=repr)
        # How far the log of a table of heads has been merged depends on the moment; the heads do not.
        for log in [name for name in content if name.endswith("_log")]:
            heads = {row[0]: row for row in content.pop(log.removesuffix("_log"))}
            for row in store.execute(f"SELECT patient, last_offset, value FROM {log} ORDER BY id"):
                if row[0] >= 0:
                    heads[row[0]] = row
            content[log] = sorted(heads.values())
        store.close()
        return content


class Privacy(unittest.TestCase):
    """Planted values are looked for in all that the server prints and shows to operators."""

    def test_no_patient_data_in_logs_and_metrics(self):
        secrets = ["planted-patient", "planted-report", "planted-answer", "planted-note"]
        with Collector() as collector, Server(
                sets=["Log.Level=debug", "Trace.SampleShare=1", "Trace.Otlp.Headers.key=planted-key",
                      f"Trace.Otlp.Endpoint={collector.endpoint}"]) as server:
            server.submit({"report_id": secrets[1], "patient_id": secrets[0], "data": secrets[2]})
            server.submit({"report_id": secrets[1], "patient_id": secrets[0], "data": "other"})
            server.submit({"report_id": secrets[1], "patient_id": 5, "data": secrets[2]})
            server.submit(phq9(secrets[1] + "2", secrets[0], [0] * 8 + [3]))
            server.get(f"/api/v1/reports/default/{secrets[1]}")
            server.get(f"/api/v1/studies/default/patients/{secrets[0]}/diary")
            server.request("POST", "/submit", body=secrets[2])
            server.wait_applied()
            for alert in server.get("/api/v1/alerts").json()["alerts"]:
                server.request("POST", f"/api/v1/alerts/{alert['id']}/acknowledge",
                               body={"note": secrets[3]})
            metrics = server.admin("/metrics").body.decode()
            server.terminate()
            self.assertEqual(collector.wrong, [])
            exported = b"".join(collector.exports).decode()
            self.assertIn("/api/v1/studies/{study}/patients/{patient}/diary", exported)
            for secret in [*secrets, "planted-key"]:
                self.assertNotIn(secret, server.text())
                self.assertNotIn(secret, metrics)
                self.assertNotIn(secret, exported)


if __name__ == "__main__":
    unittest.main()

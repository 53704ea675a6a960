"""Runs the real program for a test: a server on ports of the system's choice, in a directory of its
own, killed at the end by its own pid."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = os.environ.get("WEIR_TEST_PROGRAM", os.path.join(ROOT, "build", "release", "weir"))


def full_scale():
    """Whether the program is one that users run: a sanitized one takes a fraction of its load."""
    version = subprocess.run([PROGRAM, "version"], capture_output=True, text=True, check=False)
    return "sanitized" not in version.stdout


def wait_for(condition, seconds, what):
    """Waits until condition() is true; fails with `what` after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    def json(self):
        return json.loads(self.body)


class Server:
    """A running `weir serve`. Use as a context manager, or start() and stop()."""

    def __init__(self, data_dir=None, sets=(), env=None, config=None):
        self.own_dir = data_dir is None
        self.data_dir = data_dir or tempfile.mkdtemp(prefix="weir-test-")
        self.sets = list(sets)
        self.env = env
        self.config = config
        self.process = None
        self.output = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.kill()
        if self.own_dir:
            shutil.rmtree(self.data_dir, ignore_errors=True)

    def arguments(self):
        result = [PROGRAM, "serve"] + (["--config", self.config] if self.config else [])
        for pair in [f"DataDir={self.data_dir}", "Port=0", "Admin.Port=0", *self.sets]:
            result += ["--set", pair]
        return result

    def start(self, expect_ready=True, seconds=30):
        self.output = []
        self.process = subprocess.Popen(
            self.arguments(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **(self.env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        if not expect_ready:
            return self
        wait_for(lambda: self._port("open") or self.process.poll() is not None, seconds, "ready")
        if self.process.poll() is not None:
            raise AssertionError("the server ended at its start:\n" + self.text())
        self.port = self._port("open")
        self.admin_port = self._port("watch")
        return self

    def _read(self):
        for line in self.process.stdout:
            self.output.append(line)

    def _port(self, word):
        found = re.search(rf"^\s+{word}\s+https?://[^/]*:(\d+)/", self.text(), re.M)
        return int(found.group(1)) if found else None

    def text(self):
        return "".join(self.output)

    def wait(self, seconds=30):
        code = self.process.wait(seconds)
        self._close()
        return code

    def terminate(self, seconds=30):
        self.process.send_signal(signal.SIGTERM)
        return self.wait(seconds)

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
            self._close()

    def _close(self):
        self.reader.join(5)
        self.process.stdout.close()

    def request(self, method, path, body=None, headers=None, port=None, timeout=30):
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=timeout)
        try:
            if isinstance(body, (dict, list)):
                body = json.dumps(body)
                headers = {"Content-Type": "application/json", **(headers or {})}
            connection.request(method, path, body=body, headers=headers or {})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def get(self, path, **kwargs):
        return self.request("GET", path, **kwargs)

    def submit(self, report, **kwargs):
        return self.request("POST", "/submit", body=report, **kwargs)

    def admin(self, path):
        return self.request("GET", path, port=self.admin_port)

    def metric(self, name, labels=""):
        text = self.admin("/metrics").body.decode()
        found = re.search(rf"^{re.escape(name)}{re.escape(labels)} ([0-9.e+-]+)$", text, re.M)
        return float(found.group(1)) if found else None

    def tasks(self):
        return {task["name"]: task for task in self.get("/api/v1/tasks").json()["tasks"]}

    def wait_applied(self, seconds=30):
        wait_for(lambda: all(task["lag"] == 0 for task in self.tasks().values()), seconds,
                 "all tasks have caught up")


class SlowServer(Server):
    """On a disk whose syncs take at least `sync_ms`, from when the instruments are journalled."""

    def __init__(self, sync_ms, data_dir, **kwargs):
        super().__init__(data_dir=data_dir, **kwargs)
        self.sync_ms = sync_ms
        with Server(data_dir=data_dir) as quick:
            quick.terminate()

    def arguments(self):
        program = os.path.join(os.path.dirname(PROGRAM), "bench", "slow_disk", "bench_slow_disk")
        return [program, str(self.sync_ms), *super().arguments()[1:]]


ANSWERS = ["LA6568-5", "LA6569-3", "LA6570-1", "LA6571-9"]
PHQ9 = ["44250-9", "44255-8", "44259-0", "44254-1", "44251-7", "44258-2", "44252-5", "44253-3",
        "44260-8"]


def phq9(report_id, patient_id, scores, **fields):
    """A PHQ-9 report with these nine scores."""
    data = {link: ANSWERS[score] for link, score in zip(PHQ9, scores)}
    return {"report_id": report_id, "patient_id": patient_id, "instrument": "phq9", "data": data,
            **fields}

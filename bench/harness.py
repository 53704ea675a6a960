"""What the sections of the benchmark share: the server under test, the floors it is measured
against, the load generator, and a record of figures beside their targets."""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests", "program"))
from weir_server import PROGRAM, Server, wait_for  # noqa: E402

BUILD = os.path.join(ROOT, "build", "release")
CLOCK_TICKS = os.sysconf("SC_CLK_TCK")


def make_directory():
    """On the disk that the project is on: /tmp may be memory, and then nothing is durable."""
    parent = os.path.join(ROOT, "build", "bench-data")
    os.makedirs(parent, exist_ok=True)
    return tempfile.mkdtemp(dir=parent)


def cpu_seconds(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def rss_bytes(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as file:
        return int(re.search(r"VmRSS:\s+(\d+) kB", file.read()).group(1)) * 1024


class Weir(Server):
    """The server, with a token and a directory of its own that may outlive one process of it."""

    more_sets = []  # given to the benchmark by --set, for every server that it starts
    surge_arguments = ()  # without which the load generator does not reach it

    def __init__(self, paused=False, transport="auto", sets=(), sync_ms=0):
        super().__init__(data_dir=make_directory())
        self.own_dir = True
        self.paused = paused
        self.transport = transport
        self.own_sets = list(sets)
        self.sync_ms = sync_ms  # syncs of the journal take at least so long
        self.cores = None  # which it may use from its next start; None: all
        added = subprocess.run(
            [PROGRAM, "tokens", "add", "bench", "--scopes", "submit,read,alerts,operate",
             "--set", f"DataDir={self.data_dir}"],
            cwd=ROOT, check=True, capture_output=True, text=True)
        self.token = added.stdout.split()[-1]

    def arguments(self):
        self.sets = [f"Tasks.Paused={'true' if self.paused else 'false'}",
                     f"Net.Transport={self.transport}", *self.own_sets, *self.more_sets]
        arguments = super().arguments()
        if self.sync_ms:
            slow = os.path.join(BUILD, "bench", "slow_disk", "bench_slow_disk")
            arguments[:1] = [slow, str(self.sync_ms)]
        return arguments

    def shed(self, of):
        """Requests of a class that were answered 503, for whatever reason."""
        text = self.admin("/metrics").body.decode()
        return sum(float(value) for value in re.findall(
            rf'^weir_guard_shed_total{{class="{of}",reason="[^"]*"}} (\S+)$', text, re.M))

    def start(self, **kwargs):
        everywhere = os.sched_getaffinity(0)
        if self.cores:
            os.sched_setaffinity(0, self.cores)  # inherited by the server
        try:
            super().start(**kwargs)
        finally:
            os.sched_setaffinity(0, everywhere)
        wait_for(lambda: self.admin("/readyz").status == 200, 60, "ready")
        return self

    def restart(self, paused):
        self.terminate(120)
        self.paused = paused
        return self.start(seconds=120)

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def get(self, path, **kwargs):
        return super().get(path, headers={"Authorization": f"Bearer {self.token}"}, **kwargs)

    def submit(self, report, **kwargs):
        return super().submit(report, headers={"Authorization": f"Bearer {self.token}"}, **kwargs)

    def lag(self):
        return max(task["lag"] for task in self.tasks().values())

    def answer_bytes(self):
        """One whole answer as it is on the wire, for the floor to send."""
        body = json.dumps({"report_id": "0" * 32, "patient_id": "p", "data": "x"}).encode()
        request = (f"POST /submit HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {self.token}\r\n"
                   f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n").encode()
        with socket.create_connection(("127.0.0.1", self.port), timeout=10) as connection:
            connection.sendall(request + body)
            return connection.recv(65536)


class Floor:
    """A bare epoll loop that sends the server's own answer: over HTTP/1.1, or `floor_h2`."""

    surge_arguments = ()

    def __init__(self, answer, token, program="floor"):
        self.program = program
        self.answer_file = tempfile.NamedTemporaryFile()
        self.answer_file.write(answer)
        self.answer_file.flush()
        self.token = token  # so that its requests are as long

    def __enter__(self):
        self.process = subprocess.Popen(
            [os.path.join(BUILD, "bench", self.program, f"bench_{self.program}"), "--answer",
             self.answer_file.name],
            stdout=subprocess.PIPE, text=True)
        self.port = int(re.search(r":(\d+)", self.process.stdout.readline()).group(1))
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.answer_file.close()

    @property
    def pid(self):
        return self.process.pid

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


def fsync_floor(directory, seconds):
    """Quantiles, in ms, of a bare fdatasync loop."""
    done = subprocess.run(
        [os.path.join(BUILD, "bench", "fsync_floor", "bench_fsync_floor"), "--dir", directory,
         "--seconds", str(seconds), "--json"], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)["all"]


def surge(server, *arguments, check=True):
    """Runs the load generator against it; what it measured, and the server's CPU per request."""
    with tempfile.NamedTemporaryFile("r", suffix=".json") as out:
        before = cpu_seconds(server.pid)
        done = subprocess.run(
            [PROGRAM, "surge", "--url", server.url, "--token", server.token, "--json", out.name,
             *server.surge_arguments, *arguments],
            cwd=ROOT, capture_output=True, text=True, check=False)
        cpu = cpu_seconds(server.pid) - before
        text = out.read()
    if not text or (check and done.returncode != 0):
        raise RuntimeError(f"surge {' '.join(arguments)} ended with {done.returncode}:\n"
                           f"{done.stdout}{done.stderr}")
    result = json.loads(text)
    result["server_cpu_us"] = cpu * 1e6 / max(1, result["sent"])
    return result


def closed_loop(server, seconds, connections=512):
    return surge(server, "--closed-loop", "--seconds", f"{seconds}s", "--warm-up", "1s",
                 "--connections", str(connections), "--resend", "0", "--no-alerts")


def http2_loop(server, seconds, streams=32, connections=16):
    """The same over HTTP/2: as many requests are in flight."""
    return surge(server, "--closed-loop", "--seconds", f"{seconds}s", "--warm-up", "1s", "--http2",
                 "--connections", str(connections), "--streams", str(streams), "--resend", "0",
                 "--no-alerts")


def load(server, reports, urgent_share=0.01):
    """As fast as the server takes them, answers not looked at one by one."""
    return surge(server, "--closed-loop", "--reports", str(reports), "--connections", "512",
                 "--resend", "0", "--urgent-share", str(urgent_share), "--no-alerts")


class Figures:
    """What was measured, beside what it must be."""

    def __init__(self):
        self.rows = []
        self.failed = False

    def add(self, section, name, value, unit="", at_least=None, at_most=None, note="", within=0):
        met = None
        if at_least is not None:
            met = value >= at_least
        if at_most is not None:
            met = value <= at_most
        self.failed |= met is False
        target = at_least if at_least is not None else at_most
        self.rows.append({"section": section, "name": name, "value": value, "unit": unit,
                          "at_least": at_least, "at_most": at_most, "met": met, "note": note,
                          "within": within})
        wanted = "" if target is None else f"{'≥' if at_least is not None else '≤'} {target:g}"
        verdict = {None: "", True: "pass", False: "FAIL"}[met]
        print(f"{section:9} {name:46} {value:>10.4g} {unit:8} {wanted:10} {verdict:5} {note}",
              flush=True)

    def write(self, path):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            json.dump({"figures": self.rows, "failed": self.failed}, file, indent=1)


def in_turns(rounds, ways):
    """Each of `ways`, {name: what measures it}, in each round, by name: in changing order, for the
    machine drifts."""
    measured = []
    for number in range(rounds):
        order = list(ways.items())
        order = order[number % len(order):] + order[:number % len(order)]
        measured.append({name: measure() for name, measure in order})
    return measured


def closed_loops(servers, seconds):
    """The ways of in_turns() for `servers`, by name."""
    return {name: lambda server=server: closed_loop(server, seconds)
            for name, server in servers.items()}


def median(values):
    return statistics.median(values)


def remove_data():
    shutil.rmtree(os.path.join(ROOT, "build", "bench-data"), ignore_errors=True)


def seconds_until(condition, limit, what):
    start = time.monotonic()
    wait_for(condition, limit, what)
    return time.monotonic() - start

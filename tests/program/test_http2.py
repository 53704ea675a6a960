"""HTTP/2 as clients speak it: curl, h2load and h2spec; floods, clients that do not read, clients that
finish early, and a server that stops."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import unittest

from weir_server import ROOT, Server, full_scale

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = 0, 1, 3, 4, 6, 7, 8, 9
END_STREAM, END_HEADERS, ACK = 1, 4, 1
NO_ERROR, REFUSED_STREAM, ENHANCE_YOUR_CALM = 0, 7, 11


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value):
    """A field of HPACK, without indexing, without Huffman."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def get(path):
    return b"\x82\x86" + literal(b":path", path) + literal(b":authority", b"a")


def post(path):
    return (b"\x83\x86" + literal(b":path", path) + literal(b":authority", b"a")
            + literal(b"content-type", b"application/json"))


class Connection:
    """Frames by hand."""

    def __init__(self, server, settings=b"", receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(30)
        self.socket.connect(("127.0.0.1", server.port))
        self.buffer = b""
        self.send(PREFACE + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        self.socket.sendall(data)

    def read(self):
        """(kind, flags, stream, payload), or None at the end."""
        try:
            while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
                piece = self.socket.recv(1 << 16)
                if not piece:
                    return None
                self.buffer += piece
        except ConnectionError:
            return None
        size = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        payload, self.buffer = self.buffer[9:9 + size], self.buffer[9 + size:]
        return kind, flags, stream, payload

    def read_until(self, kind, stream=None):
        while got := self.read():
            if got[0] == kind and (stream is None or got[2] == stream):
                return got
        return None

    def answers(self, streams):
        """Waits until each of the streams has ended."""
        left = set(streams)
        while left and (got := self.read()):
            if got[0] in (HEADERS, DATA) and got[1] & END_STREAM:
                left.discard(got[2])
        return left

    def close(self):
        self.socket.close()


class Http2(unittest.TestCase):
    def open(self, server, **options):
        connection = Connection(server, **options)
        self.addCleanup(connection.close)
        return connection

    def check_serves(self, server):
        done = subprocess.run(
            ["curl", "-s", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
             f"http://127.0.0.1:{server.port}/openapi.json"],
            capture_output=True, text=True, timeout=60, check=False)
        self.assertEqual(done.stdout, "2 200")

    def test_curl_submits_reads_and_streams(self):
        with Server() as server:
            url = f"http://127.0.0.1:{server.port}"
            done = subprocess.run(
                ["curl", "-s", "--http2-prior-knowledge", f"{url}/submit", "-H",
                 "Content-Type: application/json", "-w", " %{http_version} %{http_code}", "-d",
                 '{"report_id":"r1","patient_id":"p1","data":"text"}'],
                capture_output=True, text=True, timeout=60, check=False)
            self.assertIn("Report received and queued for processing.", done.stdout)
            self.assertTrue(done.stdout.endswith(" 2 202"), done.stdout)
            lines = "".join('{"report_id":"b%d","patient_id":"p1","data":"text"}\n' % i
                            for i in range(3000))
            done = subprocess.run(
                ["curl", "-s", "--http2-prior-knowledge", f"{url}/api/v1/reports:batch", "-H",
                 "Content-Type: application/x-ndjson", "--data-binary", "@-"], input=lines, capture_output=True, text=True, timeout=120, check=False)
            self.assertEqual(done.stdout.count('"status":202'), 3000)
            stream = subprocess.Popen(
                ["curl", "-sN", "--http2-prior-knowledge", f"{url}/api/v1/alerts/stream"],
                stdout=subprocess.PIPE, text=True)
            self.addCleanup(lambda: (stream.kill(), stream.stdout.close(), stream.wait()))
            server.request("POST", "/submit", '{"report_id":"u","patient_id":"p","data":{"44250-9":3,'
                           '"44255-8":3,"44260-8":3}}', {"Content-Type": "application/json"})
            line = stream.stdout.readline()
            while "event: alert" not in line:
                self.assertTrue(line, "the stream ended")
                line = stream.stdout.readline()
            self.assertGreaterEqual(server.metric("weir_http2_connections_total"), 3)

    @unittest.skipUnless(shutil.which("h2load"), "h2load is not installed")
    def test_many_streams_of_many_connections(self):
        requests = 50_000 if full_scale() else 2_000
        # Where the processors are slow the shedder refuses what is read, as it should.
        with Server(sets=["Rest.Middlewares.Shedder=false"]) as server:
            done = subprocess.run(
                ["h2load", "-n", str(requests), "-c", "16", "-m", "100", "-t", "1",
                 f"http://127.0.0.1:{server.port}/"],
                capture_output=True, text=True, timeout=300, check=False)
            self.assertIn(f"{requests} succeeded, 0 failed, 0 errored", done.stdout)

    def test_h2spec(self):
        if not shutil.which("go"):
            self.skipTest("h2spec is in Go, which is not installed")
        tools = os.path.join(ROOT, "build", "tools")
        h2spec = os.path.join(tools, "h2spec")
        if not os.path.exists(h2spec):
            built = subprocess.run(
                ["go", "install", "github.com/summerwind/h2spec/cmd/h2spec@latest"],
                env={**os.environ, "GOBIN": tools}, capture_output=True, text=True, timeout=600,
                check=False)
            if built.returncode != 0:
                self.skipTest("h2spec could not be had: " + built.stderr[-200:])
        with Server() as server:
            done = subprocess.run(
                [h2spec, "generic", "http2", "hpack", "-h", "127.0.0.1", "-p", str(server.port),
                 "-o", "5"], capture_output=True, text=True, timeout=300, check=False)
            summary = done.stdout.strip().splitlines()[-1]
            self.assertIn(" 0 failed", summary, done.stdout[-3000:])
            self.assertGreaterEqual(int(summary.split()[0]), 145)
            self.check_serves(server)

    def test_floods_end_their_connection_and_nobody_elses(self):
        floods = {
            "rapid resets": lambda i: (frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1, get(b"/"))
                                       + frame(RST_STREAM, 0, 2 * i + 1, struct.pack(">I", 8))),
            "pings": lambda i: frame(PING, 0, 0, b"12345678"),
            "settings": lambda i: frame(SETTINGS, 0, 0),
            "empty data": lambda i: (frame(HEADERS, END_HEADERS, 1, post(b"/submit")) if i == 0
                                     else frame(DATA, 0, 1)),
            "priorities": lambda i: frame(2, 0, 1, b"\x00\x00\x00\x00\x10"),
            "continuations": lambda i: (frame(HEADERS, 0, 1, get(b"/")) if i == 0
                                        else frame(CONTINUATION, 0, 1, literal(b"x", b"y"))),
        }
        with Server() as server:
            other = self.open(server)
            before = server.metric("weir_process_resident_memory_bytes")
            for name, make in floods.items():
                with self.subTest(name):
                    flood = self.open(server)
                    try:
                        for i in range(100_000):
                            flood.send(make(i))
                        self.fail("it was borne")
                    except OSError:
                        pass
            self.assertGreaterEqual(server.metric("weir_http2_floods_total"), 5)
            other.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, get(b"/")))
            self.assertEqual(other.answers([1]), set())
            self.assertLess(server.metric("weir_process_resident_memory_bytes") - before, 32 << 20)
            self.check_serves(server)

    def test_a_header_bomb_is_refused(self):
        with Server() as server:
            bomb = self.open(server)
            # One entry of the dynamic table, 4,000 bytes, named again and again: megabytes of header.
            entry = b"\x40\x01x\x7f" + bytes([0xa0 | 0x01, 30]) + b"v" * (127 + 33 + 30 * 128)
            block = get(b"/") + entry + b"\xbe" * 8_000
            bomb.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, block))
            bomb.answers([1])
            self.check_serves(server)
            self.assertLess(server.metric("weir_process_resident_memory_bytes"), 256 << 20)

    def test_a_client_that_never_reads_costs_bounded_memory(self):
        with Server() as server:
            self.check_serves(server)
            before = server.metric("weir_process_resident_memory_bytes")
            window = struct.pack(">HI", 4, 0)  # nothing of an answer may be sent
            for _ in range(20):
                greedy = self.open(server, settings=window, receive_buffer=4096)
                for i in range(400):
                    try:
                        greedy.send(frame(HEADERS, END_HEADERS | END_STREAM, 2 * i + 1,
                                          get(b"/openapi.json")))
                    except OSError:
                        break
            self.check_serves(server)
            grown = server.metric("weir_process_resident_memory_bytes") - before
            self.assertLess(grown, 64 << 20)

    def test_as_many_requests_as_are_allowed_at_once_are_all_answered(self):
        with Server() as server:
            connection = self.open(server)
            streams = range(1, 201, 2)
            for stream in streams:
                connection.send(frame(HEADERS, END_HEADERS | END_STREAM, stream, get(b"/openapi.json")))
            # Megabytes wait for the client's windows, which it opens as it reads.
            left, refused = set(streams), []
            while left and (got := connection.read()):
                kind, flags, stream, payload = got
                if kind == RST_STREAM:
                    refused.append(stream)
                if kind == DATA and payload:
                    step = struct.pack(">I", len(payload))
                    connection.send(frame(WINDOW_UPDATE, 0, 0, step)
                                    + (frame(WINDOW_UPDATE, 0, stream, step)
                                       if not flags & END_STREAM else b""))
                if kind == DATA and flags & END_STREAM:
                    left.discard(stream)
            self.assertEqual((left, refused), (set(), []))

    def test_who_has_finished_sending_still_gets_the_answers(self):
        with Server() as server:
            connection = self.open(server)
            body = b'{"report_id":"r1","patient_id":"p1","data":"text"}'
            for stream in (1, 3):
                connection.send(frame(HEADERS, END_HEADERS, stream, post(b"/submit"))
                                + frame(DATA, END_STREAM, stream, body.replace(b"r1", b"r%d" % stream)))
            connection.socket.shutdown(socket.SHUT_WR)
            self.assertEqual(connection.answers([1, 3]), set())
            self.assertIsNone(connection.read_until(99), "and then the connection ends")

    def test_a_server_that_stops_says_which_requests_it_takes(self):
        with Server() as server:
            connection = self.open(server)
            connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 1, get(b"/")))
            self.assertEqual(connection.answers([1]), set())
            server.process.send_signal(signal.SIGTERM)
            notice = connection.read_until(GOAWAY)
            self.assertEqual(struct.unpack(">II", notice[3][:8]), (0x7fffffff, NO_ERROR))
            connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, get(b"/")))
            self.assertEqual(connection.answers([3]), set(), "it was on its way")
            last = connection.read_until(GOAWAY)
            self.assertEqual(struct.unpack(">II", last[3][:8]), (3, NO_ERROR))
            self.assertEqual(server.wait(), 0)

    def test_bodies_that_stall_are_timed_out_and_others_are_not(self):
        with Server(sets=["Http.BodyTimeout=500ms"]) as server:
            connection = self.open(server)
            connection.send(frame(HEADERS, END_HEADERS, 1, post(b"/submit")) + frame(DATA, 0, 1, b"{"))
            answer = connection.read_until(HEADERS, 1)
            self.assertIsNotNone(answer)
            connection.send(frame(HEADERS, END_HEADERS | END_STREAM, 3, get(b"/")))
            self.assertEqual(connection.answers([3]), set())


if __name__ == "__main__":
    unittest.main()

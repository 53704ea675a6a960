"""Thousands of patients stay connected: what each costs, and what happens past the limit."""

import resource
import socket
import threading
import time
import unittest

from weir_server import Server, full_scale, wait_for

BODY = b'{"report_id":"r-%05d","patient_id":"p","data":"well"}'
REQUEST = (b"POST /submit HTTP/1.1\r\nHost: a\r\nContent-Length: " + str(len(BODY % 0)).encode() +
           b"\r\n\r\n" + BODY)
IDLE = 19_000
IDLE_BYTES_MAX = 8 << 10


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def answer(connection):
    """One whole answer with a length; b"" if the connection ended before it."""
    received = b""
    while b"\r\n\r\n" not in received:
        piece = connection.recv(4096)
        if not piece:
            return b""
        received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n")
                  if line.lower().startswith(b"content-length:"))
    while len(body) < length:
        body += connection.recv(4096)
    return head


class Connections(unittest.TestCase):
    def setUp(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        self.descriptors = hard
        self.open = []
        self.addCleanup(lambda: [connection.close() for connection in self.open])

    def connect(self, server, number):
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
        self.open.append(connection)
        connection.sendall(REQUEST % number)
        return connection

    @unittest.skipUnless(full_scale(), "a sanitizer's memory says nothing of the server's")
    def test_an_idle_connection_costs_at_most_8_kib(self):
        idle = min(IDLE, self.descriptors - 1000)
        with Server() as server:
            for number in range(500):  # what the first requests need once is not a connection's
                self.assertIn(b" 202 ", answer(self.connect(server, number)))
            before = resident_bytes(server.process.pid)
            # A few hundred wait for their answers at a time, as in a herd.
            for begin in range(500, idle, 500):
                wave = [self.connect(server, number) for number in range(begin, begin + 500)]
                for connection in wave:
                    self.assertIn(b" 202 ", answer(connection))
            self.assertEqual(server.metric("weir_http_connections"), len(self.open))
            cost = (resident_bytes(server.process.pid) - before) / (len(self.open) - 500)
            print(f"{len(self.open):,} idle connections cost {cost:,.0f} bytes each")
            self.assertLessEqual(cost, IDLE_BYTES_MAX)
            # They are still served.
            self.open[0].sendall(REQUEST % 99_999)
            self.assertIn(b" 202 ", answer(self.open[0]))

    def test_what_exceeds_the_limit_is_closed_and_what_is_within_it_is_served(self):
        with Server(sets=["Http.ConnectionsMax=50"]) as server:
            self.assertIn("limit   50 connections", server.text())
            within = [self.connect(server, number) for number in range(50)]
            for connection in within:
                self.assertIn(b" 202 ", answer(connection))
            for number in range(100, 150):
                beyond = socket.create_connection(("127.0.0.1", server.port), timeout=30)
                self.addCleanup(beyond.close)
                try:
                    beyond.sendall(REQUEST % number)
                    self.assertEqual(answer(beyond), b"")
                except ConnectionError:
                    pass
            within[0].sendall(REQUEST % 200)
            self.assertIn(b" 202 ", answer(within[0]))
            self.assertGreaterEqual(server.metric("weir_http_connections_refused_total"), 50)
            # There is room again once somebody has left.
            within[1].close()
            self.assertTrue(wait_for(lambda: self.served_anew(server), 10, "a place is free"))

    def test_past_the_memory_for_bodies_sockets_wait_and_all_are_served(self):
        body = b'{"report_id":"large-%05d","patient_id":"p","data":"well"' + b" " * 100_000 + b"}"
        length = len(body % 0)
        for transport in ("epoll", "io_uring"):
            with self.subTest(transport), Server(sets=[
                    f"Net.Transport={transport}", "Http.Loops=1", "Http.BodyMemoryBytesMax=4MiB",
                    "Http.BodyBytesMax=512KiB"]) as server:
                large = [socket.create_connection(("127.0.0.1", server.port), timeout=30)
                         for _ in range(110)]
                self.open += large
                for connection in large:
                    connection.sendall(b"POST /submit HTTP/1.1\r\nHost: a\r\n"
                                       b"Content-Length: %d\r\n\r\n" % length)
                for part in (slice(0, 60_000), slice(60_000, None)):
                    for number, connection in enumerate(large):
                        connection.sendall((body % number)[part])
                    # Who needs no memory is served meanwhile.
                    self.assertIn(b" 20", answer(self.connect(server, 1)))
                for connection in large:
                    self.assertIn(b" 202 ", answer(connection))

    def test_a_hundred_thousand_that_try_to_open_do_not_hinder_those_within(self):
        tries = 100_000 if full_scale() else 5_000
        with Server(sets=["Http.ConnectionsMax=1000"]) as server:
            within = [self.connect(server, number) for number in range(1000)]
            for connection in within:
                self.assertIn(b" 202 ", answer(connection))
            served, begun = 1000, 0
            while begun < tries:
                # A few thousand at a time, from addresses of their own: one has 28,000 ports.
                wave = []
                source = f"127.0.{1 + begun // 10_000}.1"
                for _ in range(2_000):
                    attempt = socket.socket()
                    attempt.setblocking(False)
                    attempt.bind((source, 0))
                    attempt.connect_ex(("127.0.0.1", server.port))
                    wave.append(attempt)
                begun += len(wave)
                for connection in within[:100]:
                    connection.sendall(REQUEST % (served % 100_000))
                    self.assertIn(b" 20", answer(connection))
                    served += 1
                for attempt in wave:
                    attempt.close()
            wait_for(lambda: server.metric("weir_http_connections") == 1000, 60, "the limit")
            within[500].sendall(REQUEST % 99_998)
            self.assertIn(b" 20", answer(within[500]))
            self.assertGreater(server.metric("weir_http_connections_refused_total"), tries / 10)

    def test_a_flood_of_slow_headers_leaves_others_as_quick_as_before(self):
        slow = 3_000 if full_scale() else 300
        with Server(sets=["Http.HeaderTimeout=60s"]) as server:
            patient = self.connect(server, 0)
            self.assertIn(b" 202 ", answer(patient))

            def p99_s(first):
                took = []
                for number in range(first, first + 500):
                    begin = time.monotonic()
                    patient.sendall(REQUEST % number)
                    self.assertIn(b" 202 ", answer(patient))
                    took.append(time.monotonic() - begin)
                return sorted(took)[-5]
            before = p99_s(1)
            flood = []
            for _ in range(slow):
                connection = socket.create_connection(("127.0.0.1", server.port), timeout=30)
                self.open.append(connection)
                flood.append(connection)
            ended = threading.Event()

            def drip():
                while not ended.is_set():
                    for connection in flood:
                        connection.send(b"G" if not ended.is_set() else b"")
                        if ended.wait(0.0002):
                            return
            dripping = threading.Thread(target=drip)
            dripping.start()
            try:
                after = p99_s(1_000)
            finally:
                ended.set()
                dripping.join()
            # Where it takes next to nothing, twice that is within the noise of the machine.
            self.assertLessEqual(after, max(2 * before, 0.025), f"{before * 1e3:.1f} ms before")

    def served_anew(self, server):
        try:
            return b" 202 " in answer(self.connect(server, 300))
        except ConnectionError:
            return False


if __name__ == "__main__":
    unittest.main()

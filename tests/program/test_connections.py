"""Thousands of patients stay connected: what each costs, and what happens past the limit."""

import resource
import socket
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

    def served_anew(self, server):
        try:
            return b" 202 " in answer(self.connect(server, 300))
        except ConnectionError:
            return False


if __name__ == "__main__":
    unittest.main()

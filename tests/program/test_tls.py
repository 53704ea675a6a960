"""TLS as clients meet it: versions, tickets, certificates that change, clients' own, and clients that
stall or do not speak it."""

import http.client
import json
import os
import selectors
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from certificates import make_certificate
from weir_server import PROGRAM, Server, full_scale, wait_for


def fingerprint(path):
    done = subprocess.run(["openssl", "x509", "-in", path + ".crt", "-noout", "-fingerprint",
                           "-sha256"], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.strip().split("=")[1]


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.made = tempfile.TemporaryDirectory()
        cls.one = make_certificate(cls.made.name, "one")
        cls.other = make_certificate(cls.made.name, "other")
        cls.authority = make_certificate(cls.made.name, "authority", common_name="authority")
        cls.client = make_certificate(cls.made.name, "client", cls.authority, "a phone")
        cls.stranger = make_certificate(cls.made.name, "stranger", common_name="a stranger")

    @classmethod
    def tearDownClass(cls):
        cls.made.cleanup()

    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.served = os.path.join(self.directory.name, "served")
        self.serve_with(self.one)

    def serve_with(self, certificate):
        for ending in (".key", ".crt"):
            with open(certificate + ending, "rb") as source:
                with open(self.served + ending + ".new", "wb") as target:
                    target.write(source.read())
            os.replace(self.served + ending + ".new", self.served + ending)

    def server(self, *sets):
        return Server(sets=[f"Tls.CertFile={self.served}.crt", f"Tls.KeyFile={self.served}.key",
                            *sets])

    def context(self, trusted=None, certificate=None):
        context = ssl.create_default_context(cafile=(trusted or self.one) + ".crt")
        if certificate:
            context.load_cert_chain(certificate + ".crt", certificate + ".key")
        return context

    def connect(self, server, context=None):
        connection = http.client.HTTPSConnection("127.0.0.1", server.port, timeout=30,
                                                 context=context or self.context())
        self.addCleanup(connection.close)
        connection.connect()
        return connection

    def submit(self, connection, number, token=None):
        headers = {"Content-Type": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        body = json.dumps({"report_id": f"r{number}", "patient_id": "p", "data": "text"})
        connection.request("POST", "/submit", body, headers)
        response = connection.getresponse()
        response.read()
        return response.status

    def test_curl_and_both_versions_and_no_older_one(self):
        with self.server() as server:
            done = subprocess.run(
                ["curl", "-s", "--cacert", self.served + ".crt",
                 f"https://localhost:{server.port}/api/v1/tasks"],
                capture_output=True, text=True, timeout=60, check=False)
            self.assertEqual(len(json.loads(done.stdout)["tasks"]), 6)
            for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
                context = self.context()
                context.minimum_version = context.maximum_version = version
                self.assertEqual(self.submit(self.connect(server, context), version), 202)
            old = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}",
                                  "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], input="", text=True,
                                 capture_output=True, timeout=60, check=False)
            self.assertNotEqual(old.returncode, 0)
            wait_for(lambda: server.metric("weir_tls_handshakes_total", '{outcome="incompatible"}'),
                     20, "the old version counted")

    def test_sessions_are_resumed_by_tickets_until_their_key_has_gone(self):
        with self.server("Tls.TicketRotation=2s") as server:
            for version in ("-tls1_2", "-tls1_3"):
                session = os.path.join(self.directory.name, "session")

                def reused(*arguments):
                    done = subprocess.run(
                        ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version,
                         "-CAfile", self.served + ".crt", "-ign_eof", *arguments],
                        input="GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", text=True,
                        capture_output=True, timeout=60, check=False)
                    return "Reused, TLS" in done.stdout

                self.assertFalse(reused("-sess_out", session))
                self.assertTrue(reused("-sess_in", session), version)
            self.assertEqual(server.metric("weir_tls_handshakes_total", '{outcome="resumed"}'), 2)
            wait_for(lambda: not reused("-sess_in", session), 30, "the end of the ticket")

    def test_a_new_certificate_is_served_and_no_connection_is_dropped(self):
        with self.server() as server:
            before = self.connect(server)
            self.assertEqual(self.submit(before, 1), 202)
            self.serve_with(self.other)
            wait_for(lambda: "tls.reloaded" in server.text(), 30, "the new certificate")
            self.assertEqual(self.submit(before, 2), 202)
            self.assertEqual(self.submit(self.connect(server, self.context(self.other)), 3), 202)
            with self.assertRaises(ssl.SSLCertVerificationError):
                self.connect(server)

    def test_a_torn_certificate_leaves_the_one_of_before_in_force(self):
        with self.server() as server:
            with open(self.served + ".crt", "r+b") as file:
                file.truncate(100)
            wait_for(lambda: "tls.unreadable" in server.text(), 30, "the complaint")
            self.assertEqual(self.submit(self.connect(server), 1), 202)
            os.remove(self.served + ".key")
            server.process.send_signal(signal.SIGHUP)
            wait_for(lambda: server.text().count("tls.unreadable") >= 2, 30, "another complaint")
            self.assertEqual(self.submit(self.connect(server), 2), 202)
            self.serve_with(self.other)
            wait_for(lambda: "tls.reloaded" in server.text(), 30, "the certificate that is whole")
            self.assertEqual(self.submit(self.connect(server, self.context(self.other)), 3), 202)

    def test_a_server_without_its_certificate_does_not_start(self):
        for sets, what in ((["Tls.CertFile=/nowhere.crt", "Tls.KeyFile=/nowhere.key"],
                            "Tls.CertFile: /nowhere.crt: No such file or directory"),
                           ([f"Tls.CertFile={self.one}.crt", f"Tls.KeyFile={self.other}.key"],
                            "Tls.KeyFile"),
                           ([f"Tls.CertFile={self.one}.crt"], "need each other")):
            server = Server(sets=sets)
            server.start(expect_ready=False)
            self.assertEqual(server.wait(), 2)
            self.assertIn(what, server.text())

    def test_who_does_not_speak_tls_is_told_so(self):
        with self.server() as server:
            with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
                answer = b""
                while piece := plain.recv(4096):
                    answer += piece
            self.assertTrue(answer.startswith(b"HTTP/1.1 400"), answer)
            self.assertIn(b"https://", answer)
            for garbage in (b"\x16\x03\x01", b"\x00" * 100, os.urandom(1000)):
                with socket.create_connection(("127.0.0.1", server.port), timeout=30) as plain:
                    plain.sendall(garbage)
            self.assertEqual(server.metric("weir_tls_handshakes_total", '{outcome="plain_http"}'), 1)
            self.assertEqual(self.submit(self.connect(server), 1), 202)

    def test_a_token_may_be_bound_to_a_clients_certificate(self):
        with self.server("Tls.ClientAuth=optional", f"Tls.ClientCa={self.authority}.crt") as server:
            added = subprocess.run(
                [PROGRAM, "tokens", "add", "phone", "--certificate-sha256", fingerprint(self.client),
                 "--set", f"DataDir={server.data_dir}"],
                capture_output=True, text=True, timeout=60, check=True)
            token = added.stdout.strip()
            with_it = self.context(certificate=self.client)
            wait_for(lambda: self.submit(self.connect(server), 0) == 401, 20, "tokens in force")
            self.assertEqual(self.submit(self.connect(server), 1, token), 401)
            self.assertEqual(self.submit(self.connect(server, with_it), 1, token), 202)
            with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                stranger = self.connect(server, self.context(certificate=self.stranger))
                self.submit(stranger, 2, token)

    def test_a_certificate_may_be_required(self):
        with self.server("Tls.ClientAuth=required", f"Tls.ClientCa={self.authority}.crt") as server:
            with self.assertRaises((ssl.SSLError, ConnectionError, http.client.HTTPException)):
                self.submit(self.connect(server), 1)
            with_it = self.context(certificate=self.client)
            self.assertEqual(self.submit(self.connect(server, with_it), 1), 202)
            wait_for(lambda: server.metric("weir_tls_handshakes_total", '{outcome="certificate"}'),
                     20, "the refusal counted")

    def test_who_signs_clients_no_longer_lets_nobody_in_by_a_ticket_either(self):
        signers = os.path.join(self.directory.name, "signers.crt")

        def trust(certificate):
            with open(certificate + ".crt", "rb") as source, open(signers + ".new", "wb") as target:
                target.write(source.read())
            os.replace(signers + ".new", signers)
        trust(self.authority)
        session = os.path.join(self.directory.name, "session")
        with self.server("Tls.ClientAuth=required", f"Tls.ClientCa={signers}") as server:
            def answered(version, *arguments):
                done = subprocess.run(
                    ["openssl", "s_client", "-connect", f"127.0.0.1:{server.port}", version,
                     "-CAfile", self.served + ".crt", "-cert", self.client + ".crt", "-key",
                     self.client + ".key", "-ign_eof", *arguments],
                    input="GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", text=True,
                    capture_output=True, timeout=60, check=False)
                return "HTTP/1.1 200" in done.stdout, "Reused, TLS" in done.stdout
            for number, version in enumerate(("-tls1_2", "-tls1_3")):
                trust(self.authority)
                wait_for(lambda: server.text().count("tls.reloaded") == 2 * number, 30, "the signers")
                self.assertEqual(answered(version, "-sess_out", session), (True, False))
                self.assertEqual(answered(version, "-sess_in", session), (True, True))
                trust(self.stranger)
                wait_for(lambda: server.text().count("tls.reloaded") == 2 * number + 1, 30,
                         "other signers")
                self.assertEqual(answered(version, "-sess_in", session), (False, False))

    def test_handshakes_that_stall_hinder_nobody_for_long_and_are_cut_off(self):
        stalled_count = 2000 if full_scale() else 200
        with self.server("Tls.HandshakesMax=50", "Http.FirstByteTimeout=3s") as server:
            before = self.connect(server)
            stalled = []
            for _ in range(stalled_count):
                connection = socket.create_connection(("127.0.0.1", server.port), timeout=60)
                self.addCleanup(connection.close)
                connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00")  # a ClientHello's beginning
                stalled.append(connection)
            # Who is in is served as ever, and so is who comes after them: they take no slot.
            number, until = 0, time.monotonic() + 1.5
            while number < 100 or time.monotonic() < until:
                self.assertEqual(self.submit(before, number), 202)
                number += 1
            self.assertEqual(self.submit(self.connect(server), "late"), 202)
            for connection in stalled:
                try:
                    self.assertEqual(connection.recv(1), b"")
                except ConnectionError:
                    pass
            self.assertEqual(self.submit(before, "again"), 202)

    def test_a_lasting_flood_of_stalled_handshakes_keeps_nobody_out(self):
        # Each greets as a client does, and then says nothing; who is cut off comes again.
        greeting = ssl.MemoryBIO()
        try:
            self.context().wrap_bio(ssl.MemoryBIO(), greeting, server_hostname="localhost").do_handshake()
        except ssl.SSLWantReadError:
            pass
        hello = greeting.read()
        ended = threading.Event()

        def stall(port):
            with selectors.DefaultSelector() as waiting:
                def come():
                    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
                    connection.sendall(hello)
                    waiting.register(connection, selectors.EVENT_READ)
                for _ in range(400):
                    come()
                while not ended.is_set():
                    for key, _ in waiting.select(0.1):
                        try:
                            if key.fileobj.recv(4096):
                                continue
                        except ConnectionError:
                            pass
                        waiting.unregister(key.fileobj)
                        key.fileobj.close()
                        come()
                for key in list(waiting.get_map().values()):
                    key.fileobj.close()
        with self.server("Http.Loops=2", "Tls.HandshakesMax=50", "Http.FirstByteTimeout=3s") as server:
            before = self.connect(server)
            self.assertEqual(self.submit(before, "first"), 202)
            flood = threading.Thread(target=stall, args=(server.port,))
            flood.start()
            try:
                wait_for(lambda: server.metric("weir_http_connections") > 400, 30, "the flood")
                self.assertEqual(self.submit(self.connect(server), "during"), 202)
                self.assertEqual(self.submit(before, "before"), 202)
                self.assertGreater(
                    server.metric("weir_tls_handshakes_total", '{outcome="stalled"}'), 100)
            finally:
                ended.set()
                flood.join()
            self.assertEqual(self.submit(self.connect(server), "after"), 202)

    def test_public_with_tls_and_a_token(self):
        data = os.path.join(self.directory.name, "data")
        sets = ["Host=0.0.0.0", f"Tls.CertFile={self.served}.crt", f"Tls.KeyFile={self.served}.key"]
        refused = Server(data_dir=data, sets=sets)
        refused.start(expect_ready=False)
        self.assertEqual(refused.wait(), 2)
        self.assertIn("weir tokens add", refused.text())
        added = subprocess.run([PROGRAM, "tokens", "add", "app", "--set", f"DataDir={data}"],
                               capture_output=True, text=True, timeout=60, check=True)
        with Server(data_dir=data, sets=sets) as server:
            self.assertEqual(self.submit(self.connect(server), 1, added.stdout.strip()), 202)


if __name__ == "__main__":
    unittest.main()

"""How sockets are reached is chosen at the start, told, and makes no difference to a client."""

import ctypes
import os
import struct
import sys
import unittest

from weir_server import Server, wait_for

PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
IO_URING_SETUP, EPERM = 425, 1


def forbid_io_uring():
    """As a container's profile does: io_uring_setup fails with EPERM from here on."""
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    errno, allow = 0x00050000, 0x7FFF0000
    steps = [(load, 0, 0, 0), (jump_if_equal, 0, 1, IO_URING_SETUP), (give, 0, 0, errno | EPERM),
             (give, 0, 0, allow)]
    code = b"".join(struct.pack("HBBI", *step) for step in steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps),
                                                      ctypes.addressof(buffer)))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 or
            libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.addressof(program), 0, 0) != 0):
        raise OSError(ctypes.get_errno(), "seccomp")


class ServerWithoutIoUring(Server):
    def arguments(self):
        return [sys.executable, os.path.abspath(__file__), "--without-io-uring",
                *super().arguments()]


class Transport(unittest.TestCase):
    def serves(self, server):
        answer = server.submit({"report_id": "r1", "patient_id": "p1", "data": "free text"})
        self.assertEqual(answer.status, 202)
        self.assertEqual(server.get("/api/v1/reports/default/r1").status, 200)

    def says(self, server, transport):
        self.assertRegex(server.text(), rf"\n  sockets {transport}\n")
        # The log says so after what is printed for people.
        wait_for(lambda: f'"transport":"{transport}"' in server.text(), 10, "logged")

    def test_epoll_when_asked_for(self):
        with Server(sets=["Net.Transport=epoll"]) as server:
            self.says(server, "epoll")
            self.serves(server)
            self.assertEqual(server.terminate(), 0)

    def test_io_uring_when_asked_for(self):
        try:
            with Server(sets=["Net.Transport=io_uring"]) as server:
                self.says(server, "io_uring")
                self.serves(server)
                self.assertEqual(server.terminate(), 0)
        except AssertionError as error:
            if "io_uring does not work here" in str(error):
                self.skipTest(str(error))
            raise

    def test_where_io_uring_is_forbidden_auto_uses_epoll(self):
        with ServerWithoutIoUring(sets=["Net.Transport=auto"]) as server:
            self.says(server, "epoll")
            self.serves(server)

    def test_where_io_uring_is_forbidden_asking_for_it_is_wrong_usage(self):
        server = ServerWithoutIoUring(sets=["Net.Transport=io_uring"])
        server.start(expect_ready=False)
        self.assertEqual(server.wait(), 2)
        self.assertIn("io_uring does not work here (io_uring_setup: Operation not permitted)",
                      server.text())
        self.assertIn("set Net.Transport to auto or epoll", server.text())

    def test_a_wrong_word_is_wrong_usage(self):
        server = Server(sets=["Net.Transport=poll"])
        server.start(expect_ready=False)
        self.assertEqual(server.wait(), 2)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--without-io-uring"]:
        forbid_io_uring()
        os.execv(sys.argv[2], sys.argv[2:])
    unittest.main()

"""The load generator in a network of its own, where an address has a hundred ports to connect from.
Run by test_surge.py, under `unshare`."""

import fcntl
import socket
import struct
import unittest

from test_surge import REPORTS, surge
from weir_server import Server

SIOCSIFFLAGS = 0x8914
IFF_UP = 1


class FewPorts(unittest.TestCase):
    def setUp(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
        with open("/proc/sys/net/ipv4/ip_local_port_range", "w", encoding="ascii") as ports:
            ports.write("40000 40099")

    def test_seven_hundred_connections(self):
        with Server(sets=["Port=8080", "Admin.Port=8081"]) as server:
            status, said, figures = surge(f"http://127.0.0.1:{server.port}", "--patients",
                                          str(REPORTS), "--over", "1s", "--connections", "700",
                                          "--verify")
            self.assertEqual(status, 0, said)
            self.assertEqual(figures["connections"], 700, said)
            self.assertEqual(figures["verified"]["read_back"], REPORTS, said)


if __name__ == "__main__":
    unittest.main()

"""What is said to whoever gives a command that cannot be carried out, or none."""

import os
import socket
import subprocess
import tempfile
import unittest

from weir_server import PROGRAM, ROOT, Server


def weir(*arguments):
    return subprocess.run([PROGRAM, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=60,
                          stdin=subprocess.DEVNULL, check=False)


class Commands(unittest.TestCase):
    def test_without_a_command_the_commands_are_listed(self):
        for arguments, listed in (([], ("serve", "surge", "journal", "tokens")),
                                  (["tokens"], ("add", "list", "revoke")),
                                  (["journal"], ("verify", "list", "dump"))):
            done = weir(*arguments)
            self.assertEqual(done.returncode, 2)
            for command in listed:
                self.assertRegex(done.stderr, rf"(?m)^  {command} ")
            self.assertEqual(done.stdout, "")

    def test_a_command_that_there_is_not_is_named(self):
        for arguments in (["serv"], ["tokens", "serv"]):
            done = weir(*arguments)
            self.assertEqual(done.returncode, 2)
            self.assertIn("there is no command 'serv'", done.stderr)

    def test_version(self):
        done = weir("--version")
        self.assertEqual((done.returncode, done.stdout), (0, weir("version").stdout))
        self.assertRegex(done.stdout, r"^weir \d+\.\d+\.\d+")

    def test_help_is_no_error(self):
        for arguments in (["--help"], ["tokens", "--help"]):
            done = weir(*arguments)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertIn("Subcommands:", done.stdout)

    def test_defaults_of_a_simulated_bucket_stand_in_the_help(self):
        said = weir("guard", "simulate", "--help").stdout
        for option, default in (("rate", "100"), ("burst", "100"), ("cpu-threshold", "900"), ("seed", "1")):
            self.assertRegex(said, rf"--{option} \w+(:\w+)?( in \[[^\]]*\])?( =|=){default}\b")


class Directories(unittest.TestCase):
    def test_one_that_is_missing_is_said_to_be(self):
        missing = os.path.join(tempfile.gettempdir(), f"weir-none-{os.getpid()}")
        for arguments in (["rebuild", "--set", f"DataDir={missing}"], ["journal", "verify", missing],
                          ["journal", "list", missing], ["journal", "dump", missing]):
            done = weir(*arguments)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertIn(f"there is no directory {missing}", done.stderr)
            self.assertIn("DataDir", done.stderr)
        self.assertFalse(os.path.exists(missing))


class Addresses(unittest.TestCase):
    def refused(self, *sets):
        with tempfile.TemporaryDirectory() as folder:
            weir("tokens", "add", "a", "--set", f"DataDir={folder}")
            server = Server(data_dir=folder, sets=sets).start(expect_ready=False)
            self.assertEqual(server.wait(), 2)
            return server.text()

    def test_one_in_use_is_named_with_its_keys(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for prefix in ("", "Admin."):
                with self.subTest(prefix):
                    self.assertIn(f"cannot listen on 127.0.0.1:{port}: Address already in use: change "
                                  f"{prefix}Host or {prefix}Port", self.refused(f"{prefix}Port={port}"))

    def test_one_of_another_machine_is_too(self):
        said = self.refused("Host=192.0.2.1", "InsecureAllowPublic=true")
        self.assertRegex(said, r"192\.0\.2\.1:0: .*: change Host or Port")


if __name__ == "__main__":
    unittest.main()

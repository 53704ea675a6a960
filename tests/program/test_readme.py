"""The README's worked example, run as it stands there: what it shows is what the program answers."""

import json
import os
import re
import subprocess
import unittest

from weir_server import PROGRAM, ROOT, Server

EXAMPLE = re.compile(r"```sh\n(curl [^`]*)```\n```json\n([^`]*)```")
TIMES = {"received_at", "created_at"}


def without_times(value):
    if isinstance(value, dict):
        return {name: without_times(member) for name, member in value.items() if name not in TIMES}
    return [without_times(member) for member in value] if isinstance(value, list) else value


class Readme(unittest.TestCase):
    def test_the_example_is_answered_as_it_shows(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            examples = EXAMPLE.findall(file.read())
        self.assertEqual(len(examples), 2)
        with Server() as server:
            for command, shown in examples:
                command = command.replace("127.0.0.1:8080", f"127.0.0.1:{server.port}")
                said = subprocess.run(["bash", "-c", command], capture_output=True, text=True,
                                      timeout=60, check=True).stdout
                self.assertEqual(without_times(json.loads(said)), without_times(json.loads(shown)))
                server.wait_applied()

    def test_the_herd_is_told_of_in_the_lines_that_it_shows(self):
        with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as file:
            command, shown = re.search(r"```\n\$ build/release/weir (surge [^\n]*)\n([^`]*)```",
                                       file.read()).groups()
        with Server() as server:
            said = subprocess.run(
                [PROGRAM, *command.replace("50000", "2000").split(), "--url",
                 f"http://127.0.0.1:{server.port}"],
                capture_output=True, text=True, timeout=300, check=True).stdout

        def without_figures(text):
            return re.sub(r"\d[\d,.]*( (ms|s)\b)?", "N", text)
        self.assertEqual(without_figures(said), without_figures(shown))


if __name__ == "__main__":
    unittest.main()

"""A disk that is really full: refused with 507, nothing lost, and service resumes by itself."""

import os
import shutil
import subprocess
import tempfile
import unittest

from weir_server import Server, phq9, wait_for

DISK_BYTES = 96 << 20
FILLER = "filler"


def mount():
    """A small file system of its own; None where this user may not mount."""
    directory = tempfile.mkdtemp(prefix="weir-disk-")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", directory],
                          capture_output=True, check=False)
    if done.returncode != 0:
        os.rmdir(directory)
        return None
    return directory


class TmpfsDisk:
    """A file system of its own, and a file that fills it."""

    env = None

    def __init__(self, test):
        self.directory = mount()
        if not self.directory:
            test.skipTest("mounting a tmpfs needs the right to mount; the same is tested without")
        test.addCleanup(self.unmount)

    def unmount(self):
        subprocess.run(["umount", "-l", self.directory], check=False)
        shutil.rmtree(self.directory, ignore_errors=True)

    def fill(self):
        """Leaves no room on the disk."""
        with open(os.path.join(self.directory, FILLER), "ab", buffering=0) as filler:
            block = b"\0" * 65536
            while block:
                try:
                    filler.write(block)
                except OSError:
                    block = block[:len(block) // 2]

    def make_room(self):
        os.remove(os.path.join(self.directory, FILLER))


class RefusingDisk:
    """Any directory, under a server whose calls to grow a file fail: takes no right to mount."""

    def __init__(self, test):
        self.directory = tempfile.mkdtemp(prefix="weir-disk-")
        test.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.marker = os.path.join(self.directory, "full")
        self.env = {"LD_PRELOAD": os.environ["WEIR_TEST_FULL_DISK"], "FULL_DISK": self.marker}

    def fill(self):
        with open(self.marker, "x", encoding="ascii"):
            pass

    def make_room(self):
        os.remove(self.marker)


class FullDisk(unittest.TestCase):
    def send(self, server, report_id, data="x"):
        return server.submit({"report_id": report_id, "patient_id": "p", "data": data})

    def test_reports_are_refused_with_507_and_taken_again_when_space_returns(self):
        self.refused_and_taken_again(TmpfsDisk(self))

    def test_the_same_where_nothing_may_be_mounted(self):
        self.refused_and_taken_again(RefusingDisk(self))

    def refused_and_taken_again(self, disk):
        with Server(data_dir=os.path.join(disk.directory, "data"), env=disk.env,
                    sets=["Journal.SegmentBytes=1MiB", "Journal.Compress=false"]) as server:
            acknowledged = {}
            disk.fill()
            refused = None
            for i in range(4000):
                answer = self.send(server, f"r{i}", "y" * 4000)
                if answer.status == 507:
                    refused = answer
                    break
                self.assertEqual(answer.status, 202, answer.body)
                acknowledged[f"r{i}"] = answer.json()["receipt"]
            self.assertIsNotNone(refused, "the disk never filled up")
            self.assertIsNotNone(refused.headers["Retry-After"])
            self.assertEqual(refused.json()["type"], "/problems/no-space")
            # No share of the answers is logged; those that failed are.
            wait_for(lambda: '"event":"access.failed"' in server.text(), 30, "the line")
            self.assertNotIn('"event":"access"', server.text())
            disk.make_room()
            wait_for(lambda: self.send(server, "after").status in (200, 202), 60, "service resumes")
            server.wait_applied(60)
            for report_id, receipt in acknowledged.items():
                # The entry in the audit trail may need a new segment, which is tried for once a second.
                stored = wait_for(lambda path=f"/api/v1/reports/default/{report_id}":
                                  next((a for a in [server.get(path)] if a.status == 200), None),
                                  30, "the report is read back")
                self.assertEqual(stored.json()["receipt"], receipt)
            self.assertEqual(server.get("/api/v1/studies/default/analytics").json()["received"],
                             len(acknowledged) + 1)

    def test_a_full_store_stalls_the_tasks_quarantines_nothing_and_catches_up(self):
        with Server(sets=["Store.SizeBytesMax=1MiB", "Alerts.EscalateAfter=0"]) as server:
            data_dir = server.data_dir
            count = 0
            while count < 20_000 and server.tasks()["research"]["state"] != "stalled":
                for _ in range(500):
                    answer = server.submit(phq9(f"r{count}", f"p{count}", [count % 4] * 9))
                    self.assertEqual(answer.status, 202)
                    count += 1
            tasks = server.tasks()
            self.assertEqual(tasks["research"]["state"], "stalled", tasks)
            self.assertEqual({task["quarantined"] for task in tasks.values()}, {0})
            server.terminate()
            server.sets = []
            server.start()
            server.wait_applied(60)
            self.assertEqual(server.data_dir, data_dir)
            self.assertEqual(server.get("/api/v1/studies/default/analytics").json()["received"],
                             count)
            self.assertEqual({task["quarantined"] for task in server.tasks().values()}, {0})


if __name__ == "__main__":
    unittest.main()

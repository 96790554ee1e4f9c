#!/usr/bin/python3
"""The hardware watchdog, played by a FIFO that says what would have been done to the device."""
import os
import unittest

from lib import agents, processes
from lib.case import main
from lib.cluster import Cluster
from lib.waiting import eventually, stays

TIMING = {"ttl": 20, "loop_wait": 1, "retry_timeout": 3, "maximum_lag_on_failover": 1048576}


class Device:
    """Reads what is written: `Ctimeout=<s>` and a newline, `1` for a ping, `V` before it is closed."""
    def __init__(self, path):
        self.path = path
        os.mkfifo(path, 0o666)
        os.chmod(path, 0o666)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._text = ""

    def text(self):
        while True:
            try:
                got = os.read(self._fd, 4096)
            except BlockingIOError:
                break
            if not got:
                break
            self._text += got.decode()
        return self._text

    def forget(self):
        self.text()
        self._text = ""

    def close(self):
        os.close(self._fd)


class RequiredWatchdog(unittest.TestCase):
    def setUp(self):
        kind = agents.chosen()
        if not kind.is_ours:
            self.skipTest("the peer of Debian has its own tests")
        self.cluster = Cluster(kind, members=1, timing=TIMING)
        self.addCleanup(self.cluster.close)
        self.member = self.cluster.members[0]
        self.device = Device(f"{self.cluster.directory}/watchdog")
        self.addCleanup(self.device.close)
        self.member.config["watchdog"] = {"mode": "required", "driver": "testing", "device": self.device.path}
        self.member.write_config()

    def change(self, **settings):
        answer = self.member.api("PATCH", "/config", settings)
        self.assertEqual(answer.status, 200)

    def test_opened_pinged_timed_anew_and_closed(self):
        cluster, device = self.cluster, self.device
        cluster.start()
        eventually("opened with ttl - 5", lambda: "Ctimeout=15\n" in device.text())
        device.forget()
        eventually("pinged", lambda: device.text().count("1") >= 2)
        self.assertNotIn("V", device.text())

        self.change(ttl=30)
        eventually("timed anew", lambda: "Ctimeout=25\n" in device.text())
        self.assertNotIn("V", device.text())

        self.change(pause=True)
        eventually("closed in pause", lambda: device.text().endswith("V"))
        self.assertTrue(self.member.is_primary())
        device.forget()
        self.change(pause=False)
        eventually("opened again", lambda: "Ctimeout=25\n" in device.text())
        eventually("pinged again", lambda: device.text().endswith("1"))

        device.forget()
        self.assertEqual(self.member.stop(), 0)
        self.assertTrue(device.text().endswith("V"), device.text())

    def test_without_the_device_nobody_leads(self):
        member = self.member
        os.unlink(self.device.path)
        self.cluster.etcd.start()
        member.start()
        eventually("it says so", lambda: member.api("GET", "/patroni").json().get("watchdog_failed") is True)
        stays("nobody leads", lambda: self.cluster.etcd.get(self.cluster.key("leader")) is None, during=3)
        self.assertIn("Configuration requires watchdog", member.log_text())

    def test_a_leader_that_must_have_one_and_cannot_steps_down(self):
        member, cluster = self.member, self.cluster
        member.config["watchdog"] = {"mode": "off"}
        member.write_config()
        cluster.start()
        server = member.postmaster_pid()
        member.config["watchdog"] = {"mode": "required", "driver": "testing", "device": f"{cluster.directory}/none"}
        member.write_config()
        self.assertEqual(member.api("POST", "/reload").status, 202)
        eventually("its server has ended", lambda: not processes.alive(server))
        eventually("the lock is free", lambda: cluster.etcd.get(cluster.key("leader")) is None)
        self.assertIn("Demoting self because watchdog could not be activated", member.log_text())


if __name__ == "__main__":
    main()

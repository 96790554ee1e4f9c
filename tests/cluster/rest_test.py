#!/usr/bin/python3
"""The REST interface as load balancers, monitoring and scripts use it."""
import http.client
import json
import re
import time

from lib import rest
from lib.case import ClusterCase, main
from lib.waiting import eventually

# path: (status on the leader, status on a replica), asynchronous replication
HEALTH = {
    "/": (200, 503), "/primary": (200, 503), "/master": (200, 503), "/read-write": (200, 503), "/leader": (200, 503),
    "/replica": (503, 200), "/read-only": (200, 200), "/health": (200, 200), "/healthz": (200, 200),
    "/standby_leader": (503, 503), "/standby-leader": (503, 503),
    "/sync": (503, 503), "/synchronous": (503, 503), "/async": (503, 200), "/asynchronous": (503, 200),
    "/quorum": (503, 503), "/read-only-sync": (200, 503), "/read-only-quorum": (200, 503),
    "/liveness": (200, 200), "/readiness": (200, 200), "/patroni": (200, 200), "/unknown": (503, 503),
    "/foo/replica": (503, 200), "/patroni/anything": (200, 200),
    "/replica?lag=10MB": (503, 200), "/replica?lag=nonsense": (503, 200),
    "/replica?replication_state=streaming": (503, 200),
    "/replica?tag_zone=eu": (503, 503), "/health?tag_zone=eu": (503, 503), "/primary?tag_zone=eu": (200, 503),
}


class HealthChecks(ClusterCase):
    def setUp(self):
        super().setUp()
        self.leader = self.cluster.wait_whole()
        self.replica = self.cluster.replicas()[0]

    def test_statuses_by_get_options_and_head(self):
        for path, expected in HEALTH.items():
            for member, status in zip((self.leader, self.replica), expected):
                with self.subTest(path=path, member=member.name):
                    self.assertEqual(member.api("GET", path).status, status)
                    if re.match(r"/(liveness|readiness|patroni)", path):
                        status = 503  # by the reference these are health checks of an unknown name
                    self.assertEqual(member.api("OPTIONS", path).status, status)
                    self.assertEqual(member.api("HEAD", path).status, status)

    def test_the_exact_bytes_that_an_old_load_balancer_gets(self):
        for method in (b"OPTIONS", b"HEAD"):
            request = method + b" /primary HTTP/1.0\r\n\r\n"
            self.assertEqual(rest.raw(self.leader.api_port, request), b"HTTP/1.0 200 OK\r\n\r\n")
            self.assertEqual(rest.raw(self.replica.api_port, request), b"HTTP/1.0 503 Service Unavailable\r\n\r\n")
        answer = rest.raw(self.leader.api_port, b"GET /liveness HTTP/1.0\r\n\r\n")
        self.assertEqual(answer, b"HTTP/1.0 200 OK\r\n\r\n")

    def test_an_http_1_0_client_gets_a_whole_document_and_the_end(self):
        head, _, body = rest.raw(self.leader.api_port, b"GET /primary HTTP/1.0\r\n\r\n").partition(b"\r\n\r\n")
        self.assertTrue(re.match(rb"HTTP/1\.[01] 200 OK\r\n", head), head)
        self.assertIn(b"content-type: application/json", head.lower())
        self.assertEqual(json.loads(body)["role"], "primary")

    def test_a_kept_connection_serves_many_requests(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.leader.api_port, timeout=5)
        self.addCleanup(connection.close)
        for _ in range(3):
            for path in ("/primary", "/cluster", "/replica"):
                connection.request("GET", path)
                answer = connection.getresponse()
                json.loads(answer.read())

    def test_broken_requests_do_no_harm(self):
        for request in (b"\r\n\r\n", b"GET\r\n\r\n", b"\x00\xff\x16\x03\x01", b"GET /primary HTTP/9.9\r\n\r\n",
                        b"GET " + b"/x" * 40000 + b" HTTP/1.1\r\n\r\n", b"POST /restart HTTP/1.1\r\n"
                        b"Content-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"rol\":"):
            try:
                rest.raw(self.leader.api_port, request + b"\r\n\r\n", timeout=3)
            except OSError:
                pass  # closed, reset or still waiting for more: all fine
        self.assertEqual(self.leader.api("GET", "/primary").status, 200)

    def test_probes_cost_the_server_no_queries(self):
        if not self.cluster.kind.is_ours:
            self.skipTest("the peer asks the server each time")

        def transactions():
            return self.leader.value("SELECT sum(xact_commit + xact_rollback)::int FROM pg_stat_database")
        before, end, probes = transactions(), time.monotonic() + 2, 0
        while time.monotonic() < end:
            self.assertEqual(self.leader.api("GET", "/primary").status, 200)
            probes += 1
        self.assertGreater(probes, 300)
        self.assertLess(transactions() - before, probes / 2)

    def test_the_status_document(self):
        leader = self.leader.api("GET", "/patroni").json()
        self.assertEqual(leader["state"], "running")
        self.assertEqual(leader["role"], "primary")
        self.assertEqual(leader["patroni"]["scope"], "lab")
        self.assertEqual(leader["patroni"]["name"], self.leader.name)
        self.assertRegex(leader["patroni"]["version"], r"^\d+(\.\d+)+$")
        self.assertGreater(leader["xlog"]["location"], 0)
        self.assertEqual(leader["database_system_identifier"], self.leader.control("Database system identifier"))
        self.assertEqual(leader["server_version"],
                         int(self.leader.value("SELECT current_setting('server_version_num')")))
        self.assertRegex(leader["postmaster_start_time"], r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}[+-]\d\d:\d\d$")
        self.assertEqual({row["application_name"] for row in leader["replication"]},
                         {member.name for member in self.cluster if member is not self.leader})
        self.assertGreater(leader["dcs_last_seen"], time.time() - 60)
        self.assertNotIn("pause", leader)
        self.assertNotIn("cluster_unlocked", leader)

        replica = self.replica.api("GET", "/replica").json()
        self.assertEqual((replica["state"], replica["role"]), ("running", "replica"))
        self.assertEqual(replica["replication_state"], "streaming")
        self.assertEqual(replica["timeline"], leader["timeline"])
        self.assertIs(replica["xlog"]["paused"], False)
        self.assertGreater(replica["xlog"]["received_location"], 0)
        self.assertGreater(replica["xlog"]["replayed_location"], 0)
        self.assertIn("replayed_timestamp", replica["xlog"])
        self.assertNotIn("latest_end_lsn", json.dumps(replica))

    def test_the_cluster_document(self):
        document = self.replica.api("GET", "/cluster").json()
        self.assertEqual([row["name"] for row in document["members"]], [member.name for member in self.cluster])
        for row, member in zip(document["members"], self.cluster):
            self.assertEqual(row["api_url"], f"http://127.0.0.1:{member.api_port}/patroni")
            self.assertEqual((row["host"], row["port"]), ("127.0.0.1", member.port))
            self.assertEqual((row["role"], row["state"]),
                             ("leader", "running") if member is self.leader else ("replica", "streaming"))
            self.assertEqual("lag" in row, member is not self.leader)
        self.assertEqual(document["scope"], "lab")

    def test_the_metrics(self):
        for member, primary in ((self.leader, 1), (self.replica, 0)):
            answer = member.api("GET", "/metrics")
            self.assertTrue(answer.headers["Content-Type"].startswith("text/plain"))
            found = dict(re.findall(rf'^(\w+){{scope="lab",name="{member.name}"}} (\S+)$', answer.text, re.M))
            self.assertEqual(float(found["patroni_primary"]), primary)
            self.assertEqual(float(found["patroni_replica"]), 1 - primary)
            self.assertEqual(float(found["patroni_postgres_running"]), 1)
            self.assertEqual(float(found["patroni_is_paused"]), 0)
            self.assertGreater(float(found["patroni_postgres_timeline"]), 0)
            for name in found:
                self.assertIn(f"# TYPE {name} ", answer.text)
                self.assertIn(f"# HELP {name} ", answer.text)


class Orders(ClusterCase):
    def setUp(self):
        super().setUp()
        self.leader = self.cluster.wait_whole()
        self.replica = self.cluster.replicas()[0]

    def expect(self, member, method, path, body, status, text=None):
        answer = member.api(method, path, body)
        self.assertEqual(answer.status, status, f"{method} {path} {body}: {answer}")
        if text is not None:
            self.assertEqual(answer.text.strip(), text)
            self.assertFalse(answer.headers["Content-Type"].startswith("application/json"))

    def test_refusals_have_the_words_that_scripts_match(self):
        leader, name = self.leader, self.leader.name
        for path, body, status, text in (
                ("/failover", {}, 400, None),
                ("/failover", {"leader": ""}, 400, "Failover could be performed only to a specific candidate"),
                ("/switchover", {"candidate": self.replica.name}, 400,
                 "Switchover could be performed only from a specific leader"),
                ("/switchover", {"leader": name, "candidate": name}, 400, "Switchover target and source are the same"),
                ("/switchover", {"leader": self.replica.name}, 412, "leader name does not match"),
                ("/switchover", {"leader": name, "candidate": "nosuch"}, 412, "candidate does not exists"),
                ("/failover", {"candidate": self.replica.name, "scheduled_at": "2099-01-01T00:00:00+00:00"}, 400,
                 "Failover can't be scheduled"),
                ("/reinitialize", {}, 503, "I am the leader, can not reinitialize"),
                ("/restart", {"nosuch": 1}, 400, "Unknown filter for the scheduled restart: nosuch"),
                ("/restart", {"role": "king"}, 400,
                 "PostgreSQL role should be either primary, standby_leader, or replica"),
                ("/restart", {"role": "replica"}, 503, "restart conditions are not satisfied"),
                ("/restart", {"restart_pending": True}, 503, "restart conditions are not satisfied"),
                ("/nosuch", {}, 501, None)):
            with self.subTest(path=path, body=body):
                self.expect(leader, "POST", path, body, status, text)
        self.expect(leader, "DELETE", "/switchover", None, 404, "no switchover is scheduled")
        self.expect(leader, "DELETE", "/restart", None, 404, "no restarts are scheduled")
        self.assertIn("Server does not support this operation", leader.api("POST", "/nosuch", {}).text)
        self.assertEqual(self.cluster.wait_whole(), leader)

    def test_restart_restarts_and_says_when_it_is_done(self):
        for member in (self.replica, self.leader):
            started = member.started_at()
            self.expect(member, "POST", "/restart", {}, 200, "restarted successfully")
            self.assertGreater(member.started_at(), started)
        self.assertEqual(self.cluster.wait_whole(), self.leader)

    def test_reload_is_accepted(self):
        self.expect(self.replica, "POST", "/reload", {}, 202, "reload scheduled")

    def test_reinitialize_makes_a_new_copy(self):
        server = self.replica.postmaster_pid()
        self.expect(self.replica, "POST", "/reinitialize", {}, 200, "reinitialize started")
        eventually("another server", lambda: self.replica.postmaster_pid() not in (None, server))
        self.assertEqual(self.cluster.wait_whole(), self.leader)

    def test_failover_to_a_named_member(self):
        self.expect(self.leader, "POST", "/failover", {"candidate": self.replica.name}, 200,
                    f'Successfully failed over to "{self.replica.name}"')
        self.assertEqual(self.cluster.wait_whole(), self.replica)

    def test_config_is_patched_replaced_and_refused(self):
        before = self.leader.api("GET", "/config").json()
        patched = self.replica.api("PATCH", "/config", {"postgresql": {"parameters": {"work_mem": "6MB"}}}).json()
        self.assertEqual(patched["postgresql"]["parameters"]["work_mem"], "6MB")
        self.assertEqual(patched["ttl"], before["ttl"])
        for member in self.cluster:
            eventually(f"{member.name} has it", lambda m=member: m.value("SHOW work_mem") == "6MB")
        self.assertEqual(self.leader.api("PUT", "/config", before).status, 200)
        for member in self.cluster:
            eventually(f"{member.name} has the default", lambda m=member: m.value("SHOW work_mem") == "4MB")
        self.assertEqual(self.leader.api("GET", "/config").json(), before)
        for body in ("{", "[]", "7", ""):
            self.assertEqual(self.leader.api("PATCH", "/config", body).status, 400, body)

    def test_an_unsafe_request_without_a_length_is_refused(self):
        answer = rest.raw(self.leader.api_port, b"PATCH /config HTTP/1.0\r\n\r\n")
        self.assertIn(b" 411 ", answer.split(b"\r\n")[0])


class Guarded(ClusterCase):
    """Basic authentication and an allowlist."""
    options = {"members": 1, "scope": "guarded"}

    def test_unsafe_requests_need_the_password_and_safe_ones_do_not(self):
        member = self.cluster.members[0]
        member.config["restapi"]["authentication"] = {"username": "ops", "password": "Geheim:3"}
        member.write_config()
        self.assertEqual(member.api("POST", "/reload", {}).status, 202)
        eventually("the password is asked for", lambda: member.api("POST", "/reload", {}).status == 401)
        answer = member.api("POST", "/reload", {})
        self.assertEqual(answer.text.strip(), "no auth header received")
        self.assertEqual(answer.headers["WWW-Authenticate"], 'Basic realm="Patroni"')
        answer = member.api("POST", "/reload", {}, user="ops:wrong")
        self.assertEqual((answer.status, answer.text.strip()), (401, "not authenticated"))
        self.assertEqual(member.api("POST", "/reload", {}, user="ops:Geheim:3").status, 202)
        self.assertEqual(member.api("GET", "/primary").status, 200)
        self.assertNotIn("Geheim:3", member.log_text())

    def test_an_allowlist_refuses_others(self):
        member = self.cluster.members[0]
        member.config["restapi"].pop("authentication", None)
        member.config["restapi"]["allowlist"] = ["10.77.0.0/16"]
        member.write_config()
        member.api("POST", "/reload", {}, user="ops:Geheim:3")
        eventually("we are refused", lambda: member.api("POST", "/reload", {}).status == 403)
        self.assertEqual(member.api("POST", "/reload", {}).text.strip(), "Access is denied")
        self.assertEqual(member.api("GET", "/primary").status, 200)
        member.config["restapi"]["allowlist"] = []
        member.write_config()
        member.stop()
        member.start()


if __name__ == "__main__":
    main()

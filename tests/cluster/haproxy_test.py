#!/usr/bin/python3
"""A real HAProxy with `option httpchk OPTIONS /master` finds the primary, and follows it."""
import psycopg2

from lib.case import ClusterCase, main
from lib.haproxy import Haproxy
from lib.member import PASSWORD, SUPERUSER
from lib.waiting import eventually
from lib.writers import MultiHostWriter, TABLE


def behind(port):
    """The port of the server that answers behind the proxy's."""
    connection = psycopg2.connect(host="127.0.0.1", port=port, user=SUPERUSER, password=PASSWORD, dbname="postgres",
                                  connect_timeout=3)
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('port')::int, pg_is_in_recovery()")
            return cursor.fetchone()
    finally:
        connection.close()


class BehindHaproxy(ClusterCase):
    def test_it_follows_a_switchover(self):
        cluster = self.cluster
        old = cluster.wait_whole()
        proxy = Haproxy(cluster).start()
        self.addCleanup(proxy.stop)
        eventually("the proxy leads to the primary", lambda: behind(proxy.port) == (old.port, False))
        eventually("and to a replica", lambda: behind(proxy.replica_port)[1])
        old.sql(TABLE)
        client = MultiHostWriter(f"host=127.0.0.1 port={proxy.port} dbname=postgres connect_timeout=2").start()
        self.addCleanup(client.stop)
        eventually("the client writes", lambda: client.acks)
        answer = old.api("POST", "/switchover", {"leader": old.name})
        self.assertEqual(answer.status, 200, answer)
        new = cluster.wait_leader(other_than=old)
        eventually("the proxy leads to the new primary", lambda: behind(proxy.port) == (new.port, False), within=15)
        before = len(client.acks)
        eventually("the client writes again", lambda: len(client.acks) > before + 20, within=15)
        eventually("its checks have told the proxy that this is no replica any more",
                   lambda: all(behind(proxy.replica_port)[1] for _ in cluster), within=15)
        for _ in range(20):
            self.assertTrue(behind(proxy.replica_port)[1], "the replicas' port must not lead to the primary")
        written = {row[0] for row in new.sql("SELECT id FROM lab")}
        self.assertEqual([ack for ack in client.acks if ack.id not in written and ack.acked < client.acks[before].acked],
                         [])


if __name__ == "__main__":
    main()

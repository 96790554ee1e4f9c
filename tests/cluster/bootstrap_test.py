#!/usr/bin/python3
"""Three members from empty directories."""
from lib import processes
from lib.case import ClusterCase, main


class FromEmptyDirectories(ClusterCase):
    def test_exactly_one_was_initialised_and_the_others_are_copies(self):
        leader = self.cluster.wait_leader()
        identifier = leader.control("Database system identifier")
        self.assertEqual(self.cluster.etcd.get(self.cluster.key("initialize")), identifier)
        for member in self.cluster:
            self.assertEqual(member.control("Database system identifier"), identifier)
            self.assertEqual(member.control("Data page checksum version"), "1")

    def test_the_dynamic_configuration_was_written_once_from_the_file(self):
        config = self.cluster.etcd.json(self.cluster.key("config"))
        for key, value in self.cluster.timing.items():
            self.assertEqual(config[key], value)
        self.assertTrue(config["postgresql"]["use_pg_rewind"])

    def test_the_users_of_the_configuration_exist(self):
        leader = self.cluster.wait_leader()
        rows = dict(leader.sql("SELECT rolname, rolreplication FROM pg_roles WHERE rolcanlogin"))
        self.assertIs(rows["replicator"], True)
        self.assertIn("rewinder", rows)

    def test_every_replica_has_a_slot_of_its_name_on_the_leader(self):
        leader = self.cluster.wait_leader()
        slots = dict(leader.sql("SELECT slot_name, active FROM pg_replication_slots"))
        self.assertEqual(slots, {member.name: True for member in self.cluster if member is not leader})

    def test_a_write_arrives_everywhere(self):
        leader = self.cluster.wait_leader()
        leader.sql("CREATE TABLE IF NOT EXISTS arrived AS SELECT 42 AS answer")
        self.cluster.wait_caught_up()
        for member in self.cluster:
            self.assertEqual(member.value("SELECT answer FROM arrived"), 42)


class AsAnOrdinaryUser(FromEmptyDirectories):
    """The same with agents that were not started as root."""
    options = {"user": processes.owner_name()}


if __name__ == "__main__":
    main()

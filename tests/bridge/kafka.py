"""Bridges between segments and Kafka, with librdkafka's mock cluster: nothing is lost.

usage: kafka.py CONVEYOR [--full] [--part N/OF] [TEST...]; TEST_KAFKA is the program of kafka.c. With
CONVEYOR_TEST_KAFKA=HOST:PORT a real broker is used, which must have the topics in-PID and out-PID (automatic topics).
"""
import os
import random
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import unittest

from secrets_of_tests import Authority
from supervised import CONVEYOR, FULL, Bridges, Pull, command, main, read, tell, wait_for

CLIENT = os.environ["TEST_KAFKA"]
PARTITIONS = 12 if FULL else 4  # the mock drops what is above 5 MB in one
GROUP = "bridge"
ORDERS = unittest.skipIf("CONVEYOR_TEST_KAFKA" in os.environ, "a real broker obeys no orders")


def client(*words, text=None):
    done = subprocess.run([CLIENT, *(str(w) for w in words)], input=text, stdout=subprocess.PIPE, text=True,
                          timeout=300, check=True)
    return done.stdout


def ways_to_die(first, firsts, second, seconds):
    """So many of each, the second ones among the first ones."""
    ways = [first] * firsts
    for i in range(seconds):
        ways.insert((i + 1) * len(ways) // (seconds + 1), second)
    return ways


class Listener:
    """Speaks TLS, and no Kafka."""

    def __init__(self, context):
        self.context, self.socket = context, socket.create_server(("127.0.0.1", 0))

    def __enter__(self):
        threading.Thread(target=self.serve).start()
        return "127.0.0.1:%d" % self.socket.getsockname()[1]

    def serve(self):
        while True:
            try:
                s, _ = self.socket.accept()
            except OSError:
                return
            try:
                self.context.wrap_socket(s, server_side=True).close()
            except OSError:
                s.close()

    def __exit__(self, *_):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()


class Kafka(Bridges):
    def setUp(self):
        super().setUp()
        self.topics = ["in-%d" % os.getpid(), "out-%d" % os.getpid()]
        self.cluster = subprocess.Popen([CLIENT, "mock"] + ["%s:%d" % (t, PARTITIONS) for t in self.topics],
                                        text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.brokers = os.environ.get("CONVEYOR_TEST_KAFKA") or self.cluster.stdout.readline().strip()

    def tearDown(self):
        super().tearDown()
        self.cluster.stdin.close()
        self.cluster.wait()
        self.cluster.stdout.close()

    def order(self, text):
        """To the mock: see obey() in kafka.c."""
        if "CONVEYOR_TEST_KAFKA" not in os.environ:
            self.cluster.stdin.write(text + "\n")
            self.cluster.stdin.flush()
            self.assertEqual(self.cluster.stdout.readline(), "done\n")

    def outage(self):
        self.order("down")
        time.sleep(random.uniform(0.05, 0.4))
        self.order("up")

    def into(self, segment, *more, stage="filter"):
        url = "kafka://%s/%s?group=%s" % (self.brokers, self.topics[0], GROUP)
        return ("bridge", segment, "--from", url, "--stage",
                stage, "--source", "kafka", "--option", "session.timeout.ms=4000", "--option",
                "heartbeat.interval.ms=500", *more)

    def out_of(self, segment, *more, stage="filter"):
        return ("bridge", segment, "--stage", stage, "--to", "kafka://%s/%s" % (self.brokers, self.topics[1]), *more)

    def produce(self, count, name="record"):
        lines = ["%s %d of the test" % (name, i) for i in range(count)]
        client("produce", self.brokers, self.topics[0], PARTITIONS, text="".join(line + "\n" for line in lines))
        return lines

    def committed(self):
        """How many messages the group was told to be done with; -1 if the cluster does not say it now."""
        try:
            return int(client("committed", self.brokers, self.topics[0], PARTITIONS, GROUP))
        except subprocess.CalledProcessError:
            return -1

    def test_kills_on_the_way_in(self):
        """Of the bridge and of all brokers: none missing, none twice in the segment, and the group is told when all is
        settled."""
        count, kills, outages = (300000, 20, 5) if FULL else (8000, 3, 1)
        lines = self.produce(count)
        segment = self.segment()
        bridge = self.start(*self.into(segment))
        puller = subprocess.Popen([CONVEYOR, "pull", segment, "--stage", "filter", "--follow", "--count",
                                   str(count)], stdout=subprocess.PIPE, text=True)
        got = []
        for what in ways_to_die(bridge.kill, kills, self.outage, outages):
            got += [puller.stdout.readline().rstrip("\n") for _ in range(count // (kills + outages + 1))]
            what()
        got += puller.stdout.read().splitlines()
        self.assertEqual(puller.wait(), 0)
        puller.stdout.close()
        tell("%d records, %d kills of the bridge, %d of the brokers: %d missing, %d twice", count, kills, outages,
             count - len(set(got)), len(got) - len(set(got)))
        self.assertEqual(sorted(got), sorted(lines))
        wait_for("the group is told", lambda: self.committed() == count)
        wait_for("no more came", lambda: self.buffered(segment) == 0)
        bridge.end()

    def carry_out(self, kills, outages):
        """Records with positions, while bridge and brokers are killed. What came: {line: [(id, marked)...]}"""
        count = 300000 if FULL else 5000
        segment = self.segment()
        lines = ["line %d" % i for i in range(count)]
        bridge = self.start(*self.out_of(segment, "--window", "500"))
        push = subprocess.Popen([CONVEYOR, "push", segment, "--stage", "filter", "--source", "s", "--position",
                                 "lines"], text=True, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        ways = ways_to_die(bridge.kill, kills, self.outage, outages)
        for i, what in enumerate(ways):
            push.stdin.writelines(line + "\n" for line in lines[i::len(ways)])
            push.stdin.flush()
            what()
        push.stdin.close()
        self.assertEqual(push.wait(120), 0)
        wait_for("all is out", lambda: self.buffered(segment) == 0)
        bridge.end()
        came = {line: [] for line in lines}
        for line in client("read-with", self.brokers, self.topics[1], PARTITIONS, count).splitlines():
            words = line.split("|")
            headers = dict(w.split("=", 1) for w in words[1:-1])
            came[words[-1]].append((headers["conveyor-id"], "conveyor-retry" in headers))
        missing = [line for line in came if not came[line]]
        tell("%d records, %d kills of the bridge, %d of the brokers: %d missing, %d more than once", count, kills,
             outages, len(missing), sum(len(c) > 1 for c in came.values()))
        self.assertEqual(missing, [])
        return came

    def test_kills_on_the_way_out(self):
        """Of the bridge and of all brokers: none missing; those that come twice were on their way, have the same id,
        and are marked."""
        kills, outages = (20, 5) if FULL else (3, 1)
        came = self.carry_out(kills, outages)
        twice = [c for c in came.values() if len(c) > 1]
        self.assertLessEqual(sum(len(c) - 1 for c in twice), kills * 500)
        for c in twice:
            self.assertEqual(len({i for i, _ in c}), 1, c)
            self.assertGreaterEqual(sum(marked for _, marked in c), len(c) - 1, c)

    def test_brokers_away_on_the_way_out(self):
        """None missing, none twice."""
        came = self.carry_out(0, 5 if FULL else 2)
        self.assertEqual([c for c in came.values() if len(c) > 1], [])

    def test_outage(self):
        """Kills of a bridge while no broker is there: no dead letters, and all arrives by one that has brokers."""
        segment = self.segment("--max-retries", "1")
        text = "".join("line %d\n" % i for i in range(300))
        self.assertEqual(command("push", segment, "--stage", "sink", "--source", "s", input=text).returncode, 0)
        bridge = self.start("bridge", segment, "--stage", "sink", "--to", "kafka://127.0.0.1:1/t")
        for _ in range(10):
            time.sleep(0.2)
            bridge.kill()
        bridge.end(signal.SIGKILL)
        bridge = self.start(*self.out_of(segment, stage="sink"))
        wait_for("all is settled", lambda: self.buffered(segment) == 0)
        bridge.end()
        got = client("read", self.brokers, self.topics[1], PARTITIONS, 300)
        self.assertEqual(sorted(got.splitlines()), sorted(text.splitlines()))

    @ORDERS
    def test_it_waits_for_its_brokers(self):
        """A bridge that is started before they are there says so once, in its figures too, and goes on; both ways."""
        segment = self.segment()
        folder = tempfile.mkdtemp(prefix="conveyor-test-")
        lines = self.produce(10)
        self.order("down")
        bridges = []
        for i, words in enumerate((self.into(segment), self.out_of(segment, stage="sink"))):
            path = os.path.join(folder, "%d.prom" % i)
            bridges.append(self.start(*words, "--metrics", path))
            wait_for("it has figures", lambda path=path: os.path.exists(path))
            self.assertRegex(read(path), r"(?m)^conveyor_bridge_connected{.*} 0$")
            self.assertIn("bridge-not-connected", self.findings(segment, "--bridge", path))
        self.assertEqual(command("push", segment, "--stage", "sink", "--source", "t", input="one\n").returncode, 0)
        for b in bridges:
            wait_for("it tells", lambda b=b: "is a broker running there" in b.said())
        self.order("up")
        wait_for("all is in and out", lambda: self.queued(segment, "filter") == 10 == self.buffered(segment))
        self.assertEqual(sorted(command("pull", segment, "--stage", "filter").stdout.splitlines()), sorted(lines))
        for b in bridges:
            self.assertEqual(b.end().count("is a broker running there"), 1)
            self.assertEqual(b.begun, 1, "the same process")
        shutil.rmtree(folder)

    @ORDERS
    def test_idle_without_brokers(self):
        """That is no success, while a topic that has nothing is one."""
        segment, away = self.segment(), "kafka://127.0.0.1:1/"
        for url, status in ((away, 1), ("kafka://%s/" % self.brokers, 0)):
            for words in (("--from", url + "%s?group=%s" % (self.topics[0], GROUP), "--source", "s"),
                          ("--to", url + self.topics[1])):
                got = command("bridge", segment, "--stage", "filter", *words, "--exit-when-idle", "1")
                self.assertEqual(got.returncode, status, got.stderr)
                text = "kafka://127.0.0.1:1 has not answered once in the 1 s of --exit-when-idle"
                self.assertEqual(text in got.stderr, bool(status), got.stderr)

    def test_it_waits_for_its_topic(self):
        lines = self.produce(10)
        self.order("topic %s 3" % self.topics[0])
        segment = self.segment()
        bridge = self.start(*self.into(segment, "--option", "topic.metadata.refresh.interval.ms=500"))
        wait_for("it tells", lambda: "there is no topic '%s'" % self.topics[0] in bridge.said())
        self.order("topic %s 0" % self.topics[0])
        wait_for("all is in", lambda: self.buffered(segment) == len(lines))
        self.assertEqual(bridge.end().count("there is no topic"), 1)
        self.assertEqual(bridge.begun, 1, "the same process")

    def test_the_machine_dies(self):
        """All processes and the segment go: what was not settled comes again."""
        self.machine_dies("settled", False)

    def test_buffered_loses(self):
        self.machine_dies("buffered", True)

    def machine_dies(self, ack, loses):
        count, deaths = (300000, 3) if FULL else (4000, 2)
        lines = self.produce(count)
        seen = set()
        for _ in range(deaths):
            seen.update(self.machine_lives(ack, count, count // deaths // 4))
        segment = self.segment()
        bridge = self.start(*self.into(segment))
        (rest,) = self.pull_until("the group is told of all", lambda: self.committed() == count, segment)
        seen.update(rest)
        bridge.end()
        missing = set(lines) - seen
        tell("%s: %d records, %d deaths of the machine: %d missing", ack, count, deaths, len(missing))
        if loses:
            self.assertGreater(len(missing), 0)
        else:
            self.assertEqual(len(missing), 0)

    def machine_lives(self, ack, count, part):
        """Until so many records were pulled, and the buffer is full. What was pulled."""
        told = self.committed()
        segment = self.segment("--max-per-source", "500")
        folder = tempfile.mkdtemp(prefix="conveyor-test-")
        path = os.path.join(folder, "bridge.prom")
        bridge = self.start(*self.into(segment, "--ack", ack, "--metrics", path))
        pulled = command("pull", segment, "--stage", "filter", "--follow", "--count", str(part), "--batch", "16")
        wait_for("the buffer is full", lambda: self.buffered(segment) >= 800)
        labels = '{segment="%s",stage="filter",direction="in"} ' % segment
        wait_for("the lag shows", lambda: os.path.exists(path) and "conveyor_bridge_lag%s%d\n" %
                 (labels, count - told - part - self.buffered(segment)) in read(path))
        self.assertIn("conveyor_bridge_connected%s1\n" % labels, read(path))
        told += part + (800 if ack == "buffered" else 0)
        wait_for("the group is told", lambda: self.committed() >= told)
        bridge.end(signal.SIGKILL)
        shutil.rmtree(folder)
        command("rm", "--force", segment)
        return pulled.stdout.splitlines()

    def partitions_move(self, segments):
        """Two bridges of one group, the second one comes later: partitions go to it, drained."""
        count = 100000 if FULL else 6000
        lines = self.produce(count)
        folder = tempfile.mkdtemp(prefix="conveyor-test-")
        pulls, bridges = [], []
        for i, s in enumerate(segments):
            path = os.path.join(folder, "%d.prom" % i)
            bridges.append(self.start(*self.into(s, "--metrics", path)))
            wait_for("it has partitions", lambda path=path: os.path.exists(path) and
                     re.search(r"^conveyor_bridge_partitions{.*} [1-9]", read(path), re.M))
            if s not in segments[:i]:
                pulls.append(Pull(s))
        lines += self.produce(count, "later")
        wait_for("the group is told of all", lambda: self.committed() == 2 * count, 300)
        wait_for("nothing is left", lambda: not any(self.buffered(s) for s in segments))
        parts = [p.end() for p in pulls]
        for b in bridges:
            b.end()
        shutil.rmtree(folder)
        self.assertTrue(all(any("later" in line for line in part) for part in parts), "each has partitions of its own")
        got = sum(parts, [])
        self.assertEqual(set(got), set(lines))
        return got

    def test_partitions_move(self):
        self.partitions_move([self.segment(), self.segment()])

    def test_partitions_move_within_a_segment(self):
        """The source of a partition is given up for the other bridge, which goes on where it was: none comes twice."""
        segment = self.segment()
        got = self.partitions_move([segment, segment])
        self.assertEqual(len(got), len(set(got)))

    def test_keys_and_headers_stay(self):
        """The key and the headers of a message come out again; --key takes another, from a header or from the body."""
        lines = ["k1|trace=1|trace=2|other=x|one", "|two", 'k3|{"user": "u3", "n": 7}', "k4|other=o4|four"]
        rounds = ((None, ["k1", "", "k3", "k4"]), ("none", ["-"] * 4), ("source", ["kafka.0"] * 4),
                  ("header:other", ["x", "-", "-", "o4"]), ("json:user", ["-", "-", "u3", "-"]),
                  ("json:n", ["-", "-", "7", "-"]))  # the same messages in each, and the keys that they go with
        client("produce-with", self.brokers, self.topics[0], text="\n".join(lines * len(rounds)) + "\n")
        segment = self.segment("--header-size", "300")
        bridge = self.start(*self.into(segment))
        wait_for("all is in", lambda: self.buffered(segment) == len(lines * len(rounds)))
        bridge.end()
        wanted = []
        for key, keys in rounds:
            more = ("--key", key) if key else ()
            out = command(*self.out_of(segment, "--count", str(len(lines)), "--header", "by=%s" % key, *more))
            self.assertEqual(out.returncode, 0, out.stderr)
            for line, k in zip(lines, keys):
                headers, body = line.split("|")[1:-1], line.split("|")[-1]
                wanted.append("|".join([k, *headers, "by=%s" % key, body]))
        got = client("read-with", self.brokers, self.topics[1], PARTITIONS, len(wanted)).splitlines()
        self.assertEqual(sorted(re.sub(r"conveyor-(id|retry)=[^|]*\|", "", line) for line in got), sorted(wanted))

    def test_options_reach_the_library(self):
        folder = tempfile.mkdtemp(prefix="conveyor-test-")
        path = os.path.join(folder, "file")
        with open(path, "w", encoding="utf-8") as f:
            f.write("# a login\nsecurity.protocol=sasl_ssl\nsasl.mechanism=PLAIN\n"
                    "sasl.username=me\nsasl.password=a=b\n")
        to = ("segment", "--stage", "sink", "--to", "kafka://a:1,b:2/t")
        tls = ("--tls-ca", "/ca", "--tls-cert", "/cert", "--tls-key", "/key")
        for name, more, value in (
                ("bootstrap.servers", (), "a:1,b:2"), ("security.protocol", tls, "ssl"),
                ("ssl.ca.location", tls, "/ca"),
                ("ssl.certificate.location", tls, "/cert"), ("ssl.key.location", tls, "/key"),
                ("security.protocol", tls + ("--credentials", path), "sasl_ssl"),
                ("sasl.username", ("--option-file", path), "me"), ("sasl.password", ("--credentials", path), "a=b"),
                ("linger.ms", ("--option", "linger.ms=7"), "7"),
                ("sasl.username", ("--option-file", path, "--option", "sasl.username=you"), "you"),
                ("statistics.interval.ms", ("--metrics", "/m"), "1000")):
            self.assertEqual(client("option", name, *to, *more).strip(), value, (name, more))
        shutil.rmtree(folder)

    def test_what_is_wrong_is_told(self):
        """No broker, a broker without TLS, one whose certificate is unknown: told by --check, and while it runs."""
        segment = self.segment()
        folder = tempfile.mkdtemp(prefix="conveyor-test-")
        ours, other = Authority(folder, "ours"), Authority(folder, "other")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*ours.sign("server"))
        with Listener(context) as tls:
            for where, more, text in (
                    ("127.0.0.1:1", (), "is a broker running there"),
                    (self.brokers.split(",")[0], ("--tls-ca", ours.pem), "it does not speak TLS"),
                    (tls, ("--tls-ca", other.pem), "its certificate is unknown to --tls-ca")):
                words = ("bridge", segment, "--stage", "filter", "--to", "kafka://%s/t" % where, *more)
                got = command(*words, "--check")
                self.assertEqual(got.returncode, 1, got.stderr)
                self.assertIn(text, got.stderr)
            for more in (("--stage", "filter", "--to", "kafka://%s/t" % tls), ("--stage", "filter", "--source", "s",
                                                                              "--from", "kafka://%s/t?group=g" % tls)):
                got = command("bridge", segment, *more, "--tls-ca", other.pem)
                self.assertEqual(got.returncode, 1, got.stderr)
                self.assertIn("its certificate is unknown to --tls-ca", got.stderr)
        shutil.rmtree(folder)

    def test_what_is_refused(self):
        """A record that is too long for a message, and a partition that has no name for its source any more."""
        segment = self.segment("--max-retries", "0", "--payload-size", "4000")
        for source, text in (("s", "short\n" + "l" * 3000 + "\n"), ("t", "last\n")):
            command("push", segment, "--stage", "filter", "--source", source, input=text)
        limit = ("--option", "message.max.bytes=1000")
        bridge = self.start(*self.out_of(segment, *limit))
        wait_for("it is a dead letter", lambda: self.queued(segment, "dead-letter") == 1 == self.buffered(segment))
        self.assertIn("a record of 3000 bytes is refused for good", bridge.end())
        self.assertEqual(sorted(client("read", self.brokers, self.topics[1], PARTITIONS, 2).split()),
                         ["last", "short"])
        got = command(*self.out_of(segment, *limit, stage="dead-letter"))
        self.assertEqual((got.returncode, self.buffered(segment)), (1, 1), got.stderr)
        self.assertIn("it stays in its stage, and the bridge ends", got.stderr)
        got = command(*self.into(self.segment("--max-sources", "2")))
        self.assertEqual(got.returncode, 1)
        self.assertIn("has no room for another source's name", got.stderr)
        self.assertEqual(got.stderr.count("\n"), 1, got.stderr)

    def dead_letter(self, *orders):
        """A record that the brokers, so ordered, refuse: a dead letter, or the bridge ends. What is said of it."""
        said = []
        for how in ("dead-letter", "stop"):
            segment = self.segment("--max-retries", "0")
            self.assertEqual(command("push", segment, "--stage", "filter", "--source", "s", input="x\n").returncode, 0)
            for order in orders:
                self.order(order)
            bridge = self.once(*self.out_of(segment, "--on-refused", how))
            if how == "stop":
                said.append(self.ended(bridge, 1))
                self.assertEqual(self.queued(segment, "filter"), 1)
            else:
                wait_for("it is a dead letter", lambda s=segment: self.queued(s, "dead-letter") == 1)
                bridge.terminate()
                said.append(self.ended(bridge, 0))
        return said

    def once(self, *words):
        bridge = subprocess.Popen([CONVEYOR, *words], stderr=subprocess.PIPE, text=True)
        self.addCleanup(bridge.kill)
        return bridge

    def ended(self, bridge, status):
        """What it said."""
        said = bridge.communicate(timeout=120)[1]
        self.assertEqual(bridge.returncode, status, said)
        return said

    @ORDERS
    def test_what_brokers_refuse(self):
        """Too long for the topic, not valid, and a topic that this user may not write to: as --on-refused says. What
        may be about another record of its batch is asked a second time, alone."""
        for orders, text in ((("errors 0 10 10",), "Message size too large"),
                             (("errors 0 87 87",), "Broker failed to validate record"),
                             (("errors 0 29",), "Topic authorization failed"),
                             (("topic %s 29" % self.topics[1],), "Topic authorization failed")):
            with self.subTest(orders):
                for said in self.dead_letter(*orders):
                    self.assertIn("a record of 1 bytes is refused for good: Broker: " + text, said)
        self.order("topic %s 0" % self.topics[1])

    @ORDERS
    def test_a_refused_batch(self):
        """Because of one record of it, say: the others are not blamed."""
        segment = self.segment("--max-retries", "0")
        lines = ["line %d" % i for i in range(20)]
        command("push", segment, "--stage", "filter", "--source", "s", input="\n".join(lines) + "\n")
        self.order("errors 0 10")
        bridge = self.start(*self.out_of(segment))
        wait_for("all is out", lambda: self.queued(segment, "filter") == 0 == self.buffered(segment))
        bridge.end()
        got = client("read", self.brokers, self.topics[1], PARTITIONS, len(lines)).splitlines()
        self.assertEqual(sorted(got), sorted(lines))

    @ORDERS
    def test_what_is_not_permitted(self):
        """To write at all, to read the topic, to join the group: the bridge ends and says so."""
        segment = self.segment()
        for order, words in (("errors 22" + 9 * " 31", self.out_of(segment, stage="sink")),
                             ("topic %s 29" % self.topics[0], self.into(segment)),
                             ("errors 11" + 9 * " 30", self.into(segment))):
            with self.subTest(order):
                self.order(order)
                self.assertIn("not permitted at kafka://", self.ended(self.once(*words), 1))
                self.order("topic %s 0" % self.topics[0])

    def test_a_message_that_is_too_long(self):
        client("produce", self.brokers, self.topics[0], 1, text="short\n%s\nlast\n" % ("l" * 2000))
        segment = self.segment()
        got = command(*self.into(segment))
        self.assertEqual(got.returncode, 1, got.stderr)
        self.assertIn("message 1 of partition 0 has 2000 bytes", got.stderr)
        bridge = self.start(*self.into(segment, "--on-refused", "dead-letter"))
        wait_for("all is in", lambda: self.buffered(segment) == 3)
        self.assertIn("has at most 1024: these are a dead letter now", bridge.end())
        self.assertEqual(command("pull", segment, "--stage", "filter").stdout, "short\nlast\n")

    def test_what_check_says_of_a_topic(self):
        for settings, status, text in (((), 0, "do not tell the topic's settings"),
                                       (("min.insync.replicas=2",), 0, "holds   an acknowledged message is on 2"),
                                       (("min.insync.replicas=1",), 0, "what only one has is lost with it"),
                                       (("unclean.leader.election.enable=true",), 1, "broken  a broker that lacks"),
                                       (("cleanup.policy=compact,delete",), 0, "of messages with one key only"),
                                       (("retention.ms=60000",), 0, "after 60 s, read or not")):
            got = subprocess.run([CLIENT, "topic", *settings], stdout=subprocess.PIPE, text=True, check=False)
            self.assertEqual(got.returncode, status, settings)
            self.assertIn(text, got.stdout)

    def test_check_and_wrong_usage(self):
        segment = self.segment()
        good = command(*self.into(segment, "--check"))
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertIn("holds   the group goes on behind what is settled here", good.stdout)
        self.assertEqual(command(*self.into(segment, "--check", "--ack", "buffered")).returncode, 1)
        good = command(*self.out_of(segment, "--check"))
        self.assertEqual(good.returncode, 0, good.stderr)
        self.assertIn("holds   the producer is idempotent", good.stdout)
        where = "kafka://" + self.brokers
        for words, status, text in (
                (("--stage", "a", "--source", "s", "--from", where + "/t"), 2, "?group=GROUP"),
                (("--stage", "filter", "--to", where + "/"), 2, "it is empty"),
                (("--stage", "filter", "--to", where + "/t", "--key", "x"), 2, "nor header:NAME nor json:NAME"),
                (("--stage", "filter", "--to", where + "/t", "--option", "no.such=1"), 2, "no.such"),
                (("--stage", "filter", "--to", "kafka://127.0.0.1:1/t", "--check"), 1, "no broker answers")):
            got = command("bridge", segment, *words)
            self.assertEqual(got.returncode, status, (words, got.stderr))
            self.assertIn(text, got.stderr)


if __name__ == "__main__":
    main()

"""An outage of nats-server ends no bridge, whatever it was doing: the same process goes on when the server is back.

usage: outage.py CONVEYOR [--full] [TEST...]
"""
import itertools
import random
import signal
import subprocess
import tempfile
import time

from at_nats import AtNats
from door import Door
from supervised import CONVEYOR, FULL, command, main, wait_for

QUICK = ("--option", "reconnect_wait_ms=20")
OPENS = ("STREAM.INFO", "CONSUMER.INFO", "CONSUMER.CREATE")
REWINDS = ("CONSUMER.INFO", "CONSUMER.DELETE", "CONSUMER.CREATE")


def before_and_after(kinds):
    return list(itertools.product(kinds, ("before", "after")))


class Once:
    """A bridge that nobody starts again."""

    def __init__(self, *words):
        self.log = tempfile.TemporaryFile("a+")
        self.process = subprocess.Popen([CONVEYOR, *words], stderr=self.log)

    def said(self):
        self.log.seek(0)
        return self.log.read()

    def lives(self):
        if self.process.poll() is not None:
            raise AssertionError("the bridge ended with %d: %s" % (self.process.returncode, self.said()))
        return True

    def close(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Outage(AtNats):
    def bridge(self, *words):
        bridge = Once(*words, *QUICK)
        self.addCleanup(bridge.close)
        return bridge

    def until(self, what, condition, *bridges):
        """All of them must live until then."""
        wait_for(what, lambda: all(b.lives() for b in bridges) and condition())

    def end(self, bridge):
        bridge.lives()
        bridge.process.send_signal(signal.SIGTERM)
        self.assertEqual(bridge.process.wait(120), 0, bridge.said())

    def door(self, *moments):
        door = Door(self.server, *moments)
        self.addCleanup(door.close)
        return door

    def into_by(self, door, segment, path):
        return ("bridge", segment, "--from", "nats://%s/%s" % (door.url, path), "--stage", "filter", "--source", "nats",
                "--create")

    def test_a_request_is_cut_off(self):
        """Each request of the consumer, before it is done and after that: at the start, and as it is made anew."""
        for retention, opens in (("limits", OPENS), ("workqueue", ())):
            with self.subTest(retention):
                self.request_is_cut_off(retention, opens)

    def request_is_cut_off(self, retention, opens):
        count, room, name = 1000, 200, retention.upper()
        self.server.make_stream(name, [retention], retention=retention)
        self.server.publish(retention, self.payloads(count))
        segment = self.segment("--max-per-source", str(room))
        door = self.door(*before_and_after(opens))
        bridge = self.bridge(*self.into_by(door, segment, name + "/C"))
        self.until("it has begun", lambda: not door.moments and self.buffered(segment), bridge)
        door.moments = before_and_after(REWINDS)
        door.cut()
        self.until("it has begun anew", lambda: not door.moments, bridge)
        pulled = command("pull", segment, "--stage", "filter", "--follow", "--count", str(count))
        self.assertEqual(sorted(pulled.stdout.splitlines()), sorted(p.decode() for p in self.payloads(count)))
        self.until("all is acknowledged", lambda: self.floor(name, "C") == count or
                   not self.server.stream(name)["messages"], bridge)
        self.end(bridge)

    def test_a_request_is_not_answered(self):
        """The connection stands, and the server is silent: told once, and asked again."""
        self.server.make_stream("IN", ["in"])
        self.server.publish("in", self.payloads(10))
        segment = self.segment()
        door = self.door(("CONSUMER.INFO", "held"))
        bridge = self.bridge(*self.into_by(door, segment, "IN/C"))
        self.until("it tells", lambda: "it is tried again until the server answers" in bridge.said(), bridge)
        door.let_go()
        self.until("all is in", lambda: self.buffered(segment) == 10, bridge)
        self.assertEqual(bridge.said().count("it is tried again"), 1, bridge.said())
        self.end(bridge)

    def test_a_consumer_that_is_deleted(self):
        """By somebody else, for good: the bridge ends and says so. One that others use too does not ask for ever."""
        self.server.make_stream("IN", ["in"])
        for more in ((), ("--shared",)):
            self.server.make_consumer("IN", "C", ack_policy="explicit")
            bridge = self.bridge("bridge", self.segment(), "--from", self.url("IN/C"), "--stage", "filter", "--source",
                                 "nats", *more)
            self.until("it asks", lambda: self.server.consumer("IN", "C")["num_waiting"], bridge)
            self.server.request("$JS.API.CONSUMER.DELETE.IN.C")
            self.assertEqual(bridge.process.wait(120), 1)
            self.assertIn("consumer 'C' of stream 'IN'", bridge.said())

    def test_kills_of_the_server(self):
        """From a stream through a segment into a stream, while the server is killed again and again."""
        count, kills = (100000, 40) if FULL else (5000, 5)
        payloads = self.payloads(count)
        self.server.make_stream("IN", ["in"])
        self.server.make_stream("OUT", ["out"])
        self.server.publish("in", payloads)
        segment = self.segment("--max-per-source", str(count // kills))
        bridges = [self.bridge(*self.into(segment, "IN/C")), self.bridge(*self.out_of(segment, "out"))]
        self.until("both are connected", lambda: self.server.stream("OUT")["messages"], *bridges)
        for _ in range(kills):
            time.sleep(random.uniform(0, 0.3))
            self.server.restart()
        self.until("all is out", lambda: self.server.stream("OUT")["messages"] >= count, *bridges)
        self.until("all is acknowledged at the origin", lambda: self.floor("IN", "C") == count, *bridges)
        for b in bridges:
            self.end(b)
        self.assertEqual(self.server.stream("OUT")["messages"], count, "some came twice")


if __name__ == "__main__":
    main()

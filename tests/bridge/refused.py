"""What an engine or a segment does not take: it becomes a dead letter or ends the bridge, as --on-refused says, and is
told. Dead letters may go to a stream of their own.

usage: refused.py CONVEYOR [TEST...]
"""
import tempfile

from at_nats import AtNats
from server import Server
from supervised import command, main, wait_for

LONG = "l" * 300


class Refused(AtNats):
    def push(self, segment, *lines, source="s"):
        done = command("push", segment, "--stage", "filter", "--source", source, "--position", "lines",
                       input="".join(line + "\n" for line in lines))
        self.assertEqual(done.returncode, 0, done.stderr)

    def messages(self, stream):
        return self.server.stream(stream)["messages"]

    def stops(self, segment, stage, path, *more):
        """The bridge ends because of a record that is refused, and the record stays where it was."""
        before = self.queued(segment, stage)
        got = command(*self.out_of(segment, path, *more, stage=stage))
        self.assertEqual(got.returncode, 1, got.stderr)
        self.assertIn("is refused for good: message size exceeds maximum allowed; it stays in its stage, and the "
                      "bridge ends", got.stderr)
        return before - self.queued(segment, stage)

    def test_too_long_for_the_stream(self):
        self.server.make_stream("OUT", ["out.>"], max_msg_size=200)
        segment = self.segment("--max-retries", "0")
        self.push(segment, "short", LONG, "last")
        bridge = self.start(*self.out_of(segment, "out.a"))
        wait_for("the others are out", lambda: self.messages("OUT") == 2)
        wait_for("it is a dead letter", lambda: self.queued(segment, "dead-letter") == 1)
        self.assertIn("a record of 300 bytes is refused for good", bridge.end())

    def test_the_bridge_stops(self):
        """If it is told to, and where nothing becomes a dead letter."""
        self.server.make_stream("OUT", ["out.>"], max_msg_size=200)
        segment = self.segment("--max-retries", "0")
        self.push(segment, "short", LONG)
        self.assertEqual(self.stops(segment, "filter", "out.a", "--on-refused", "stop"), 1)
        command("set", segment, "--stage", "filter", "--max-retries", "never")
        self.assertEqual(self.stops(segment, "filter", "out.a"), 0)
        self.assertEqual((self.messages("OUT"), self.queued(segment, "dead-letter")), (1, 0))

    def test_dead_letters_have_a_stream_of_their_own(self):
        self.server.make_stream("OUT", ["out.>"], max_msg_size=200)
        self.server.make_stream("DEAD", ["dead.>"], max_msg_size=1000)
        segment = self.segment("--max-retries", "0")
        self.push(segment, LONG, LONG + "2")
        bridge = self.start(*self.out_of(segment, "out.a"))
        wait_for("they are dead letters", lambda: self.queued(segment, "dead-letter") == 2)
        bridge.end()
        self.assertEqual(self.stops(segment, "dead-letter", "out.a"), 0)
        bridge = self.start(*self.out_of(segment, "dead.{source}", stage="dead-letter"))
        wait_for("all are out", lambda: self.messages("DEAD") == 2 and not self.buffered(segment))
        wait_for("they are settled", lambda: not self.stat(segment)["sources"][0]["unsettled"])
        self.assertEqual({self.server.message("DEAD", i)[1].decode() for i in (1, 2)}, {LONG, LONG + "2"})
        bridge.end()

    def test_a_message_that_is_too_long(self):
        """It ends the bridge; or it becomes a dead letter, cut off, and is acknowledged when that goes."""
        for name, payloads in (("MIDDLE", [b"short", LONG.encode() * 5, b"last"]), ("FIRST", [LONG.encode() * 5])):
            self.server.make_stream(name, [name])
            self.server.publish(name, payloads)
            segment = self.segment()
            got = command(*self.into(segment, name + "/C"))
            self.assertEqual(got.returncode, 1, got.stderr)
            self.assertRegex(got.stderr, "message [12] of stream '%s' has 1500 bytes, .* at most 1024" % name)
            self.assertEqual(self.buffered(segment), len(payloads) // 2)
            bridge = self.start(*self.into(segment, name + "/C", "--on-refused", "dead-letter"))
            wait_for("all is in", lambda s=segment, n=len(payloads): self.buffered(s) == n)
            self.assertEqual(self.queued(segment, "dead-letter"), 1)
            self.assertIn("these are a dead letter now", bridge.end())
            bridge = self.start(*self.into(segment, name + "/C", "--on-refused", "dead-letter"))
            pulled = command("pull", segment, "--stage", "filter").stdout
            self.assertEqual(pulled.split(), [p.decode() for p in payloads if len(p) < 1024])
            wait_for("all before it is acknowledged", lambda s=name, n=len(payloads): self.floor(s, "C") == n // 2)
            letters = command("dead-letter", segment, "drop", "--force")
            self.assertEqual(letters.stdout, "1 dead letter dropped\n", letters.stderr)
            wait_for("all is acknowledged", lambda s=name, n=len(payloads): self.floor(s, "C") == n)
            bridge.end()

    def test_not_allowed(self):
        """A subject that this user may not publish to, and a consumer that it may not ask for."""
        self.server.close()
        self.server = Server("""authorization { users = [ { user: test, password: secret-2 }, { user: me,
            password: secret-1, permissions: { publish: { deny: ["out.no", "$JS.API.CONSUMER.>"] } } } ] }""",
                             login={"user": "test", "pass": "secret-2"})
        self.server.make_stream("OUT", ["out.>"])
        segment = self.segment("--max-retries", "0")
        self.push(segment, "one", source="yes")
        self.push(segment, "two", source="no")
        with tempfile.NamedTemporaryFile("w") as login:
            login.write("user=me\npassword=secret-1\n")
            login.flush()
            bridge = self.start(*self.out_of(segment, "out.{source}", "--option-file", login.name))
            wait_for("one is out", lambda: self.messages("OUT") == 1)
            wait_for("the other is a dead letter", lambda: self.queued(segment, "dead-letter") == 1)
            self.assertIn('Permissions Violation for Publish to "out.no"', bridge.end())
            got = command(*self.into(segment, "OUT/C", "--option-file", login.name))
            self.assertEqual(got.returncode, 1)
            self.assertIn('Permissions Violation for Publish to "$JS.API.CONSUMER.INFO.OUT.C"', got.stderr)


if __name__ == "__main__":
    main()

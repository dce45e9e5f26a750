"""names: the sources of a segment are shown, and those that nobody uses are retired."""
import json
import random
import signal
import subprocess

from conveyor import SegmentTest, call, main, wait_until


class Names(SegmentTest):
    def setUp(self):
        super().setUp()
        self.create("--max-total-records", "1000", "--max-sources", "3", stages="filter,enrich")

    def names(self):
        return {s["name"]: s for s in json.loads(self.succeed("names", self.segment, "--json").stdout)["sources"]}

    def refused(self, *arguments):
        said = call(*arguments)
        self.assertEqual(said.returncode, 1, said.stderr)
        return said.stderr

    def take_all(self):
        return self.succeed("pull", self.segment, "--stage", "filter").stdout

    def test_shown_and_retired(self):
        self.push(b"a\nb\n", source="file-1")
        self.push(b"c\n", source="file-2")
        self.assertEqual({n: (s["id"], s["buffered"], s["accepted"]) for n, s in self.names().items()},
                         {"file-1": (0, 2, 2), "file-2": (1, 1, 1)})
        self.assertIn(b"2 of 3 names of sources are in use", self.succeed("names", self.segment).stdout)
        self.assertIn(b"is in use", self.refused("names", self.segment, "--retire", "file-1"))
        self.take_all()
        said = self.succeed("names", self.segment, "--retire", "file-1", "--retire", "file-2").stdout
        self.assertEqual(said.count(b"is retired"), 2)
        self.assertEqual(self.names(), {})
        self.assertIn(b"no such source", self.refused("names", self.segment, "--retire", "file-1"))
        self.push(b"d\n", source="file-1")
        again = self.names()["file-1"]
        self.assertEqual((again["place"], again["accepted"]), (0, 1))
        self.assertNotEqual(again["id"], 0)
        self.assertEqual([s["name"] for s in self.stat()["sources"]], ["file-1"])

    def test_a_full_table_serves_ten_times_as_many(self):
        for i in range(30):
            self.push(b"line %d\n" % i, source="file-%d" % i)
            self.assertEqual(self.take_all(), b"line %d\n" % i)
            if i >= 2:
                self.succeed("names", self.segment, "--retire", "file-%d" % (i - 2))
        self.assertEqual(sorted(self.names()), ["file-28", "file-29"])

    def test_the_doctor_says_what_to_do(self):
        for i in range(3):
            self.push(b"x\n", source="file-%d" % i)
        self.take_all()
        found = {f["code"]: f for f in json.loads(call("doctor", self.segment, "--json").stdout)["findings"]}["used-up"]
        self.assertIn("conveyor names %s --retire NAME" % self.segment, json.dumps(found))
        self.succeed("names", self.segment, "--retire", "file-0")
        self.assertNotIn("used-up", call("doctor", self.segment, "--json").stdout.decode())

    def test_one_that_pushes_asks_for_its_name_again(self):
        producer = self.start("push", self.segment, "--stage", "filter", "--source", "file-1", stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE)
        for line in (b"a\n", b"b\n"):
            producer.stdin.write(line)
            producer.stdin.flush()
            wait_until(lambda: self.take_all() == line, "the line is taken")
            self.succeed("names", self.segment, "--retire", "file-1")
            self.assertEqual(self.names(), {})
        for i in range(3):
            self.push(b"x\n", source="other-%d" % i)
        said = producer.communicate(b"c\n")[1].decode()
        self.assertIn("names %s --retire NAME" % self.segment, said)
        self.assertEqual(producer.returncode, 1)

    def test_a_dead_letter_keeps_the_name(self):
        self.push(b"a\n", source="file-1")
        self.succeed("move", self.segment, "--stage", "filter", "--to", "enrich", "--force")
        self.assertIn(b"is in use", self.refused("names", self.segment, "--retire", "file-1"))

    def test_beside_processes_that_put_and_are_killed(self):
        """Names are retired while others put under them, and both are killed at random; nothing is lost or mixed up."""
        seen = random.Random(1)
        producers = []
        for turn in range(40):
            if len(producers) > 2:
                victim = producers.pop(seen.randrange(len(producers)))
                victim.send_signal(signal.SIGKILL)
                victim.wait()
            name = "file-%d" % seen.randrange(6)
            producer = self.start("push", self.segment, "--stage", "filter", "--source", name, stdin=subprocess.PIPE,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            producer.stdin.write((name + "\n").encode() * 5)
            producer.stdin.flush()
            producers.append(producer)
            for known in list(self.names()):
                retire = self.start("names", self.segment, "--retire", known, stdout=subprocess.DEVNULL,
                                    stderr=subprocess.DEVNULL)
                if seen.random() < 0.5:
                    retire.kill()
                self.assertIn(retire.wait(), (0, 1, -signal.SIGKILL))
            for line in self.succeed("pull", self.segment, "--stage", "filter", "--format",
                                     "{source} {payload}\\n").stdout.splitlines():
                source, payload = line.split()
                self.assertEqual(source, payload)
        for producer in producers:
            producer.kill()
            producer.wait()
        wait_until(lambda: call("doctor", self.segment, "--repair").returncode == 0, "the segment is in order")
        self.take_all()
        for known in self.names():
            self.succeed("names", self.segment, "--retire", known)
        self.assertEqual(self.names(), {})


if __name__ == "__main__":
    main()

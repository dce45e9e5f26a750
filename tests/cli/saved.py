"""record --all and replay --all: all that a segment holds goes over a reboot, or into a segment of another size."""
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time

from conveyor import CLIENT, PATIENCE, SegmentTest, main


# What record --all wrote of a segment of layout version 8.
LAYOUT_8 = b"""conveyor-all 1
source\tkafka-1\t9
source\tfiles\t5
source\tplain\t0
stage\tdead-letter\t2
kafka-1\tmain\tfilter\t0\t9\t1796059133432037\t5\t4
two
2head
plain\tp2\tfilter\t0\t0\t1796059133872439\t3\t0
bad
stage\tfilter\t0
stage\tenrich\t4
files\tdefault\tenrich\t0\t3\t1796059133552623\t1\t0
3
files\tdefault\tenrich\t0\t4\t1796059133552623\t1\t0
4
files\tdefault\tenrich\t0\t5\t1796059133552623\t1\t0
5
kafka-1\tmain\tenrich\t0\t7\t1796059133432037\t3\t1
one\xff
stage\tsink\t2
plain\tdefault\tsink\t0\t0\t1796059133628121\t1\t0
b
plain\tdefault\tsink\t1\t0\t1796059133628121\t1\t0
a
end\t8
"""


class Saved(SegmentTest):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)
        self.path = os.path.join(self.folder, "all")

    def save(self):
        """What a file has that is made of the segment now, without the times; removes the file."""
        self.succeed("record", self.segment, "--all", self.path)
        found = self.read()
        os.remove(self.path)
        return found

    def read(self):
        """(sources with what they had accepted, stages with their records) of the file."""
        with open(self.path, "rb") as f:
            data = f.read()
        line, rest = data.split(b"\n", 1)
        self.assertEqual(line, b"conveyor-all 1")
        sources, stages, records = {}, {}, 0
        while True:
            line, rest = rest.split(b"\n", 1)
            kind, *fields = line.decode().split("\t")
            if kind == "end":
                self.assertEqual((int(fields[0]), rest), (records, b""))
                return sources, stages
            if kind == "source":
                sources[fields[0]] = int(fields[1])
                continue
            stages[fields[0]] = []
            for _ in range(int(fields[1])):
                line, rest = rest.split(b"\n", 1)
                head = line.decode().split("\t")
                size = int(head[6]) + int(head[7])
                stages[fields[0]].append((*head[:5], *head[6:], rest[:size]))
                self.assertEqual(rest[size:size + 1], b"\n")
                rest = rest[size + 1:]
                records += 1

    def put(self, stage, source, *records):
        """(position, payload, header) each, by way of a recorded flow."""
        path = os.path.join(self.folder, "flow")
        with open(path, "wb") as f:
            f.write(b"conveyor-flow 1\t%s\n" % stage)
            for position, payload, header in records:
                f.write(b"0\t%d\t%s\tmain\t%d\t%d\n%s%s\n" % (len(payload), source, len(header), position, payload,
                                                              header))
        self.succeed("replay", self.segment, path)

    def return_some(self, count, stage="filter"):
        """The first `count` records of the stage fail once, and stand at its end then."""
        subprocess.run([CLIENT, self.segment, "return", stage, str(count)], check=True, timeout=PATIENCE)

    def fill(self):
        """Retries, dead letters, positions, headers, several stages, and sources of which something has left."""
        self.create("--max-total-records", "1000", "--header-size", "16", "--max-retries", "2", stages="filter,sink")
        self.put(b"filter", b"a", (1, b"dead", b"h"), (2, b"two", b""), (5, b"five\n\0", b"\xff\n"), (9, b"", b"nine"))
        self.push(b"plain\nplain\nother\n", source="no positions")
        self.make_fail(count=1)  # all that is there, one after the other: 7 dead letters
        self.assertEqual(self.queued("dead-letter"), 7)
        self.put(b"filter", b"a", *((p, b"p%d" % p, b"") for p in range(20, 40)))
        self.push(b"x\ny\n", source="no positions")
        self.return_some(3)
        self.return_some(20)  # the first of those three for the second time
        self.put(b"sink", b"a", (40, b"forty", b"h"), (41, b"gone", b""))
        self.put(b"sink", b"b", (7, b"gone", b""), (8, b"gone too", b""))
        self.succeed("move", self.segment, "--stage", "sink", "--to", "filter", "--count", "1", "--force")
        self.pull(stage="sink")

    def make_another(self):
        """Larger, and its names have other ids."""
        self.succeed("rm", self.segment)
        self.create("--max-total-records", "3000", "--header-size", "40", "--max-retries", "2",
                    "--payload-size", "2048", stages="later,sink,filter")
        self.push(b"", source="b")
        self.push(b"", source="later")

    def assert_loaded(self, was):
        sources, stages = self.save()
        self.assertEqual({name: n for name, n in sources.items() if name in was[0]}, was[0])
        self.assertEqual(stages.pop("later"), [])
        dead = [[(*r[:3], "", *r[4:]) for r in s.pop("dead-letter")] for s in (stages, was[1])]  # failed once too often
        self.assertEqual(dead[0], dead[1])
        self.assertEqual(stages, was[1])

    def test_all_goes_into_another_segment(self):
        self.fill()
        self.assertEqual({r[3] for r in self.save()[1]["filter"]}, {"0", "1", "2"})
        done = self.succeed("record", self.segment, "--all", self.path)
        was = self.read()
        self.assertEqual(was[0], {"a": 41, "no positions": 0, "b": 8})
        self.assertIn(b"saved 30 records of 3 stages", done.stderr)
        self.assertEqual(sorted(os.listdir(self.folder)), ["all", "flow"])
        self.make_another()
        done = self.succeed("replay", self.segment, "--all", self.path)
        self.assertIn(b"; 0 were in segment", done.stderr)
        kept = self.path
        self.path += "-2"
        self.assert_loaded(was)
        self.path = kept
        done = self.succeed("replay", self.segment, "--all", self.path)
        self.assertIn(b"replayed 0 records; 30 were in segment", done.stderr)
        self.assert_sound_but_for_dead_letters()

    def test_a_file_that_layout_version_8_wrote_is_loaded(self):
        """It has dead letters, a record that failed once, headers, positions, and one that was moved."""
        with open(self.path, "wb") as f:
            f.write(LAYOUT_8)
        was = self.read()
        self.create("--max-total-records", "1000", "--header-size", "16", "--max-retries", "1",
                    stages="later,sink,filter")
        done = self.succeed("replay", self.segment, "--all", self.path)
        self.assertIn(b"replayed 8 records; 0 were in segment", done.stderr)
        os.remove(self.path)
        self.assert_loaded(was)

    def assert_sound_but_for_dead_letters(self):
        self.assertEqual({f["code"] for f in self.doctor()["findings"] if f["severity"] == "problem"}, {"dead-letters"})

    def kill_somewhere(self, most, *arguments):
        """Starts a command and kills it within that time; False if it had ended before."""
        process = self.start(*arguments, stderr=subprocess.DEVNULL)
        try:
            self.assertEqual(process.wait(timeout=random.uniform(0, most)), 0)
            return False
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait(timeout=PATIENCE) != 0

    def test_a_killed_record_leaves_a_whole_file_or_none(self):
        self.create("--max-total-records", "8000", "--max-per-source", "8000")
        self.push(b"x" * 1000 + b"\n" + b"y" * 900 + b"\n" * 5000)
        was = self.save()
        tries, killed, most = 0, 0, 0.05
        while tries < 30 or killed < 10:  # from its start to its end, however long it takes here
            was_killed = self.kill_somewhere(most, "record", self.segment, "--all", self.path)
            tries, killed, most = tries + 1, killed + was_killed, most * (1.25 if was_killed else 0.8)
            if os.path.exists(self.path):
                self.assertEqual(self.read(), was)
                os.remove(self.path)
        self.assertEqual(self.save(), was)
        self.assert_sound(len(was[1]["filter"]))

    def test_a_killed_replay_goes_on(self):
        self.create("--max-total-records", "6000", "--max-per-source", "6000")
        self.put(b"filter", b"a", *((p, b"%d" % p, b"") for p in range(1, 2001)))
        self.push(b"twice\ntwice\n" * 1000, source="b")
        self.succeed("record", self.segment, "--all", self.path)
        was = self.read()
        self.succeed("rm", self.segment)
        self.create("--max-total-records", "6000", "--max-per-source", "6000", stages="later,filter")
        killed, most = 0, 0.004
        while self.kill_somewhere(most, "replay", self.segment, "--all", self.path):
            killed += 1
            most *= 1.1
        self.assertGreater(killed, 0)
        os.remove(self.path)
        self.assert_loaded(was)

    def test_a_replay_that_is_killed_while_it_arranges_loses_and_doubles_nothing(self):
        self.fill()
        self.succeed("record", self.segment, "--all", self.path)
        was = self.read()
        killed, most = 0, 0.004
        self.make_another()
        while self.kill_somewhere(most, "replay", self.segment, "--all", self.path) and killed < 200:
            killed += 1
            most *= 1.05
        os.remove(self.path)
        sources, stages = self.save()
        self.assertEqual({n: p for n, p in sources.items() if n in was[0]}, was[0])
        self.assertEqual(sorted(r[-1] for s in stages.values() for r in s),
                         sorted(r[-1] for s in was[1].values() for r in s))
        for kept, now in zip(was[1]["filter"], stages["filter"]):  # a death may count as a failure, as ever
            self.assertGreaterEqual(int(now[3]), int(kept[3]))

    def test_a_signal_stops_a_replay_and_counts_as_no_failure(self):
        self.create("--max-total-records", "6000", "--max-per-source", "6000")
        self.push(b"line\n" * 4000)
        self.return_some(1)
        self.succeed("record", self.segment, "--all", self.path)
        was = self.read()
        self.succeed("rm", self.segment)
        self.create("--max-total-records", "6000", "--max-per-source", "6000", stages="later,filter")
        for delay in (0.005, 0.02, 0.03, 0.04, 0.05):
            process = self.start("replay", self.segment, "--all", self.path, stderr=subprocess.PIPE)
            time.sleep(delay)  # somewhere in its work
            process.send_signal(signal.SIGTERM)
            text = process.communicate(timeout=PATIENCE)[1]
            self.assertIn(process.returncode, (0, 1, -signal.SIGTERM), text)
        self.succeed("replay", self.segment, "--all", self.path)
        os.remove(self.path)
        self.assert_loaded(was)

    def test_what_was_worked_off_since_is_not_put_again(self):
        self.create("--max-total-records", "100", stages="later,filter")
        self.put(b"filter", b"a", (1, b"one", b""), (2, b"two", b""))
        self.succeed("record", self.segment, "--all", self.path)
        self.pull("--count", "1")
        done = self.succeed("replay", self.segment, "--all", self.path)
        self.assertIn(b"replayed 0 records; 1 was in segment", done.stderr)
        self.assertIn(b"and 1 had left it", done.stderr)
        self.assertEqual(self.pull(), b"two\n")

    def test_what_is_refused(self):
        self.create("--max-total-records", "100", "--payload-size", "64", stages="filter")
        self.push(b"1\n22\n")
        s, save, load = self.segment, ["record", self.segment, "--all"], ["replay", self.segment, "--all"]
        self.assertIn("no other option", self.fail_with(2, *save, "--stage", "filter", self.path))
        self.assertIn("no other option", self.fail_with(2, *load, "--rate", "5", self.path))
        self.assertIn("cannot write", self.fail_with(1, *save, self.folder + "/none/all"))
        holder = self.hold(1)
        self.assertIn("process %d" % holder.pid, self.fail_with(1, *save, self.path))
        self.succeed(*save[:1], "--help")
        holder.kill()
        holder.wait()
        self.succeed(*save, self.path)
        self.assertIn("File exists", self.fail_with(1, *save, self.path))
        with open(self.path, "rb") as f:
            content = f.read()
        self.assertEqual(os.listdir(self.folder), ["all"])
        self.succeed("rm", s)
        self.create("--max-total-records", "100", "--payload-size", "64", stages="filter")
        holder = self.hold(0)
        self.assertIn("process %d" % holder.pid, self.fail_with(1, *load, self.path))
        holder.kill()
        holder.wait()
        for text, word in ((b"", "not a file that"), (b"conveyor-flow 1\tfilter\n", "not a file that"),
                           (content[:-1], "not whole"), (content[:-6], "not whole"), (content[:40], "not whole"),
                           (content.replace(b"end\t2", b"end\t3"), "not as"),
                           (content.replace(b"\t2\t0\n", b"\t9\t0\n"), "not as"),
                           (content.replace(b"\t2\t0\n", b"\t99\t0\n"), "--payload-size"),
                           (content.replace(b"\t2\t0\n", b"\t2\t5\n"), "--header-size"),
                           (content.replace(b"file-1\tdefault", b"\tdefault"), "not as"),
                           (content.replace(b"stage\tfilter", b"stage\tdead-letter")
                            .replace(b"\tfilter\t1", b"\tdead-letter\t1"), "not as")):
            with open(self.path, "wb") as f:
                f.write(text)
            self.assertIn(word, self.fail_with(1, *load, self.path), text)
        self.assertEqual(self.queued(), 0)
        with open(self.path, "wb") as f:
            f.write(content)
        self.push(b"other\n")
        self.assertIn("not of", self.fail_with(1, *load, self.path))
        self.pull()
        self.assertIn("was just made", self.fail_with(1, *load, self.path))
        for limit in ("--max-total-records", "--max-per-stage", "--max-per-source"):
            self.succeed("rm", s)
            self.create(limit, "1", stages="filter")
            self.assertIn("larger limits", self.fail_with(1, *load, self.path), limit)


if __name__ == "__main__":
    main()

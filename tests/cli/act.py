"""evict, purge, move and dead-letter: what an operator does to a segment that is in use."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import time
import unittest

from conveyor import COMMAND, PATIENCE, SegmentTest, call, main, wait_until


def state_of(pid):
    """The letter of a process's main thread."""
    with open("/proc/%d/stat" % pid, encoding="ascii") as f:
        return f.read().rpartition(")")[2].split()[0]


class Act(SegmentTest):
    def numbers(self, *arguments, stage="filter"):
        return [int(line) for line in self.pull(*arguments, stage=stage).split()]

    def fill(self, *, stages="filter,sink"):
        """Twelve records: odd numbers of source odd and pipeline p, even ones of source even and pipeline q."""
        self.create("--max-total-records", "1000", stages=stages)
        flow = "conveyor-flow 1\tfilter\n"
        for i in range(12):
            flow += "0\t%d\t%s\n%d\n" % (len(str(i)), "odd\tp" if i % 2 else "even\tq", i)
        self.succeed("replay", self.segment, "-", input=flow.encode())

    def test_evict_ends_a_consumer_and_its_records_are_back_at_once(self):
        self.fill()
        hung = self.hold(5)
        self.assertEqual(self.stage("filter")["leased"], 5)
        done = self.succeed("evict", self.segment, "--pid", str(hung.pid), "--dry-run")
        self.assertRegex(done.stdout.decode(), r"^process %d \(cli-client\), whose last call was \d+\.\d s ago, would "
                         r"be ended: 5 records that it held would be delivered again\n$" % hung.pid)
        self.assertIsNone(hung.poll())
        done = self.succeed("evict", self.segment, "--pid", str(hung.pid))
        self.assertIn(b"5 records that it held are delivered again", done.stdout)
        self.assertEqual(hung.wait(timeout=PATIENCE), -signal.SIGKILL)
        self.assertEqual((self.stage("filter")["leased"], self.stage("filter")["redelivered"]), (0, 5))
        self.assertEqual(sorted(self.numbers()), list(range(12)))
        self.assert_sound()

    def test_evict_ends_a_consumer_whose_main_thread_has_ended(self):
        self.fill()
        hung = self.hold(5, role="outlive")
        wait_until(lambda: state_of(hung.pid) == "Z", "the main thread has ended")
        done = self.succeed("evict", self.segment, "--pid", str(hung.pid))
        self.assertIn(b"5 records that it held are delivered again", done.stdout)
        self.assertEqual(hung.wait(timeout=PATIENCE), -signal.SIGKILL)
        self.assert_sound(12)

    def test_evict_ends_a_stopped_consumer(self):
        self.fill()
        stopped = self.hold(5)
        stopped.send_signal(signal.SIGSTOP)
        self.succeed("evict", self.segment, "--pid", str(stopped.pid))
        self.assertEqual(stopped.wait(timeout=PATIENCE), -signal.SIGKILL)
        self.assert_sound(12)

    def test_evict_finds_those_that_hang_and_leaves_those_that_work_or_wait(self):
        self.fill()
        idle = self.start("pull", self.segment, "--stage", "sink", "--follow", stderr=subprocess.DEVNULL)
        busy = subprocess.Popen([os.environ["CLI_CLIENT"], self.segment, "busy", "filter", "2"],
                                stdout=subprocess.PIPE)
        self.started.append(busy)
        self.assertEqual(busy.stdout.readline(), b"2 held\n")

        def evict(*more):
            """The pids that it names. A busy one that gets no processor for so long counts as hung, and rightly so."""
            said = self.succeed("evict", self.segment, "--hung-after", "0.2", *more).stdout.decode()
            pids = [int(pid) for pid in re.findall(r"^process (\d+) \(cli-client\), whose last call was ", said, re.M)]
            self.assertEqual(said.count("\n"), max(len(pids), 1))
            self.assertEqual(said == "no process held records and did nothing for 0.2 seconds\n", not pids)
            return pids
        wait_until(lambda: evict("--dry-run") == [], "the busy one is left alone")
        hung = self.hold(5)
        wait_until(lambda: evict("--dry-run") == [hung.pid], "only the hung one would be ended")
        self.assertEqual((idle.poll(), busy.poll(), hung.poll()), (None, None, None))
        ended = evict()
        self.assertIn(hung.pid, ended)
        self.assertEqual(hung.wait(timeout=PATIENCE), -signal.SIGKILL)
        self.assertIsNone(idle.poll())
        if busy.pid not in ended:
            wait_until(lambda: self.stage("filter")["leased"] == 2, "the busy one works on")
            self.assertIsNone(busy.poll())

    def evict_with_turns(self, turn, *options):
        """Runs evict; turn() is called each time before it opens a process: (status, stdout, stderr)."""
        asked, ask = os.pipe()
        answer, answered = os.pipe()
        evict = subprocess.Popen([os.environ["CLI_BETWEEN"], "evict", self.segment, *options], pass_fds=(ask, answer),
                                 env=dict(os.environ, ASK=str(ask), ANSWER=str(answer)), stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        self.started.append(evict)
        os.close(ask)
        os.close(answer)
        while os.read(asked, 1):
            turn()
            os.write(answered, b"x")
        os.close(asked)
        os.close(answered)
        return (evict.wait(timeout=PATIENCE), evict.stdout.read(), evict.stderr.read())

    def test_evict_finds_that_one_has_ended_by_itself(self):
        """Just after it was chosen. It is what was wanted, but for --pid; and others that hang are ended still."""
        self.fill()
        first, second = self.hold(2), self.hold(3)

        def end_first():
            first.kill()
            first.wait()
        status, said, complaint = self.evict_with_turns(end_first, "--hung-after", "0.01")
        self.assertEqual((status, complaint), (0, ""))
        self.assertIn("process %d has left the segment meanwhile\n" % first.pid, said)
        self.assertRegex(said, r"process %d \(cli-client\), .* was ended: 3 records" % second.pid)
        self.assertEqual(second.wait(timeout=PATIENCE), -signal.SIGKILL)
        self.assert_sound(12)
        first = self.hold(2)
        status, said, complaint = self.evict_with_turns(end_first, "--pid", str(first.pid))
        self.assertEqual((status, said), (1, ""))
        self.assertIn("process %d has left the segment meanwhile: it was left alone\n" % first.pid, complaint)

    def test_evict_refuses_what_is_no_handle_of_the_segment(self):
        self.fill()
        self.assertIn("no handle", self.fail_with(1, "evict", self.segment, "--pid", str(os.getpid())))
        self.assertIn("one of --pid and --hung-after", self.fail_with(2, "evict", self.segment))
        self.assertIn("one of", self.fail_with(2, "evict", self.segment, "--pid", "1", "--hung-after", "1"))

    @unittest.skipUnless(os.geteuid() == 0, "only root can be another user")
    def test_evict_refuses_the_processes_of_others(self):
        self.create("--max-total-records", "1000", "--mode", "0666")
        self.push(b"x\n" * 5)
        hung = self.hold(5)
        for option in (["--pid", str(hung.pid)], ["--hung-after", "0.1"]):
            done = subprocess.run([COMMAND, "evict", self.segment, *option], user=65534, stderr=subprocess.PIPE,
                                  check=False)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"belongs to another user", done.stderr)
        self.assertIsNone(hung.poll())
        self.assertEqual(self.stage("filter")["leased"], 5)

    def test_purge_and_move_with_each_filter(self):
        for filters, out, left in (
            ([], range(12), []),
            (["--source", "odd"], range(1, 12, 2), range(0, 12, 2)),
            (["--pipeline", "q"], range(0, 12, 2), range(1, 12, 2)),
            (["--count", "3"], range(3), range(3, 12)),
            (["--source", "odd", "--count", "2"], [1, 3], [0, 2, 4, 5, 6, 7, 8, 9, 10, 11]),
            (["--source", "odd", "--pipeline", "q"], [], range(12)),
            (["--older-than", "3600"], [], range(12)),
            (["--older-than", "0.001"], range(12), []),
        ):
            for verb, to in (["purge"], []), (["move"], ["--to", "sink"]):
                self.fill()
                time.sleep(0.01)
                arguments = (*verb, self.segment, "--stage", "filter", *to, *filters)
                done = "dropped" if verb == ["purge"] else "moved to sink"
                n = len(list(out))
                text = "%d record%s %s%s\n"
                self.assertEqual(self.succeed(*arguments, "--dry-run").stdout.decode(),
                                 text % (n, "" if n == 1 else "s", "would be ", done))
                self.assertEqual(self.queued(), 12)
                self.assertEqual(self.succeed(*arguments, "--force").stdout.decode(),
                                 text % (n, "" if n == 1 else "s", "", done))
                self.assertEqual(self.numbers(), list(left), arguments)
                self.assertEqual(self.numbers(stage="sink"), list(out) if to else [], arguments)
                self.assert_sound()
                self.succeed("rm", self.segment)

    def test_what_is_left_has_its_retries_as_they_were(self):
        self.fill()
        self.succeed("purge", self.segment, "--stage", "filter", "--source", "odd", "--force")
        self.assertEqual(self.retries(), [0] * 6)

    def test_more_than_one_chunk_keeps_its_order(self):
        self.create("--max-total-records", "20k", "--max-per-stage", "20k", "--max-per-source", "20k")
        self.push(b"".join(b"%d\n" % i for i in range(3000)))
        self.push(b"x\n" * 10, source="other")
        self.push(b"".join(b"%d\n" % i for i in range(3000, 3500)))
        done = self.succeed("purge", self.segment, "--stage", "filter", "--source", "other", "--force", "--json")
        self.assertEqual(json.loads(done.stdout), {"version": 1, "segment": self.segment, "stage": "filter", "to": None,
                                                   "done": "dropped", "records": 10, "dry_run": False})
        self.assertEqual(self.numbers(), list(range(3500)))

    def test_a_move_waits_for_room_and_a_signal_ends_it(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "20", stages="filter,sink")
        self.push(b"x\n" * 10, "--batch", "10", stage="sink")
        for _ in range(3):
            self.push(b"y\n" * 5, "--batch", "5")
        move = self.start("move", self.segment, "--stage", "filter", "--to", "sink", "--force", stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
        wait_until(lambda: self.stage("sink")["queued"] == 20, "the stage is full")
        self.assert_sleeps(move.pid)
        move.terminate()
        out, complaint = move.communicate(timeout=PATIENCE)
        self.assertEqual((move.returncode, out), (1, b"10 records moved to sink\n"))
        self.assertIn(b"10 of 15 were moved", complaint)
        self.assertEqual(len(self.pull(stage="sink")), 40)
        self.assertEqual(self.pull(), b"y\n" * 5)
        self.assert_sound()

    def test_it_asks_on_a_terminal_and_nowhere_else(self):
        self.fill()
        for verb in (["purge"], ["move", "--to", "sink"]):
            self.assertIn("--force", self.fail_with(2, verb[0], self.segment, "--stage", "filter", *verb[1:]))
        for answer, status, left in ((b"n\n", 1, 12), (b"y\n", 0, 0)):
            terminal, slave = pty.openpty()
            purge = self.start("purge", self.segment, "--stage", "filter", stdin=slave, stderr=slave,
                               stdout=subprocess.DEVNULL)
            os.close(slave)
            asked = b""
            while b"[y/N]" not in asked:
                self.assertTrue(select.select([terminal], [], [], PATIENCE)[0])
                asked += os.read(terminal, 1000)
            self.assertIn(b"drop 12 records of segment", asked)
            os.write(terminal, answer)
            self.assertEqual(purge.wait(timeout=PATIENCE), status)
            os.close(terminal)
            self.assertEqual(self.queued(), left)

    def test_names_that_are_not_there_are_refused(self):
        self.fill()
        for arguments, status, word in (
            (["purge", "--stage", "fliter"], 1, "no such stage"),
            (["purge", "--stage", "filter", "--source", "none"], 1, "no such source"),
            (["purge", "--stage", "filter", "--pipeline", "none"], 1, "no such pipeline"),
            (["move", "--stage", "filter", "--to", "snik"], 1, "no such stage"),
            (["move", "--stage", "filter", "--to", "filter"], 2, "the stage that they are in"),
            (["move", "--stage", "filter", "--to", "dead-letter"], 2, "dead-letter"),
            (["move", "--stage", "filter"], 2, "--to"),
        ):
            self.assertIn(word, self.fail_with(status, arguments[0], self.segment, *arguments[1:], "--force"))
        self.assertEqual(self.queued(), 12)
        self.assertEqual(len(self.stat()["stages"]), 3)

    def make_dead(self):
        self.create("--max-total-records", "1000", "--max-retries", "0", stages="filter,sink")
        for i in range(6):
            stage = "filter" if i % 2 else "sink"
            self.push(b"%d\xff\n" % i, stage=stage, source="odd" if i % 2 else "even")
            self.make_fail(stage)
        self.assertEqual(self.queued("dead-letter"), 6)

    def test_dead_letters_by_filter(self):
        self.make_dead()
        listed = self.succeed("dead-letter", self.segment, "list", "--source", "odd").stdout.splitlines()
        self.assertEqual((len(listed), listed[-1]), (5, b"3 dead letters"))
        answer = json.loads(self.succeed("dead-letter", self.segment, "list", "--json", "--source", "odd", "--count",
                                         "2").stdout)
        self.assertEqual((answer["version"], answer["segment"], answer["found"]), (1, self.segment, 3))
        self.assertEqual([(r["source"], r["pipeline"], r["bytes"], r["from"], r["retries"], r["payload"])
                          for r in answer["records"]],
                         [("odd", "default", 2, "filter", 0, "1?"), ("odd", "default", 2, "filter", 0, "3?")])
        done = self.succeed("dead-letter", self.segment, "drop", "--source", "odd", "--count", "1", "--force")
        self.assertEqual(done.stdout, b"1 dead letter dropped\n")
        done = self.succeed("dead-letter", self.segment, "retry", "--source", "odd", "--dry-run", "--json")
        self.assertEqual(json.loads(done.stdout)["records"], 2)
        done = self.succeed("dead-letter", self.segment, "retry", "--source", "odd")
        self.assertEqual(done.stdout, b"2 dead letters forwarded to where they came from\n")
        self.assertEqual(self.pull(), b"3\xff\n5\xff\n")
        self.assertEqual(self.queued("dead-letter"), 3)
        self.assertEqual(self.succeed("dead-letter", self.segment, "retry", "--older-than", "3600").stdout,
                         b"0 dead letters forwarded to where they came from\n")
        self.succeed("dead-letter", self.segment, "retry")
        self.assertEqual(self.pull(stage="sink"), b"0\xff\n2\xff\n4\xff\n")
        self.assert_sound()


if __name__ == "__main__":
    main()

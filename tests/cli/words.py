"""What a message tells to type does what it says, whatever the names: each command is given to sh as it is printed."""
import json
import os
import re
import signal
import subprocess
import tempfile

from conveyor import CLIENT, COMMAND, PATIENCE, SegmentTest, call, main, wait_until

ODD = ("it's a \"$HOME\" `id` $(id) *? ;&|#~!(x){a b}[c]<d>\\n %s \u00fc\u20ac", " a blank first", "--json", "~", "#!x",
       "a'b\\", "plain-1.2_3:4@5%6+7,8=9")


class Words(SegmentTest):
    def setUp(self):
        super().setUp()
        self.segment = "%s %d" % (ODD[0], os.getpid())

    def type_it(self, message, begin, status=0, **values):
        """Types the command in the message that begins so, with these values for words in capitals: what it prints."""
        told = re.search(r"'(%s(?:\\.|[^'\\])*)'" % begin, message)
        self.assertTrue(told, message)
        command = told[1]
        for word, value in values.items():
            command = re.sub(r" %s\b" % word, " " + value, command)
        done = subprocess.run(["sh", "-c", command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=PATIENCE, check=False,
                              env=dict(os.environ, PATH=os.path.dirname(COMMAND) + ":" + os.environ["PATH"]))
        self.assertEqual(done.returncode, status, (message, command, done.stderr))
        return done.stdout.decode()

    def found(self, code, *options):
        """What the doctor says to do about each finding of that code."""
        done = call("doctor", self.segment, "--json", *options)
        return [f["do"] for f in json.loads(done.stdout)["findings"] if f["code"] == code]

    def test_names_of_segments(self):
        for odd in ODD:
            name = "%s %d" % (odd, os.getpid())
            message = self.fail_with(1, "stat", "/" + name)
            self.addCleanup(lambda name=name: os.path.exists("/dev/shm/" + name) and os.remove("/dev/shm/" + name))
            self.type_it(message, "conveyor create")
            names = [s["name"] for s in json.loads(self.succeed("list", "--json").stdout)["segments"]]
            self.assertIn(name, names)
            self.type_it(self.fail_with(1, "create", "/" + name), "conveyor rm")
            self.assertFalse(os.path.exists("/dev/shm/" + name))

    def test_names_of_sources_and_stages(self):
        self.create("--max-total-records", "100", "--max-sources", "20", stages="")
        for odd in ODD:
            self.push(b"x\n", source=odd[:40], stage=odd[:40])
            for what in ("--source", "--stage"):
                self.succeed("signal", self.segment, what, odd[:40], "pause")
            self.succeed("hold", self.segment, "--stage", odd[:40])
        signals, holds = self.found("signal-by-hand"), self.found("stage-held")
        self.assertEqual((len(signals), len(holds)), (2 * len(ODD), len(ODD)))
        for told in signals:
            self.type_it(told, "conveyor signal")
        for told in holds:
            self.type_it(told, "conveyor release")
        self.assertEqual(self.found("signal-by-hand") + self.found("stage-held"), [])
        self.succeed("hold", self.segment, "--stage", ODD[0][:40])
        self.type_it(self.fail_with(1, "purge", self.segment, "--stage", ODD[0][:40], "--force"), "conveyor release")
        self.assertEqual(self.found("stage-held"), [])

    def test_a_greedy_source(self):
        self.create("--max-total-records", "100", "--max-per-source", "100", "--max-per-stage", "100")
        self.push(b"x\n", source="small")
        self.push(b"x\n" * 85, "--batch", "85", source=ODD[0][:40])
        told = self.found("source-greedy")[0]
        self.type_it(told, "conveyor set", N="50")
        self.assertEqual([s["limit"] for s in self.stat()["sources"]], [100, 50])

    def test_processes(self):
        self.create("--max-total-records", "100", "--max-retries", "0")
        self.push(b"x\n" * 5)
        hung = self.hold(1)
        wait_until(lambda: self.found("consumer-hung", "--hung-after", "0.2"), "it has made no call for so long")
        told = self.found("consumer-hung", "--hung-after", "0.2")[0]
        self.assertIn(str(hung.pid), self.type_it(told, "conveyor leases"))
        hung.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.found("peer-stopped"), "it is stopped")
        self.type_it(self.found("peer-stopped")[0], "kill")
        wait_until(lambda: not self.found("peer-stopped"), "it goes on")
        self.assertIn("handle", self.type_it(self.fail_with(1, "evict", self.segment, "--pid", "1"), "conveyor stat"))
        hung.kill()
        hung.wait()
        self.assertIn("1 thing", self.type_it(self.found("peer-dead")[0], "conveyor doctor"))
        self.make_fail()
        self.assertIn("5 dead letters", self.type_it(self.found("dead-letters")[0], "conveyor dead-letter"))
        self.push(b"x\n")
        other = self.hold(1)
        wait_until(lambda: self.found("consumer-hung", "--hung-after", "0.2"), "it has made no call for so long")
        self.type_it(told.replace(str(hung.pid), str(other.pid)), "conveyor evict")
        self.assertEqual(other.wait(timeout=PATIENCE), -signal.SIGKILL)

    def test_names_that_are_not_there(self):
        self.create("--max-total-records", "100")
        for arguments in (["signal", self.segment, "--source", "'", "pause"],
                          ["purge", self.segment, "--stage", "filter", "--source", "'", "--dry-run"]):
            self.assertIn("STAGE", self.type_it(self.fail_with(1, *arguments), "conveyor stat"))

    def test_a_source_with_positions_that_is_taken(self):
        self.create("--max-total-records", "100")
        first = self.start("push", self.segment, "--stage", "filter", "--source", "s", "--position", "lines",
                           "--progress", stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        self.assertIn(b"pushed 0 records", first.stderr.readline())
        message = self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "s", "--position", "lines")
        self.assertIn(str(first.pid), self.type_it(message, "conveyor stat"))

    def test_what_is_left_of_a_segment(self):
        self.create("--max-total-records", "100")
        pull = self.start("pull", self.segment, "--stage", "filter", "--follow", stdout=subprocess.DEVNULL,
                          stderr=subprocess.PIPE)
        wait_until(lambda: self.stat()["handles"], "the pull is there")
        with tempfile.TemporaryDirectory() as folder:
            message = self.fail_with(1, "record", self.segment, "--all", folder + "/all")
        self.assertIn(str(pull.pid), self.type_it(message, "conveyor stat"))
        self.succeed("rm", self.segment, "--force")
        self.type_it(pull.communicate(timeout=PATIENCE)[1].decode(), "conveyor create")
        os.truncate("/dev/shm/" + self.segment, 8192)
        self.type_it(self.fail_with(1, "stat", self.segment), "conveyor rm")
        self.assertFalse(os.path.exists("/dev/shm/" + self.segment))

    def test_what_is_no_name_is_in_no_command(self):
        for name in (b"a\xff", b"a\nb", b"a\xc2\x9bb", "a/b", "", "-" + "'" * 300):
            for command in ("stat", "create", "rm", "doctor"):
                message = self.fail_with(2, command, "--", name)
                self.assertNotIn("'conveyor", message)
                self.assertNotRegex(message[:-1], "[\x00-\x1f\x7f-\x9f]")

    def test_a_process_cannot_give_orders_to_the_terminal(self):
        self.create("--max-total-records", "100")
        with tempfile.TemporaryDirectory() as folder:
            odd = os.path.join(folder, "\x1b[2J\u009b3mred")
            os.symlink(CLIENT, odd)
            process = subprocess.Popen([odd, self.segment, "hold", "filter", "0"], stdout=subprocess.PIPE)
            self.started.append(process)
            self.assertEqual(process.stdout.readline(), b"0 held\n")
        for command in ("stat", "leases", "doctor", "top"):
            more = ["--count", "1"] if command == "top" else []
            said = call(command, self.segment, *more).stdout.decode()
            self.assertNotRegex(said, "[\x00-\x09\x0b-\x1f\x7f-\x9f]", command)
        self.assertIn("?[2J??3mred", self.succeed("stat", self.segment).stdout.decode())

    def test_a_segment_cannot_give_orders_to_the_terminal(self):
        self.create("--max-total-records", "100", stages="STAGE-XX,SINK-XXX")
        self.push(b"x\n", "--pipeline", "PIPE-XXX", stage="STAGE-XX", source="SOURCEXX")
        with open("/dev/shm/" + self.segment, "r+b") as file:
            whole = file.read()
            for name in (b"STAGE-XX", b"SINK-XXX", b"PIPE-XXX", b"SOURCEXX"):
                self.assertEqual(whole.count(name), 1)
                file.seek(whole.index(name))
                file.write(b"\x1b[2J\xff\n\x00\x07")
        for command in (["stat"], ["stat", "--json"], ["stat", "--prometheus"], ["doctor"], ["events"], ["leases"]):
            shown = call(command[0], self.segment, *command[1:])
            self.assertIn(shown.returncode, (0, 1))
            self.assertNotRegex(shown.stdout + shown.stderr, rb"[\x00-\x09\x0b-\x1f\x7f\xff]")
        self.assertEqual(self.stat()["sources"][0]["name"], "?[2J??")  # it ends at a NUL

    def test_the_longest_name(self):
        self.segment = "'" * 196 + "%04d" % (os.getpid() % 10000)
        self.create("--max-total-records", "100")
        self.push(b"x\n")
        hung = self.hold(1)
        wait_until(lambda: self.found("consumer-hung", "--hung-after", "0.2"), "it has made no call for so long")
        self.type_it(self.found("consumer-hung", "--hung-after", "0.2")[0], "conveyor evict")
        self.assertEqual(hung.wait(timeout=PATIENCE), -signal.SIGKILL)


if __name__ == "__main__":
    main()

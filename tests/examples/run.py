"""Runs the examples against each other and against the command, and checks what comes out."""
import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "cli"))
import conveyor  # noqa: E402

PLACE = os.environ["EXAMPLES"]


def program(name):
    return os.path.join(PLACE, "example-" + name)


class Examples(conveyor.SegmentTest):
    def run_example(self, name, *arguments, **options):
        """Runs an example to its end and returns its output."""
        options.setdefault("stdin", subprocess.DEVNULL) if "input" not in options else None
        done = subprocess.run([program(name), *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=conveyor.PATIENCE, **options)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return done.stdout

    def start_example(self, name, *arguments, **options):
        process = subprocess.Popen([program(name), *arguments], **options)
        self.started.append(process)
        return process

    def check_audit(self):
        found = json.loads(conveyor.call("doctor", self.segment, "--json").stdout)
        self.assertEqual(found["free"] + found["reserved"] + found["queued"] + found["leased"], found["capacity"])
        self.assertEqual(found["reserved"] + found["leased"], 0)
        return found

    def test_producer_and_consumer(self):
        self.run_example("produce", self.segment, "filter", "file-1", "1000")
        out = self.run_example("consume", self.segment, "filter", "1000")
        self.assertEqual(out, b"".join(b"record %d\n" % i for i in range(1, 1001)))
        self.assertEqual(self.check_audit()["queued"], 0)

    def test_producer_waits_for_a_consumer_in_a_small_segment(self):
        self.create("--max-total-records", "20")
        producer = self.start_example("produce", self.segment, "filter", "file-1", "500")
        out = self.run_example("consume", self.segment, "filter", "500")
        self.assertEqual(producer.wait(conveyor.PATIENCE), 0)
        self.assertEqual(out.count(b"\n"), 500)

    def test_worker_forwards_acks_and_returns(self):
        self.create("--max-retries", "2")
        self.push(b"one\n\nbad luck\ntwo\n")
        worker = self.start_example("worker", self.segment, "filter", "sink")
        conveyor.wait_until(lambda: self.stage("dead-letter")["queued"] == 1, "a dead letter")
        conveyor.wait_until(lambda: (self.stage("sink") or {"queued": 0})["queued"] == 2, "two results")
        self.stop(worker)
        self.assertEqual(self.pull(stage="sink"), b"ONE\nTWO\n")
        self.assertEqual(self.pull(stage="dead-letter"), b"bad luck\n")
        filtered = self.stage("filter")
        self.assertEqual([filtered[key] for key in ("queued", "leased", "acked", "delivered")], [0, 0, 1, 6])
        self.assertEqual(self.check_audit()["queued"], 0)

    def test_worker_waits_for_the_next_stage_and_a_killed_one_loses_nothing(self):
        self.create("--max-per-stage", "40")
        lines = [b"line %d" % i for i in range(400)]
        push = self.start("push", self.segment, "--stage", "filter", "--source", "file-1", stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        killed = self.start_example("worker", self.segment, "filter", "sink")
        push.stdin.write(b"".join(line + b"\n" for line in lines))
        push.stdin.close()
        conveyor.wait_until(lambda: (self.stage("sink") or {"queued": 0})["queued"] >= 30, "a full sink")
        killed.kill()
        killed.wait()
        worker = self.start_example("worker", self.segment, "filter", "sink")
        out = self.run_example("consume", self.segment, "sink", "400")
        self.assertEqual(push.wait(conveyor.PATIENCE), 0)
        self.stop(worker)
        self.assertEqual(sorted(out.splitlines()), sorted(line.upper() for line in lines))
        self.assertEqual(self.check_audit()["queued"], 0)

    def test_source_heeds_the_signals(self):
        self.create("--max-total-records", "1000", "--max-per-source", "100")
        text = b"".join(b"%d\n" % i for i in range(300))
        source = self.start_example("source", self.segment, "filter", "kafka-1", stdin=subprocess.PIPE,
                                    stdout=subprocess.PIPE)
        source.stdin.write(text)
        source.stdin.close()
        conveyor.wait_until(lambda: any(s["backpressure"] == "pause" for s in self.stat()["sources"]), "a pause")
        self.assertLessEqual(self.stage("filter")["queued"], 100)
        out = self.run_example("consume", self.segment, "filter", "300")
        self.assertEqual(out, text)
        said = source.stdout.read().decode()
        self.assertEqual(source.wait(conveyor.PATIENCE), 0)
        self.assertRegex(said, r"^300 records, told to slow down [1-9]\d* times and to pause [1-9]\d* times, ")

    def test_event_loop_serves_several_stages(self):
        self.create()
        names = ["one", "two", "three"]
        loop = self.start_example("event_loop", self.segment, *names, stdout=subprocess.PIPE)
        lines = [b"%d" % i for i in range(500)]
        for name in names * 2:  # and again when the loop has been idle
            self.push(b"".join(line + b"\n" for line in lines), stage=name, source=name)
            conveyor.wait_until(lambda: (self.stage(name) or {"acked": 0})["acked"] % 500 == 0 and
                                not self.queued(name), "all of a stage is served")
        self.assert_sleeps(loop.pid)
        self.stop(loop)
        out = loop.stdout.read().splitlines()
        for name in names:
            prefix = name.encode() + b": "
            self.assertEqual([o[len(prefix):] for o in out if o.startswith(prefix)], lines * 2)
        self.assertEqual(len(out), 3000)
        self.assertEqual(self.check_audit()["queued"], 0)

    def test_event_loop_takes_turns(self):
        """A stage that is always full does not keep another waiting."""
        self.create("--max-total-records", "2000", "--max-per-stage", "1000", "--max-per-source", "1000")
        push = self.start("push", self.segment, "--stage", "busy", "--source", "a", stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        feeder = threading.Thread(target=self.feed, args=(push.stdin,))
        feeder.start()
        loop = self.start_example("event_loop", self.segment, "busy", "calm", stdout=subprocess.DEVNULL)
        for i in range(20):
            self.push(b"x\n", stage="calm", source="b")
            conveyor.wait_until(lambda: (self.stage("calm") or {"acked": 0})["acked"] == i + 1, "a calm one is served")
        self.feeding = False
        feeder.join()
        self.assertEqual(push.wait(conveyor.PATIENCE), 0)
        conveyor.wait_until(lambda: not self.queued("busy"), "all is served")
        self.stop(loop)
        self.assertEqual(self.check_audit()["queued"], 0)

    feeding = True

    def feed(self, pipe):
        while self.feeding:
            pipe.write(b"line\n" * 1000)
        pipe.close()

    def test_zero_copy(self):
        self.create("--max-total-records", "30")
        data = os.urandom(3000).hex().encode()  # 6,000 bytes: the last record is shorter
        path = os.path.join(PLACE, "zero-copy-input-%d" % os.getpid())
        with open(path, "wb") as f:
            f.write(data)
        self.addCleanup(os.unlink, path)
        with open(path, "rb") as f:
            source = self.start_example("zero_copy", self.segment, "filter", "file-1", "100", stdin=f)
            out = self.run_example("consume", self.segment, "filter", "60")
            self.assertEqual(source.wait(conveyor.PATIENCE), 0)
        self.assertEqual(out.replace(b"\n", b""), data)
        self.assertEqual(self.check_audit()["queued"], 0)

    @unittest.skipUnless(os.path.exists(program("plus-cpp")), "built without a C++ compiler")
    def test_plus(self):
        self.create()
        words = ["word-%d" % i for i in range(100)]
        out = self.run_example("plus-cpp", self.segment, "filter", *words)
        self.assertEqual(out.decode().split(), words)
        self.assertEqual(self.check_audit()["queued"], 0)

    def check_flaky(self, command):
        """One is killed, one stopped, and a third ends it: each line is served once, no failure is a dead letter, and
        what was served before is not served again."""
        self.create("--max-retries", "200")
        path, lines = self.temporary("served"), [b"line %d" % i for i in range(1, 401)]
        with open(path, "wb") as file:
            file.write(b"file-1\t3\tLINE 3\nfile-1\t4\tLI")
        said = []
        for begin, wanted, kill in ((0, 50, True), (200, 250, False), (400, 400, False)):
            self.push(b"".join(line + b"\n" for line in lines[begin:begin + 200]), "--position", "lines")
            worker = subprocess.Popen([*command, self.segment, "filter", path], stdout=subprocess.PIPE)
            self.started.append(worker)
            conveyor.wait_until(lambda: self.stage("filter")["acked"] >= wanted, "work is done")
            if kill:
                worker.kill()
            else:
                self.stop(worker)
            said.append(worker.communicate()[0].decode())
        self.assertEqual(said.pop(0), "")
        found = [re.fullmatch(r"done (\d+) records, dropped (\d+) that were done before, returned (\d+) that failed, "
                              r"released (\d+) untried\n", text) for text in said]
        self.assertGreater(sum(int(counts[3]) for counts in found), 0)
        with open(path, "rb") as file:
            served = [line.split(b"\t") for line in file.read().splitlines()]
        self.assertEqual([text for _, _, text in sorted(served, key=lambda one: int(one[1]))],
                         [line.upper() for line in lines])
        stage = self.stage("filter")
        self.assertEqual((stage["acked"], stage["queued"]), (400, 0))
        self.assertEqual(self.check_audit()["queued"], 0)

    def test_flaky(self):
        self.check_flaky([program("flaky")])

    @unittest.skipUnless(os.path.exists(program("flaky-cpp")), "built without a C++ compiler")
    def test_flaky_in_cpp(self):
        self.check_flaky([program("flaky-cpp")])

    @staticmethod
    def in_python(name):
        return [os.environ["EXAMPLE_PYTHON"], os.path.join(os.path.dirname(os.path.abspath(__file__)), name + ".py")]

    @unittest.skipUnless("EXAMPLE_PYTHON" in os.environ, "built without the Python module")
    def test_flaky_in_python(self):
        self.check_flaky(self.in_python("flaky"))

    def check_once(self, sink):
        """What is in its file already is left out; a line that a kill cut is written again."""
        self.create()
        path = self.temporary("once")
        with open(path, "wb") as file:
            file.write(b"file-1\t2\ttwo\nfile-2\t1\tone\nfile-1\t3\tthr")
        self.push(b"one\ntwo\nthree\n", "--position", "lines")
        self.push(b"none\nnone\n")
        process = subprocess.Popen([*sink, self.segment, "filter", path], stdout=subprocess.PIPE)
        self.started.append(process)
        conveyor.wait_until(lambda: self.stage("filter")["acked"] == 5, "all is written")
        self.stop(process)
        self.assertEqual(process.stdout.read(), b"wrote 4 records, left out 1 that were there already\n")
        with open(path, "rb") as file:
            self.assertEqual(file.read(), b"file-1\t2\ttwo\nfile-2\t1\tone\nfile-1\t1\tone\nfile-1\t3\tthree\n"
                                          b"file-1\t0\tnone\nfile-1\t0\tnone\n")

    def check_resume(self, connector, sink):
        """Both are killed again and again: each line of the file arrives once."""
        self.create("--max-total-records", "100", "--max-retries", "254", stages="filter")
        source, path = self.temporary("in"), self.temporary("out")
        lines = [b"line %d" % i for i in range(10000)]
        with open(source, "wb") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        commands = ([*connector, self.segment, "filter", "file-1", source], [*sink, self.segment, "filter", path])
        both = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
        self.started += both
        for kill in range(10):
            wanted = self.stage("filter")["acked"] + 50
            conveyor.wait_until(lambda: self.stage("filter")["acked"] >= wanted or both[0].poll() is not None,
                                "records flow, or all are through")
            both[kill % 2].kill()
            both[kill % 2].wait()
            both[kill % 2] = subprocess.Popen(commands[kill % 2], stdout=subprocess.PIPE)
            self.started.append(both[kill % 2])
        said = both[0].communicate(timeout=conveyor.PATIENCE)[0].decode()
        self.assertEqual(both[0].returncode, 0)
        self.assertRegex(said, r"^goes on behind byte [1-9]\d*\nall is settled up to byte %d\n$" %
                         os.path.getsize(source))
        self.stop(both[1])
        with open(path, "rb") as file:
            found = [line.split(b"\t") for line in file.read().splitlines()]
        self.assertEqual([payload for _, _, payload in sorted(found, key=lambda one: int(one[1]))], lines)
        self.assertEqual(self.check_audit()["queued"], 0)

    def temporary(self, name):
        """A path in a folder that is removed after the test."""
        if not hasattr(self, "folder"):
            self.folder = tempfile.TemporaryDirectory()
            self.addCleanup(self.folder.cleanup)
        return os.path.join(self.folder.name, name)

    def test_once(self):
        self.check_once([program("once")])

    def test_resume(self):
        self.check_resume([program("resume")], [program("once")])

    @unittest.skipUnless(os.path.exists(program("once-cpp")), "built without a C++ compiler")
    def test_once_in_cpp(self):
        self.check_once([program("once-cpp")])

    @unittest.skipUnless(os.path.exists(program("resume-cpp")), "built without a C++ compiler")
    def test_resume_in_cpp(self):
        self.check_resume([program("resume-cpp")], [program("once-cpp")])

    @unittest.skipUnless("EXAMPLE_PYTHON" in os.environ, "built without the Python module")
    def test_once_in_python(self):
        self.check_once(self.in_python("once"))

    @unittest.skipUnless("EXAMPLE_PYTHON" in os.environ, "built without the Python module")
    def test_resume_in_python(self):
        self.check_resume(self.in_python("resume"), self.in_python("once"))

    def test_textfile_collector(self):
        self.create()
        self.push(b"a\nb\n")
        with tempfile.TemporaryDirectory() as folder:
            script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "textfile_collector.sh")
            environment = dict(os.environ, PATH=os.path.dirname(conveyor.COMMAND) + ":" + os.environ["PATH"])
            collect = [script, folder, self.segment]
            subprocess.run(collect, env=environment, check=True)
            self.assertEqual(os.listdir(folder), ["conveyor-%s.prom" % self.segment])
            with open(os.path.join(folder, os.listdir(folder)[0]), encoding="utf-8") as f:
                self.assertIn('conveyor_queued_records{segment="%s"} 2\n' % self.segment, f.read())
            self.succeed("rm", self.segment)
            subprocess.run(collect, env=environment, stderr=subprocess.DEVNULL, check=True)
            self.assertEqual(os.listdir(folder), [])

    def test_an_error_is_a_sentence(self):
        for name, arguments in (("consume", ["filter", "1"]), ("worker", ["filter", "sink"]), ("source", ["f", "s"]),
                                ("event_loop", ["f"]), ("flaky", ["filter", "file"])):
            done = subprocess.run([program(name), self.segment, *arguments], stdout=subprocess.DEVNULL,
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=conveyor.PATIENCE)
            self.assertEqual((done.returncode, done.stderr.decode()), (1, name + ": no segment of that name\n"))


if __name__ == "__main__":
    unittest.main()

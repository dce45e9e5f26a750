"""The runbook of lib/docs/production.md: each of its rows is brought about, and mended by typing what it says.

What is typed here must stand on that page: type_it() looks for it there, with SEG, PID and STAGE as the page has them.
The files of lib/packaging that the page speaks of are tried too."""
import glob
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

from conveyor import CLIENT, COMMAND, PATIENCE, SegmentTest, call, main, wait_until

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")


def read(*parts):
    with open(os.path.join(ROOT, *parts), encoding="utf-8") as f:
        return f.read()


BOARD = os.path.join(ROOT, "lib/packaging/grafana/conveyor.json")
PAGE = read("lib/docs/production.md").partition("## Runbook")[2]
RUNBOOK = " ".join(PAGE.split())


class Runbook(SegmentTest):
    def type_it(self, text, status=0, **values):
        """Runs a command that the page shows, with these values in the place of the words in capitals."""
        self.assertIn(text, RUNBOOK)
        words = [str(values.get(word, word)) for word in text.replace("SEG", self.segment).split()]
        self.assertEqual(words[0], "conveyor")
        done = call(*words[1:])
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        return done.stdout.decode()

    def start_it(self, text):
        """As type_it, of a command that goes on."""
        self.assertIn(text, RUNBOOK)
        return self.start(*text.replace("SEG", self.segment).split()[1:], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)

    def fill(self, records, *options, stage="filter", source="file-1"):
        self.push(b"x\n" * records, "--batch", str(records), *options, stage=stage, source=source)

    def test_a_stage_fills_because_nobody_takes(self):
        self.create("--max-total-records", "100")
        self.fill(5)
        self.assertIn("nobody takes them: start a consumer", self.type_it("conveyor doctor SEG"))
        self.assertRegex(self.type_it("conveyor stat SEG"), r"\nfilter +5 +0 ")
        self.pull()
        self.assertNotIn("nobody takes", self.type_it("conveyor doctor SEG"))

    def test_a_stage_fills_because_its_name_is_misspelled(self):
        self.create("--max-total-records", "100", stages="filter")
        self.fill(5, stage="fliter")
        self.assertRegex(self.type_it("conveyor stat SEG"), r"\nfliter +5 +0 ")
        self.type_it("conveyor move SEG --stage A --to B --force", A="fliter", B="filter")
        self.assertEqual(self.pull(), b"x\n" * 5)

    def test_a_source_is_paused_by_dead_letters(self):
        self.create("--max-total-records", "20", "--max-retries", "0", "--max-per-source", "20")
        self.fill(16)
        self.make_fail()
        text = self.type_it("conveyor doctor SEG", status=1)
        self.assertIn("told to pause only because of dead letters", text)
        self.type_it("conveyor dead-letter SEG drop --older-than SECONDS --force", SECONDS=0)
        self.assertEqual(self.stat()["sources"][0]["backpressure"], "none")

    def test_a_source_is_paused_by_its_own_limit(self):
        self.create("--max-total-records", "100", "--max-per-source", "10")
        self.fill(9)
        self.assertIn("source 'file-1' holds 9 of the 10 records", self.type_it("conveyor doctor SEG", status=1))
        self.pull("--count", "5")
        self.assertEqual(self.stat()["sources"][0]["backpressure"], "none")

    def test_a_source_is_paused_by_another_that_has_it_all(self):
        self.create("--max-total-records", "100", "--max-per-source", "100", "--max-per-stage", "100")
        self.fill(1, source="small")
        self.fill(85, source="greedy")
        self.assertIn("source 'greedy' holds 85 of all 86 records", self.type_it("conveyor doctor SEG", status=1))
        self.assertEqual(self.type_it("conveyor set SEG --source NAME --limit N", NAME="greedy", N=50),
                         "limit of source 'greedy': 100 -> 50\n")
        self.pull("--count", "66")
        self.assertEqual([s["backpressure"] for s in self.stat()["sources"]], ["none", "none"])

    def test_limits_of_a_live_segment(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "1000", stages="sink")
        self.assertEqual(self.type_it("conveyor set SEG --stage sink --limit 500"),
                         "limit of stage 'sink': 1000 -> 500\n")
        self.type_it("conveyor set SEG --backpressure-threshold 0.9 --resume-threshold 0.7")
        self.type_it("conveyor set SEG --stage sink --max-retries never")
        self.fill(449, stage="sink")
        self.assertEqual(self.stat()["stages"][1]["backpressure"], "slow_down")
        self.fill(1, stage="sink")
        self.assertEqual(self.stat()["stages"][1]["backpressure"], "pause")
        self.assertEqual(self.stat()["stages"][1]["max_retries"], "never")
        self.assertIn("500 records of stage sink", self.type_it("conveyor stat SEG"))

    def test_the_live_view(self):
        self.create("--max-total-records", "100")
        self.fill(5)
        top = self.start_it("conveyor top SEG")
        self.assertIn(b"buffered 5 (5.0 %)", top.stdout.readline())
        self.stop(top)

    def test_what_dead_processes_left(self):
        self.create("--max-total-records", "100")
        self.fill(5)
        dead = self.hold(5)
        dead.kill()
        dead.wait()
        self.assertIn("process %d is dead and holds 5 records" % dead.pid,
                      self.type_it("conveyor doctor SEG", status=1))
        self.type_it("conveyor doctor SEG --repair")
        self.assertEqual(self.queued(), 5)

    def test_dead_letters(self):
        self.create("--max-total-records", "100", "--max-retries", "0", stages="filter,sink")
        self.fill(4)
        self.make_fail()
        self.assertIn("4 dead letters", self.type_it("conveyor dead-letter SEG list"))
        self.type_it("conveyor dead-letter SEG retry --count N --dry-run", N=1)
        self.type_it("conveyor dead-letter SEG retry")
        self.assertEqual((self.queued(), self.queued("dead-letter")), (4, 0))

    def test_a_hung_worker(self):
        self.create("--max-total-records", "100")
        self.fill(5)
        hung = self.hold(5)
        self.assertIn(str(hung.pid), self.type_it("conveyor stat SEG"))
        text = self.type_it("conveyor evict SEG --hung-after SECONDS --dry-run", SECONDS="0.2")
        self.assertIn("would be ended", text)
        self.assertIsNone(hung.poll())
        self.type_it("conveyor evict SEG --pid PID", PID=hung.pid)
        self.assertEqual(hung.wait(timeout=PATIENCE), -signal.SIGKILL)
        hung = self.hold(5)
        self.type_it("conveyor evict SEG --hung-after SECONDS", SECONDS="0.2")
        self.assertEqual(hung.wait(timeout=PATIENCE), -signal.SIGKILL)
        self.assertEqual(self.pull(), b"x\n" * 5)

    def test_a_stopped_worker_goes_on(self):
        self.create("--max-total-records", "100")
        self.fill(5)
        stopped = self.hold(5)
        stopped.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.stat()["handles"][0]["state"] == "stopped", "it is stopped")
        self.assertIn("process %d is stopped" % stopped.pid, self.type_it("conveyor doctor SEG", status=1))
        self.assertIn("kill -CONT PID", RUNBOOK)
        stopped.send_signal(signal.SIGCONT)
        wait_until(lambda: self.stat()["handles"][0]["state"] == "alive", "it goes on")

    def test_no_seats(self):
        self.create("--max-total-records", "100", "--max-handles", "1")
        self.fill(1)
        greedy = self.hold(1)
        message = self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "a")
        self.assertIn("every handle's seat is taken", message)
        self.assertIn(str(greedy.pid), self.type_it("conveyor stat SEG"))
        self.type_it("conveyor evict SEG --pid PID", PID=greedy.pid)
        self.fill(1)

    def test_names_of_sources_nearly_gone(self):
        self.create("--max-total-records", "100", "--max-sources", "2")
        self.fill(1, source="file-1")
        self.fill(1, source="file-2")
        self.pull()
        self.assertIn("all 2 names of sources", self.type_it("conveyor doctor SEG"))
        self.assertIn("file-3", self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "file-3"))
        self.assertIn("file-1", self.type_it("conveyor names SEG"))
        self.type_it("conveyor names SEG --retire NAME", NAME="file-1")
        self.fill(1, source="file-3")

    def test_the_segment_is_full_of_what_nobody_wants(self):
        self.create("--max-total-records", "20", "--max-per-stage", "20", "--max-per-source", "20",
                    "--backpressure-threshold", "1", "--resume-threshold", "0.9")
        self.fill(20)
        self.assertIn("the segment is full", self.type_it("conveyor doctor SEG", status=1))
        self.assertIn("CRITICAL", self.type_it("conveyor check SEG", status=2))
        self.assertIn("20 records would be dropped", self.type_it("conveyor purge SEG --stage STAGE --dry-run",
                                                                  STAGE="filter"))
        self.type_it("conveyor purge SEG --stage STAGE --source SOURCE --force", STAGE="filter", SOURCE="file-1")
        self.assertIn("OK", self.type_it("conveyor check SEG"))

    def test_a_source_is_told_to_pause_and_a_stage_is_held(self):
        self.create("--max-total-records", "100")
        self.fill(5)
        names = {"SOURCE": "file-1", "STAGE": "filter", "REASON": "locked"}
        self.type_it("conveyor signal SEG --source SOURCE pause --reason REASON", **names)
        self.type_it("conveyor hold SEG --stage STAGE --reason REASON", **names)
        found = self.type_it("conveyor doctor SEG")
        self.assertRegex(found, r"source file-1 has a signal by hand: pause, .*locked")
        self.assertRegex(found, r"stage 'filter' is held, and has 5 records waiting: .*locked")
        self.assertEqual((self.pull(), self.stat()["sources"][0]["backpressure"]), (b"", "pause"))
        self.type_it("conveyor signal SEG --source SOURCE none", **names)
        self.type_it("conveyor release SEG --stage STAGE", **names)
        self.assertEqual((self.pull(), self.stat()["sources"][0]["backpressure"]), (b"x\n" * 5, "none"))
        self.assertNotIn("by hand", self.type_it("conveyor doctor SEG"))

    def test_what_happened_is_told_afterwards(self):
        self.create("--max-total-records", "100", "--max-per-source", "10")
        self.push(b"x\n")
        killed = self.hold(1)
        killed.kill()
        killed.wait()
        self.fill(9)  # whoever attaches finds the dead
        self.pull()
        kinds = re.findall(r"  ([a-z-]+)  ", self.type_it("conveyor events SEG"))
        self.assertEqual([k for k in kinds if k not in ("attach", "leave")], ["death", "recovery", "pause", "resume"])
        follow = self.start_it("conveyor events SEG --follow")
        lines = iter(follow.stdout.readline, b"")
        self.succeed("hold", self.segment, "--stage", "filter")
        self.assertTrue(any(b"  hold  " in line for line in lines))
        self.stop(follow)

    def test_each_command_of_the_runbook_is_typed_here(self):
        table = "".join(line for line in read("README.md").splitlines(True) if line.startswith("| "))
        shown = re.findall(r"`(conveyor \S+ SEG[^`]*)`", RUNBOOK + table)
        shown += re.findall(r"^ {4}(conveyor \S+ SEG.*?) *(?:#.*)?$", PAGE, re.M)
        self.assertGreater(len(shown), 30)
        with open(__file__, encoding="utf-8") as f:
            typed = f.read()
        self.assertEqual([command for command in shown if '"%s"' % command not in typed], [])


class Files(SegmentTest):
    def test_the_unit_makes_the_segment_once_and_again(self):
        unit = read("lib/packaging/systemd/conveyor@.service")
        start = re.search(r"^ExecStart=(.*)$", unit, re.M)[1]
        with tempfile.TemporaryDirectory() as etc:
            self.create("--max-total-records", "500", stages="filter,sink")
            with open("%s/%s.json" % (etc, self.segment), "w", encoding="utf-8") as f:
                json.dump(self.stat(), f)
            self.succeed("rm", self.segment)
            line = start.replace("/usr/bin/conveyor", COMMAND).replace("/etc/conveyor", etc).replace("%i", self.segment)
            for word in (b"created segment", b"is there already"):
                self.assertIn(word, subprocess.run(line.split(), stdout=subprocess.PIPE, check=True).stdout)
        self.assertEqual([s["name"] for s in self.stat()["stages"]], ["dead-letter", "filter", "sink"])

    def test_the_metrics_are_written_whole(self):
        unit = read("lib/packaging/systemd/conveyor-textfile.service")
        script = re.search(r"^ExecStart=/bin/sh -c '(.*)'$", unit, re.M)[1]
        self.create("--max-total-records", "100")
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run(["sh", "-c", script.replace("/run/conveyor", folder)], check=True,
                           env=dict(os.environ, PATH=os.path.dirname(COMMAND) + ":" + os.environ["PATH"]))
            self.assertEqual(os.listdir(folder), ["metrics.prom"])
            with open(folder + "/metrics.prom", encoding="utf-8") as f:
                self.assertIn('segment="%s"' % self.segment, f.read())

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd-analyze")
    def test_the_units_are_as_systemd_wants_them(self):
        for path in glob.glob(os.path.join(ROOT, "lib/packaging/systemd/*.[st]*e*")):
            if path.endswith((".service", ".timer")):
                done = subprocess.run(["systemd-analyze", "verify", "--man=no", path], stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT, check=False)
                wrong = [line for line in done.stdout.decode().splitlines()
                         if os.path.basename(path).split("@")[0] in line and "is not executable" not in line]
                self.assertEqual(wrong, [])

    @unittest.skipUnless(shutil.which("systemd-tmpfiles"), "no systemd-tmpfiles")
    def test_the_folder_for_metrics_is_made(self):
        user = pwd.getpwuid(os.geteuid()).pw_name
        text = read("lib/packaging/systemd/conveyor.tmpfiles.conf").replace("conveyor conveyor -", "%s - -" % user)
        with tempfile.TemporaryDirectory() as root:
            with open(root + "/conveyor.conf", "w", encoding="utf-8") as f:
                f.write(text.replace("/run/", root + "/run/"))
            subprocess.run(["systemd-tmpfiles", "--create", root + "/conveyor.conf"], check=True)
            self.assertTrue(os.path.isdir(root + "/run/conveyor"))

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_each_alert_fires_for_what_it_is_meant_for(self):
        done = subprocess.run(["promtool", "test", "rules", "conveyor.rules.test.yml"],
                              cwd=os.path.join(ROOT, "lib/packaging/prometheus"), stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        self.assertEqual(done.returncode, 0, done.stdout)

    def test_metrics_tell_progress_memory_and_names(self):
        self.create("--max-total-records", "100", "--max-sources", "9", "--retry-delay", "3600000")
        self.push(b"x\n" * 3, "--position", "lines")
        subprocess.run([CLIENT, self.segment, "return", "filter", "1"], check=True, timeout=PATIENCE)
        self.succeed("hold", self.segment, "--stage", "filter")
        text = self.succeed("stat", self.segment, "--prometheus").stdout.decode()
        for name, labels, value in (("source_accepted_position", ',source="file-1"', "3"),
                                    ("source_settled_position", ',source="file-1"', "0"),
                                    ("source_unsettled_records", ',source="file-1"', "3"),
                                    ("stage_queued_records", ',stage="filter"', "3"),
                                    ("stage_delayed_records", ',stage="filter"', "1"),
                                    ("stage_held", ',stage="filter"', "1"),
                                    ("stage_held", ',stage="dead-letter"', "0"),
                                    ("names", ',kind="source"', "1"), ("limit_names", ',kind="source"', "9"),
                                    ("memory_bytes", "", r"\d{5,}"), ("build_info", r',version="[\d.]+"', "1")):
            self.assertRegex(text, r'(?m)^conveyor_%s\{segment="%s"%s\} %s$' % (name, self.segment, labels, value))

    def metrics_of_two_minutes(self, now):
        """What the segment says, as if it had been read every 15 seconds until then, in OpenMetrics' format."""
        lines = [line for line in self.succeed("stat", self.segment, "--prometheus").stdout.decode().splitlines()
                 if not line.startswith("#")]
        return "".join("%s %d\n" % (line, now - back) for line in lines for back in range(120, -1, -15)) + "# EOF\n"

    @unittest.skipUnless(shutil.which("promtool") and shutil.which("prometheus"), "no Prometheus")
    def test_each_query_of_the_board_gives_data(self):
        """Grafana itself is not started: its panels' queries are asked of a Prometheus that has the metrics."""
        self.create("--max-total-records", "100", "--max-retries", "0")
        self.push(b"x\n" * 3)
        self.make_fail(count=1)
        self.push(b"x\n")
        now = int(time.time())
        with tempfile.TemporaryDirectory() as folder:
            with open(folder + "/metrics", "w", encoding="utf-8") as f:
                f.write(self.metrics_of_two_minutes(now))
            subprocess.run(["promtool", "tsdb", "create-blocks-from", "openmetrics", folder + "/metrics",
                            folder + "/data"], check=True, stdout=subprocess.DEVNULL)
            server, address = self.start_prometheus(folder)
            with open(BOARD, encoding="utf-8") as f:
                board = json.load(f)
            queries = [t["expr"] for p in board["panels"] for t in p["targets"]]
            self.assertGreater(len(queries), 20)
            for query in queries:
                plain = query.replace("$segment", self.segment).replace("$__rate_interval", "1m")
                self.assertTrue(self.ask(address, plain, now), query)
            self.assertFalse(self.ask(address, "conveyor_no_such_metric", now))
            server.kill()
            server.wait()

    def start_prometheus(self, folder):
        """One that answers, and its address; another port is taken if somebody else has got it meanwhile."""
        with open(folder + "/none.yml", "w", encoding="utf-8") as f:
            f.write("{}\n")
        for _ in range(5):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                address = "127.0.0.1:%d" % free.getsockname()[1]
            server = subprocess.Popen(["prometheus", "--config.file=" + folder + "/none.yml",
                                       "--storage.tsdb.path=" + folder + "/data", "--web.listen-address=" + address],
                                      stderr=subprocess.DEVNULL)
            self.started.append(server)
            wait_until(lambda: self.ask(address, "vector(1)", 1) or server.poll() is not None, "Prometheus answers")
            if server.poll() is None:
                return server, address
        raise AssertionError("Prometheus ends, again and again")

    @staticmethod
    def ask(address, query, when):
        """The samples that the query has at that time; None as long as nobody answers."""
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        path = "http://%s/api/v1/query?%s" % (address, urllib.parse.urlencode({"query": query, "time": when}))
        try:
            with direct.open(path, timeout=PATIENCE) as answer:
                return json.load(answer)["data"]["result"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it starts
                return None
            raise AssertionError((query, error.read())) from error
        except OSError:
            return None

    def test_the_alerts_and_the_board_use_metrics_that_are_there(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n")
        there = set(re.findall(r"^# TYPE (\S+)", self.succeed("stat", self.segment, "--prometheus").stdout.decode(),
                               re.M))
        for path in glob.glob(os.path.join(ROOT, "lib/packaging/prometheus/*")) + [BOARD]:
            with open(path, encoding="utf-8") as f:
                used = set(re.findall(r"\bconveyor_[a-z_]+", f.read()))
            self.assertTrue(used)
            self.assertLessEqual(used, there, path)


if __name__ == "__main__":
    main()

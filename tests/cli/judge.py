"""check, and the doctor's findings: each is brought about, and goes away by what its advice says."""
import json
import os
import re
import signal
import subprocess
import time

from conveyor import CLIENT, PATIENCE, SegmentTest, call, main, wait_until


class Judge(SegmentTest):
    def check(self, status, *limits):
        """The line that check prints, which ends with that status."""
        done = call("check", self.segment, *limits)
        self.assertEqual((done.returncode, done.stdout.count(b"\n")), (status, 1), (done.stdout, done.stderr))
        self.assertEqual(json.loads(call("check", self.segment, *limits, "--json").stdout)["state"],
                         ("OK", "WARNING", "CRITICAL")[status])
        return done.stdout.decode()

    def test_check_judges_the_fill_of_the_fullest_limit(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "100", "--max-per-source", "50")
        line = self.check(0)
        self.assertEqual(line, "CONVEYOR OK - %s: all records 0 %% full, 0 dead letters | fill=0%%;80;95;0 "
                         "dead=0;0;100;0\n" % self.segment)
        self.push(b"x\n" * 30, "--batch", "30")
        self.assertIn("source 'file-1' 60 % full, 0 dead letters | fill=60%;80;95;0", self.check(0))
        self.assertIn("CONVEYOR WARNING", self.check(1, "--max-fill", "50,90"))
        self.assertIn("CONVEYOR CRITICAL", self.check(2, "--max-fill", "50"))
        self.assertIn("CONVEYOR OK", self.check(0, "--max-fill", "60"))
        self.push(b"x\n" * 35, "--batch", "35", source="file-2")
        self.assertIn("source 'file-2' 70 % full", self.check(0, "--max-fill", "90"))
        self.push(b"x\n" * 15, "--batch", "15", source="file-3")
        self.assertIn("stage 'filter' 80 % full", self.check(1, "--max-fill", "70,90"))

    def test_check_judges_age_and_dead_letters(self):
        self.create("--max-total-records", "1000", "--max-retries", "0", stages="filter,sink")
        self.assertIn("no record waits | age=0s;1;1;0", self.check(0, "--max-age", "1"))
        self.push(b"x\n", stage="sink")
        time.sleep(0.01)
        line = self.check(2, "--max-age", "0.005", "--max-dead", "0")
        self.assertRegex(line, r"CRITICAL - \S+: the oldest record waits for \d+\.\d s in stage 'sink' \| age=")
        self.assertIn("OK", self.check(0, "--max-age", "3600"))
        self.push(b"x\ny\n")
        self.make_fail()
        self.assertIn("CRITICAL", self.check(2, "--max-dead", "1"))
        self.assertIn("WARNING - %s: 2 dead letters" % self.segment, self.check(1, "--max-dead", "1,2"))
        self.assertIn("OK", self.check(0, "--max-dead", "2"))

    def test_check_judges_the_oldest_lease(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n" * 3)
        self.assertIn("no record is leased | lease=0s;1;1;0", self.check(0, "--max-lease", "1"))
        self.hold(2)
        wait_until(lambda: call("check", self.segment, "--max-lease", "0.05,3600").returncode == 1, "it is a warning")
        self.assertRegex(self.check(2, "--max-lease", "0.05"), r"CRITICAL - \S+: the oldest lease lasts for \d+\.\d s")

    def test_what_cannot_be_told_is_unknown(self):
        done = call("check", self.segment)
        self.assertEqual((done.returncode, done.stdout.decode()),
                         (3, "CONVEYOR UNKNOWN - %s: no segment of that name\n" % self.segment))
        self.create("--max-total-records", "100")
        for limits in (["--max-fill", "x"], ["--max-fill", ""], ["--max-fill", "9,8"], ["--max-age", "1,"],
                       ["--max-dead", "-1"], ["--max-dead", "1,2,3"], ["--unknown"]):
            self.fail_with(3, "check", self.segment, *limits)
        with open("/dev/full", "wb") as full:
            self.assertEqual(call("check", self.segment, stdout=full).returncode, 3)

    def findings(self, *options):
        """Code: (severity, subject, action) of each; and the status of the doctor, also with --strict."""
        done = call("doctor", self.segment, "--json", *options)
        answer = json.loads(done.stdout)
        severities = {f["severity"] for f in answer["findings"]}
        self.assertEqual(done.returncode, 1 if "problem" in severities else 0)
        strict = call("doctor", self.segment, "--strict", *options)
        self.assertEqual(strict.returncode, 1 if severities & {"problem", "warning"} else 0)
        return {f["code"]: (f["severity"], f["subject"], f["do"]) for f in answer["findings"]}

    def fill_to_a_pause(self, stage="filter", source="file-1"):
        """A push that is told to pause, and is ended."""
        push = self.start("push", self.segment, "--stage", stage, "--source", source, "--batch", "1",
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        push.stdin.write(b"x\n" * 400)
        push.stdin.close()
        wait_until(lambda: self.stage(stage)["backpressure"] == "pause", "a pause")
        push.kill()
        push.wait()

    def test_records_and_credits_that_do_not_add_up(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n" * 5)
        self.assertNotIn("audit", self.findings())
        with open("/dev/shm/" + self.segment, "r+b", buffering=0) as f:
            f.seek(4096)  # shm/LAYOUT.md: what was taken of the total, behind the header
            taken = int.from_bytes(f.read(8), "little")
            f.seek(4096)
            f.write((taken + 3).to_bytes(8, "little"))
        severity, subject, action = self.findings()["audit"]
        self.assertEqual((severity, subject), ("problem", "segment"))
        self.assertIn("conveyor doctor %s --repair" % self.segment, action)
        done = call("doctor", self.segment, "--repair")
        self.assertIn(b"does not add up (counter 0 says 8 in use, the units say 5)", done.stdout)
        self.assertEqual(self.pull(), b"x\n" * 5)  # so it stays: empty it, and make it anew
        self.succeed("rm", self.segment)
        self.create("--max-total-records", "100")
        self.assertNotIn("audit", self.findings())

    def test_others_that_are_at_work_all_the_time(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n" * 5)
        client = subprocess.Popen([CLIENT, self.segment, "turns", "filter", "1"], stdin=subprocess.PIPE,
                                  stdout=subprocess.PIPE)
        self.started.append(client)
        ends = client.stdin.fileno(), client.stdout.fileno()
        done = subprocess.run([os.environ["CLI_BETWEEN"], "doctor", self.segment, "--json"], stdout=subprocess.PIPE,
                              env=dict(os.environ, ASK=str(ends[0]), ANSWER=str(ends[1])), pass_fds=ends,
                              timeout=PATIENCE)
        answer = json.loads(done.stdout)
        note = next(f for f in answer["findings"] if f["code"] == "not-exact")
        self.assertEqual((done.returncode, answer["exact"], answer["ok"]), (0, False, True))
        self.assertEqual((note["severity"], note["subject"], note["do"]), ("note", "segment", ""))
        self.assertEqual(answer["free"] + answer["reserved"] + answer["queued"] + answer["leased"], 100)
        self.assertNotIn("not-exact", self.findings())

    def test_a_stage_that_nobody_takes_from(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "20")
        self.push(b"x\n")
        self.assertEqual(self.findings()["stage-without-consumer"], ("warning", "stage filter", "start a consumer"))
        self.fill_to_a_pause()
        found = self.findings()
        self.assertEqual(found["stage-stands-still"], ("problem", "stage filter", "start a consumer"))
        self.assertNotIn("stage-without-consumer", found)
        self.pull()
        self.assertFalse({c for c, f in self.findings().items() if f[0] != "note"})

    def test_leases_that_do_not_move_while_sources_pause(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "20")
        self.fill_to_a_pause()
        hung = self.hold(15)  # the one that was killed may have had a credit for the last one, and not put it
        severity, subject, action = self.findings()["stage-stuck"]
        self.assertEqual((severity, subject), ("warning", "stage filter"))
        self.assertIn("conveyor evict %s --hung-after" % self.segment, action)
        self.succeed("evict", self.segment, "--hung-after", "0.2")
        self.assertEqual(hung.wait(timeout=PATIENCE), -signal.SIGKILL)
        self.assertNotIn("stage-stuck", self.findings())

    def test_a_consumer_that_makes_no_call(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n" * 5)
        hung = self.hold(3)
        self.assertNotIn("consumer-hung", self.findings())
        wait_until(lambda: "consumer-hung" in self.findings("--hung-after", "0.3"), "it has made no call for so long")
        severity, subject, action = self.findings("--hung-after", "0.3")["consumer-hung"]
        self.assertEqual((severity, subject), ("warning", "process %d" % hung.pid))
        text = self.succeed("doctor", self.segment, "--hung-after", "0.3").stdout.decode()
        self.assertRegex(text, r"process %d \(cli-client\) holds 3 records and has made no call for \d" % hung.pid)
        done = call(*re.search(r"'conveyor (evict [^']*)'", action)[1].split())
        self.assertRegex(done.stdout.decode(), r"whose last call was \d+\.\d s ago, was ended: 3 records")
        self.assertEqual(hung.wait(timeout=PATIENCE), -signal.SIGKILL)
        self.assertNotIn("consumer-hung", self.findings("--hung-after", "0.01"))

    def test_a_source_that_is_not_settled(self):
        self.create("--max-total-records", "100", "--max-retries", "0", stages="filter,sink")
        self.push(b"x\n" * 5, "--position", "lines")
        self.push(b"x\n", stage="sink", source="without positions")
        self.assertNotIn("source-unsettled", self.findings())
        severity, subject, _ = self.findings("--unsettled-after", "0.01")["source-unsettled"]
        self.assertEqual((severity, subject), ("warning", "source file-1"))
        text = self.succeed("doctor", self.segment, "--unsettled-after", "0.01").stdout.decode()
        self.assertRegex(text, r"has 5 records with positions .*, the oldest for \d+\.\d s, in stage 'filter'( or|:) ")
        source = self.stat()["sources"][0]
        self.assertEqual(source["unsettled"], 5)
        self.assertGreaterEqual(source["unsettled_age_ms"], source["oldest_age_ms"])
        self.assertGreater(source["oldest_age_ms"], 9)
        self.make_fail(count=1)
        self.assertIn("dead letters", self.findings("--unsettled-after", "0.01")["source-unsettled"][2])
        text = call("doctor", self.segment, "--unsettled-after", "0.01").stdout.decode()
        self.assertRegex(text, r"has 5 records with positions .*, the oldest for \d+\.\d s, in the dead letters: ")
        self.succeed("dead-letter", self.segment, "drop", "--force")
        self.assertNotIn("source-unsettled", self.findings("--unsettled-after", "0.01"))

    def test_a_source_a_stage_and_a_segment_that_are_full(self):
        self.create("--max-total-records", "60", "--max-per-stage", "40", "--max-per-source", "30",
                    "--backpressure-threshold", "1", "--resume-threshold", "0.99", stages="filter,sink")
        self.push(b"x\n" * 30, "--batch", "30")
        self.assertEqual(self.findings()["source-full"][:2], ("note", "source file-1"))
        self.push(b"x\n" * 10, "--batch", "10", source="file-2")
        self.assertEqual(self.findings()["stage-full"][:2], ("note", "stage filter"))
        self.push(b"x\n" * 20, "--batch", "20", source="file-2", stage="sink")
        self.assertEqual(self.findings()["segment-full"][:2], ("note", "segment"))
        self.succeed("purge", self.segment, "--stage", "filter", "--force")
        self.assertFalse({"segment-full", "stage-full"} & set(self.findings()))

    def test_sources_that_dead_letters_hold(self):
        self.create("--max-total-records", "20", "--max-retries", "0", "--max-per-source", "20")
        self.push(b"x\n" * 16, "--batch", "16")
        self.make_fail()
        severity, subject, action = self.findings()["sources-held-by-dead-letters"]
        self.assertEqual((severity, subject), ("problem", "segment"))
        self.assertIn("conveyor dead-letter %s list" % self.segment, action)
        self.succeed("dead-letter", self.segment, "drop", "--count", "10", "--force")
        found = self.findings()
        self.assertNotIn("sources-held-by-dead-letters", found)
        self.assertEqual(found["dead-letters"][:2], ("problem", "stage dead-letter"))

    def test_a_dead_and_a_stopped_process(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n" * 5)
        held = self.hold(5)
        held.send_signal(signal.SIGSTOP)
        wait_until(lambda: self.stat()["handles"][0]["state"] == "stopped", "it is stopped")
        severity, subject, action = self.findings()["peer-stopped"]
        self.assertEqual((severity, subject), ("problem", "process %d" % held.pid))
        self.assertIn("kill -CONT %d" % held.pid, action)
        held.send_signal(signal.SIGCONT)
        wait_until(lambda: "peer-stopped" not in self.findings(), "it is not stopped any more")

    def test_a_process_that_died(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n" * 5)
        held = self.hold(5)
        held.kill()
        held.wait()
        severity, subject, action = self.findings()["peer-dead"]
        self.assertEqual((severity, subject), ("problem", "process %d" % held.pid))
        self.assertIn("conveyor doctor %s --repair" % self.segment, action)
        done = call("doctor", self.segment, "--repair", "--json")
        self.assertIn("peer-recovered", {f["code"] for f in json.loads(done.stdout)["findings"]})
        self.assertNotIn("peer-dead", self.findings())

    def test_a_source_that_is_told_to_pause(self):
        self.create("--max-total-records", "100", "--max-per-source", "10")
        self.push(b"x\n" * 9, "--batch", "9")
        self.assertEqual(self.findings()["source-paused"][:2], ("note", "source file-1"))
        self.pull("--count", "5")
        self.assertNotIn("source-paused", self.findings())

    def test_a_source_that_holds_more_than_half(self):
        self.create("--max-total-records", "100", "--max-per-source", "100", "--max-per-stage", "100")
        self.push(b"x\n", source="small")
        self.fill_to_a_pause(source="greedy")
        severity, subject, action = self.findings()["source-greedy"]
        self.assertEqual((severity, subject), ("note", "source greedy"))
        self.assertIn("conveyor set %s --source greedy --limit N" % self.segment, action)
        self.pull("--count", "60")
        self.assertNotIn("source-greedy", self.findings())

    def test_a_removed_segment_that_is_still_used(self):
        self.removed_while_held("hold")

    def test_a_removed_segment_whose_user_has_lost_its_main_thread(self):
        self.removed_while_held("outlive")

    def removed_while_held(self, role):
        self.create("--max-total-records", "100")
        self.push(b"x\n")
        held = self.hold(1, role=role)
        self.succeed("rm", self.segment, "--force")
        self.create("--max-total-records", "100")
        self.assertEqual(self.findings()["removed-segment"][:2], ("note", "segment"))
        held.kill()
        held.wait()
        self.assertNotIn("removed-segment", self.findings())

    def test_a_limit_that_is_never_reached(self):
        self.create("--max-total-records", "100", "--max-per-stage", "200", "--max-per-source", "100")
        self.assertEqual(self.findings()["limit-unreachable"][:2], ("note", "segment"))

    def test_handles_that_are_used_up(self):
        self.create("--max-total-records", "100", "--max-handles", "1")
        self.hold(0)
        self.assertEqual(self.findings()["used-up"][:2], ("warning", "handles"))

    def test_names_that_are_used_up(self):
        self.create("--max-total-records", "100", "--max-stages", "2", "--max-sources", "1")
        self.push(b"x\n")
        self.assertEqual(self.findings()["used-up"][0], "warning")

    def test_all_codes_are_in_the_manual_and_brought_about_by_a_test(self):
        here = os.path.dirname(os.path.abspath(__file__))
        with open(os.path.join(here, "../../lib/packaging/man/conveyor.1.scd"), encoding="utf-8") as f:
            listed = re.search(r"The codes: (.*?)\.", f.read(), re.S)[1]
        codes = {"stage-stands-still", "stage-without-consumer"}
        for name in ("findings.c", "bridge_findings.c", "unsettled_findings.c"):
            with open(os.path.join(here, "../../lib/cli", name), encoding="utf-8") as f:
                codes |= set(re.findall(r'\(f, (?:b, )?"([a-z-]+)"', f.read()))
        self.assertEqual(set(re.split(r",\s+", listed)), codes)
        for name in ("judge.py", "hand.py", "../bridge/nats.py"):
            with open(os.path.join(here, name), encoding="utf-8") as f:
                codes -= set(re.findall(r'"([a-z-]+)"(?:\]|: |,| in |\))', f.read().partition("def test_all_codes")[0]))
        self.assertEqual(codes, set())


if __name__ == "__main__":
    main()

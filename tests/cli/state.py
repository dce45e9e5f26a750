"""create, rm, list, stat and doctor: what they show is what is there."""
import json
import os
import re
import shutil
import signal
import stat as status_bits
import subprocess
import unittest

from conveyor import COMMAND, SegmentTest, call, main, wait_until

STAGE_KEYS = {"name", "queued", "leased", "utilization", "accepted", "delivered", "acked", "returned", "redelivered",
              "dead_lettered", "backpressure"}
SOURCE_KEYS = {"name", "buffered", "credits", "backpressure", "delay_ms", "stalled_ns"}


class State(SegmentTest):
    def start_puller(self):
        """A pull that holds leases: its standard output is a pipe that nobody reads."""
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        process = self.start("pull", self.segment, "--stage", "filter", stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        wait_until(lambda: self.stage("filter")["leased"], "a blocked pull holds leases")
        return process

    def fill(self):
        """2,000 records of 999 bytes: far more than a pipe takes."""
        self.create("--max-total-records", "4000")
        self.push(b"".join(b"%0999d\n" % i for i in range(2000)))

    def test_create_makes_what_it_is_told(self):
        self.create("--max-total-records", "500", "--max-per-stage", "400", "--max-per-source", "300",
                    "--backpressure-threshold", "0.9", "--resume-threshold", "0.25", "--payload-size", "4000",
                    "--classes", "100:450,4000:50", "--max-retries", "7", "--mode", "0640")
        mode = os.stat("/dev/shm/" + self.segment).st_mode
        self.assertEqual(status_bits.S_IMODE(mode), 0o640)
        self.assertEqual(self.stat()["capacity"],
                         {"max_total_records": 500, "max_per_stage": 400, "max_per_source": 300})
        text = self.succeed("stat", self.segment).stdout.decode()
        for word in ("500 records", "400 per stage", "300 per source", "90 %", "25 %", "7 retries", "3.9 KiB"):
            self.assertIn(word, text)

    def test_rm_removes_and_the_name_is_free_again(self):
        self.create("--max-total-records", "100")
        self.succeed("rm", self.segment)
        self.assertFalse(os.path.exists("/dev/shm/" + self.segment))
        self.create("--max-total-records", "200")
        self.assertEqual(self.stat()["capacity"]["max_total_records"], 200)

    def test_list_shows_the_segment(self):
        self.create("--max-total-records", "321")
        self.assertRegex(self.succeed("list").stdout.decode(), re.escape(self.segment) + r".*\b321\b")
        answer = json.loads(self.succeed("list", "--json").stdout)
        mine = [s for s in answer["segments"] if s["name"] == self.segment]
        self.assertEqual((answer["version"], len(mine), mine[0]["max_total_records"]), (1, 1, 321))
        self.assertEqual(mine[0]["bytes"], os.stat("/dev/shm/" + self.segment).st_size)
        self.succeed("rm", self.segment)
        self.assertNotIn(self.segment.encode(), self.succeed("list").stdout)

    def test_list_is_by_name_and_a_long_name_moves_no_column(self):
        others = [self.segment + end for end in ("-b\u00fc", "-a" + "x" * 60)]
        for name in others:
            self.addCleanup(call, "rm", name)
            self.succeed("create", name, "--max-total-records", "100")
        self.create("--max-total-records", "100")
        lines = self.succeed("list").stdout.decode().splitlines()
        mine = [line for line in lines if line.startswith(self.segment)]
        self.assertEqual([line.split()[0] for line in mine], [self.segment, others[1], others[0]])
        self.assertEqual({line.index(" none") for line in mine}, {lines[0].index(" signal")})
        names = [s["name"] for s in json.loads(self.succeed("list", "--json").stdout)["segments"]]
        self.assertEqual([n for n in names if n.startswith(self.segment)], [self.segment, others[1], others[0]])

    def test_list_shows_what_is_in_it(self):
        self.create("--max-total-records", "100", "--max-per-stage", "10")
        self.push(b"x\n" * 9, "--batch", "9")
        held = self.hold(3)
        mine = [s for s in json.loads(self.succeed("list", "--json").stdout)["segments"] if s["name"] == self.segment]
        self.assertLessEqual({"buffered": 9, "utilization": 0.09, "handles": 1, "backpressure": "pause"}.items(),
                             mine[0].items())
        self.assertRegex(self.succeed("list").stdout.decode(), re.escape(self.segment) + r".* 9 +9\.0 % +1  pause\n")
        held.kill()

    def test_stat_of_all_segments(self):
        for name in (self.segment, self.segment + "-2"):
            self.succeed("create", name, "--max-total-records", "100", "--stages", "filter")
        self.addCleanup(os.remove, "/dev/shm/" + self.segment + "-2")
        self.push(b"x\n" * 3)
        held = {s["segment"]: s["total"]["queued"] for s in json.loads(self.succeed("stat", "--all", "--json").stdout)
                ["segments"]}
        self.assertEqual((held[self.segment], held[self.segment + "-2"]), (3, 0))
        text = self.succeed("stat", "--all").stdout.decode()
        self.assertIn("segment %s-2\n" % self.segment, text)
        lines = self.succeed("stat", "--all", "--prometheus").stdout.decode().splitlines()
        helped = [line for line in lines if line.startswith("# HELP")]
        self.assertEqual(len(helped), len(set(helped)), "each family stands once")
        for name, queued in ((self.segment, 3), (self.segment + "-2", 0)):
            self.assertIn('conveyor_stage_queued_records{segment="%s",stage="filter"} %d' % (name, queued), lines)
        at = lines.index("# TYPE conveyor_queued_records gauge")
        following = [line.split("{")[0] for line in lines[at + 1:at + 3]]
        self.assertEqual(following, ["conveyor_queued_records"] * 2, "samples stand behind their family")
        self.fail_with(2, "stat", "--all", self.segment)

    def test_stat_shows_rates(self):
        self.create("--max-total-records", "100000")
        text = self.succeed("stat", self.segment, "--interval", "0.05").stdout.decode()
        self.assertRegex(text, r"RATES OF STAGES +in/s +out/s +retry/s +stalled\ndead-letter +0\.0 +0\.0 ")
        flow = b"conveyor-flow 1\tfilter\n" + b"0\t1\tfile-1\tp\nx\n" * 100000
        replay = self.start("replay", self.segment, "--rate", "500", "-", stdin=subprocess.PIPE,
                            stderr=subprocess.DEVNULL)
        replay.stdin.write(flow[:60000])  # thousands of records; the rest of the flow never comes
        replay.stdin.flush()

        def rates():
            answer = json.loads(self.succeed("stat", self.segment, "--interval", "0.1", "--json").stdout)
            stage = next(s for s in answer["stages"] if s["name"] == "filter")["rates"]
            self.assertEqual((stage["out"], stage["retry"], set(stage)), (0, 0, {"in", "out", "retry", "stalled"}))
            return answer["seconds"] >= 0.1 and stage["in"] > 0 and answer["sources"][0]["rates"]["in"] > 0
        wait_until(rates, "the records that come have a rate")
        self.fail_with(2, "stat", self.segment, "--interval", "1", "--prometheus")

    def test_stat_json_has_the_agreed_keys_and_right_numbers(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "500", "--max-per-source", "400")
        self.push(b"".join(b"%d\n" % i for i in range(100)), source="kafka-1")
        self.pull("--count", "30")
        answer = self.stat()
        self.assertLessEqual({"version", "segment", "capacity", "total", "stages", "sources", "handles"}, set(answer))
        self.assertEqual((answer["version"], answer["segment"]), (1, self.segment))
        self.assertLessEqual({"buffered": 70, "queued": 70, "leased": 0, "utilization": 0.07}.items(),
                             answer["total"].items())
        stage = next(s for s in answer["stages"] if s["name"] == "filter")
        self.assertLessEqual(STAGE_KEYS, set(stage))
        self.assertLessEqual({"queued": 70, "leased": 0, "utilization": 0.14, "accepted": 100, "delivered": 30,
                              "acked": 30, "returned": 0, "redelivered": 0, "dead_lettered": 0,
                              "backpressure": "none"}.items(), stage.items())
        self.assertEqual(len(answer["sources"]), 1)
        source = answer["sources"][0]
        self.assertLessEqual(SOURCE_KEYS, set(source))
        self.assertEqual((source["name"], source["buffered"], source["delay_ms"]), ("kafka-1", 70, 0))
        self.assertEqual(answer["handles"], [])
        counts = {"accepted", "delivered", "acked", "returned", "redelivered", "forwarded", "dead_lettered", "refused",
                  "stalled_ns"}
        self.assertLessEqual(counts, set(stage))
        self.assertLessEqual(counts, set(source))
        self.assertEqual((source["accepted"], source["delivered"], source["acked"]), (100, 30, 30))
        self.assertEqual((answer["settings"]["payload_size"], answer["settings"]["max_retries"]), (1024, 3))

    @unittest.skipIf(subprocess.run(["unshare", "--pid", "--fork", "true"], stderr=subprocess.DEVNULL,
                                    check=False).returncode, "no pid namespaces here")
    def test_a_holder_in_another_pid_namespace_has_no_other_ones_command(self):
        """It is process 1 where it lives; process 1 here is another one."""
        self.fill()
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        with open("/proc/1/comm", encoding="utf-8", errors="replace") as f:
            other = f.read().strip()
        holder = subprocess.Popen(["unshare", "--pid", "--fork", "--kill-child", COMMAND, "pull", self.segment,
                                   "--stage", "filter"], stdout=writer, stderr=subprocess.DEVNULL)
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        os.close(writer)
        wait_until(lambda: self.stage("filter")["leased"], "a blocked pull holds leases")
        self.assertEqual([(h["pid"], h["command"]) for h in self.stat()["handles"]], [(1, "")])
        leases = self.succeed("leases", self.segment).stdout.decode()
        self.assertRegex(leases, r"(?m)^1 +- ")
        self.assertNotIn(other, leases + self.succeed("stat", self.segment).stdout.decode())

    def test_stat_shows_handles_and_their_leases(self):
        self.fill()
        puller = self.start_puller()
        handles = self.stat()["handles"]
        self.assertEqual([(h["pid"], h["state"]) for h in handles], [(puller.pid, "alive")])
        self.assertEqual(handles[0]["leased"], self.stage("filter")["leased"])
        self.assertIn(str(puller.pid), self.succeed("stat", self.segment).stdout.decode())

    def test_names_with_every_character_survive_json_and_prometheus(self):
        self.create("--max-total-records", "100")
        name = "a\"b\\c{d}=\u00fc\u4e2d"
        self.push(b"x\n", stage=name, source=name)
        self.assertEqual(self.stage(name)["queued"], 1)
        text = self.succeed("stat", self.segment, "--prometheus").stdout.decode()
        self.assertIn('stage="a\\"b\\\\c{d}=\u00fc\u4e2d"', text)

    def test_prometheus_text_is_well_formed(self):
        self.create("--max-total-records", "1000")
        self.push(b"x\n" * 10)
        self.pull("--count", "4")
        types, helped, value = {}, set(), {}
        label = r'[a-z_]+="(?:[^"\\\n]|\\.)*"'
        sample = re.compile(r'^(conveyor_[a-z_]+)\{(%s(?:,%s)*)\} (\S+)$' % (label, label))
        for line in self.succeed("stat", self.segment, "--prometheus").stdout.decode().splitlines():
            if line.startswith("# HELP "):
                self.assertRegex(line, r"^# HELP \w+ .+\.$")
                helped.add(line.split()[2])
            elif line.startswith("# TYPE "):
                _, _, family, kind = line.split()
                self.assertNotIn(family, types)
                types[family] = kind
            else:
                match = sample.match(line)
                self.assertTrue(match, line)
                self.assertIn(match[1], types)
                self.assertEqual(match[1].endswith("_total"), types[match[1]] == "counter", line)
                self.assertNotIn(match.group(1, 2), value)
                value[match.group(1, 2)] = float(match[3])
        self.assertEqual(helped, set(types))
        stage = 'segment="%s",stage="filter"' % self.segment
        self.assertEqual(value["conveyor_stage_queued_records", stage], 6)
        self.assertEqual(value["conveyor_stage_accepted_records_total", stage], 10)
        self.assertEqual(value["conveyor_stage_acked_records_total", stage], 4)

    @unittest.skipUnless(shutil.which("promtool"), "no promtool")
    def test_prometheus_text_satisfies_promtool(self):
        self.segment += "- \" \\ \u00fc"  # what must be escaped, and what is not ASCII
        self.create("--max-total-records", "1000")
        self.push(b"x\n" * 10, stage="a\"b\\c{d}=\u00fc", source="a\"b\\c{d}=\u00fc")
        text = self.succeed("stat", self.segment, "--prometheus").stdout
        done = subprocess.run(["promtool", "check", "metrics"], input=text, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, check=False)
        self.assertEqual((done.returncode, done.stdout), (0, b""))
        broken = subprocess.run(["promtool", "check", "metrics"], input=text + b"x{", stdout=subprocess.DEVNULL,
                                stderr=subprocess.DEVNULL, check=False)
        self.assertNotEqual(broken.returncode, 0)

    def test_output_that_cannot_be_written_is_an_error(self):
        self.create("--max-total-records", "100")
        for arguments in (["stat", self.segment], ["stat", self.segment, "--json"], ["doctor", self.segment],
                          ["stat", self.segment, "--prometheus"], ["doctor", self.segment, "--json"], ["list"],
                          ["list", "--json"], ["--help"], ["pull", "--help"]):
            with open("/dev/full", "wb") as full:
                done = call(*arguments, stdout=full)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), (arguments, done.stderr))

    def test_doctor_finds_nothing_wrong_with_a_healthy_segment(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "1000", "--max-per-source", "1000")
        self.assert_sound(0)
        self.push(b"x\n" * 100)
        self.assert_sound(100)
        text = self.succeed("doctor", self.segment).stdout.decode()
        self.assertIn("900 free + 0 reserved + 100 queued + 0 leased = 1000", text)
        self.assertIn("nobody takes them", text)
        self.pull()
        self.assert_sound(0)
        self.assertEqual(self.doctor()["notes"], [])

    def test_doctor_is_content_while_others_are_at_work(self):
        self.fill()
        self.start_puller()
        answer = self.doctor()
        self.assertTrue(answer["ok"], answer)
        self.assertGreater(answer["leased"], 0)

    def test_who_holds_what_for_how_long(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n" * 3)
        holder = self.hold(2)
        wait_until(lambda: all(self.stat()["handles"][0][age] >= 100 for age in ("oldest_lease_ms", "idle_ms")),
                   "the lease grows old")
        handle, stage = self.stat()["handles"][0], self.stage("filter")
        self.assertEqual((handle["pid"], handle["command"], handle["leased"]), (holder.pid, "cli-client", 2))
        self.assertGreaterEqual(handle["idle_ms"], 100)
        self.assertGreaterEqual(stage["oldest_age_ms"], stage["oldest_lease_ms"])
        self.assertEqual(set(stage["wait_ms"]), {"p50", "p99", "max"})
        self.assertGreaterEqual(self.stat()["sources"][0]["oldest_age_ms"], 100)
        leases = json.loads(self.succeed("leases", self.segment, "--json").stdout)["leases"]
        self.assertEqual([(h["pid"], h["leased"], h["state"]) for h in leases], [(holder.pid, 2, "alive")])
        self.assertEqual([h["stages"] for h in leases], [[{"name": "filter", "leased": 2}]])
        self.assertRegex(self.succeed("leases", self.segment).stdout.decode(), r"cli-client .* s  filter\n")
        holder.kill()
        holder.wait()
        self.assertEqual(len(self.pull().splitlines()), 3)
        self.assertEqual(self.stat()["happened"]["deaths"], 1)
        self.assertEqual(json.loads(self.succeed("leases", self.segment, "--json").stdout)["leases"], [])

    def test_doctor_finds_a_stopped_process(self):
        self.fill()
        puller = self.start_puller()
        os.kill(puller.pid, signal.SIGSTOP)
        wait_until(lambda: self.stat()["handles"][0]["state"] == "stopped", "the stopped process is seen")
        answer = self.doctor()
        self.assertFalse(answer["ok"])
        self.assertIn("process %d is stopped" % puller.pid, answer["problems"][0])
        os.kill(puller.pid, signal.SIGCONT)
        wait_until(lambda: self.doctor()["ok"], "the continued process is no problem")

    def test_doctor_repairs_what_a_killed_process_left(self):
        self.fill()
        puller = self.start_puller()
        puller.kill()
        puller.wait()
        text = self.succeed("doctor", self.segment, "--repair").stdout.decode()
        self.assertIn("repair: 1 thing of what dead peers left, or of what the audit found, was mended", text)
        self.assertRegex(text, r"note: process %d had died with [1-9]\d* records? leased" % puller.pid)
        answer = self.doctor()
        self.assertFalse([n for n in answer["notes"] if "had died" in n])
        self.assertEqual((answer["ok"], answer["leased"]), (True, 0))
        self.assertEqual(self.stat()["handles"], [])
        self.assertGreater(self.stage("filter")["redelivered"], 0)
        self.assertEqual(len(set(self.pull().splitlines())), answer["queued"])

    def test_doctor_finds_dead_letters(self):
        self.create("--max-total-records", "100", "--max-retries", "0")
        self.push(b"a\nb\n")
        self.make_fail()
        answer = self.doctor()
        self.assertFalse(answer["ok"])
        self.assertIn("2 dead letters", answer["problems"][0])
        self.assertIn("dead-letter %s list" % self.segment, answer["problems"][0])
        self.assertEqual(self.stage("filter")["dead_lettered"], 2)
        self.assertEqual(self.pull("--to", "filter", stage="dead-letter"), b"a\nb\n")
        self.assertEqual(self.pull(), b"a\nb\n")
        self.assert_sound(0)

    def test_doctor_notes_limits_that_cannot_be_reached(self):
        self.create("--max-total-records", "100", "--max-per-stage", "200", "--max-per-source", "300")
        answer = self.doctor()
        self.assertTrue(answer["ok"])
        self.assertEqual(len([n for n in answer["notes"] if "can never be reached" in n]), 2)
        self.succeed("rm", self.segment)
        self.create("--max-total-records", "100", "--max-stages", "4", "--max-per-stage", "30", "--max-sources", "3",
                    "--max-per-source", "20")
        notes = [n for n in self.doctor()["notes"] if "can never be reached" in n]
        self.assertEqual(len(notes), 2)
        self.assertIn("3 stages of 30 records each hold 90", notes[0])
        self.assertIn("3 sources of 20 records each hold 60", notes[1])

    def test_doctor_notes_a_source_that_holds_much(self):
        for per_source, word in (("50", "40 of the 50 records that it may have"), ("100", "others are told to pause")):
            self.create("--max-total-records", "100", "--max-per-source", per_source)
            self.push(b"x\n", source="calm")
            push = self.start("push", self.segment, "--stage", "filter", "--source", "greedy", "--batch", "1",
                              stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
            push.stdin.write(b"x\n" * 200)
            push.stdin.close()
            wait_until(lambda: any(s["backpressure"] == "pause" for s in self.stat()["sources"]), "a pause")
            notes = [n for n in self.doctor()["notes"] if "source '" in n]
            self.assertEqual(len(notes), 1, notes)
            self.assertIn("source 'greedy' holds", notes[0])
            self.assertIn(word, notes[0])
            push.kill()
            push.wait()
            self.succeed("rm", self.segment)

    def test_doctor_notes_that_handles_and_names_are_used_up(self):
        self.create("--max-total-records", "4000", "--max-handles", "1", "--max-stages", "2", "--max-sources", "1")
        self.push(b"".join(b"%0999d\n" % i for i in range(2000)))
        self.assertFalse([n for n in self.doctor()["notes"] if "1 handles" in n])
        reader, writer = os.pipe()
        self.addCleanup(os.close, reader)
        self.start("pull", self.segment, "--stage", "filter", stdout=writer, stderr=subprocess.DEVNULL)
        os.close(writer)
        wait_until(lambda: self.stage("filter")["leased"], "a blocked pull holds leases")
        notes = self.doctor()["notes"]
        for what in ("all 1 handles", "all 2 names of stages", "all 1 names of sources"):
            self.assertTrue([n for n in notes if what in n], (what, notes))

    def test_doctor_finds_who_uses_a_removed_segment(self):
        self.fill()
        puller = self.start_puller()
        self.succeed("rm", "--force", self.segment)
        message = self.fail_with(1, "doctor", self.segment)
        self.assertIn("its name was removed, but process %d still uses it" % puller.pid, message)
        self.create("--max-total-records", "100")
        notes = [n for n in self.doctor()["notes"] if "removed segment of this name" in n]
        self.assertEqual(len(notes), 1)
        self.assertIn(" %d:" % puller.pid, notes[0])
        puller.kill()
        puller.wait()
        self.assertFalse([n for n in self.doctor()["notes"] if "removed segment" in n])

    def test_a_segment_of_another_version_or_build(self):
        for offset, word in ((8, "made by another version"), (16, "made with another layout")):
            self.create_damaged(lambda b: b[:offset] + bytes([b[offset] ^ 0x40]) + b[offset + 1:])
            for command in ("doctor", "stat", "top"):
                message = self.fail_with(1, command, self.segment)
                self.assertIn(word, message)
                self.assertIn("conveyor record %s --all FILE" % self.segment, message)
                self.assertIn("conveyor rm", message)
            self.assertIn("--force", self.fail_with(1, "rm", self.segment))
            self.succeed("rm", "--force", self.segment)


if __name__ == "__main__":
    main()

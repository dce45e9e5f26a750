"""What the command says before it does harm, and what it says when the system refuses: cause and cure, in one line."""
import ctypes
import json
import os
import resource
import shutil
import signal
import struct
import subprocess
import threading
import unittest

from conveyor import COMMAND, PATIENCE, SegmentTest, call, main, wait_until

NAMESPACES = not subprocess.run(["unshare", "-m", "true"], stderr=subprocess.DEVNULL, check=False).returncode


class Stages(SegmentTest):
    def names(self):
        return [s["name"] for s in self.stat()["stages"]]

    def test_a_stage_that_is_not_there_is_refused_and_not_made(self):
        self.create("--max-total-records", "100", stages="filter,enrich")
        before = self.names()
        self.assertEqual(before, ["dead-letter", "filter", "enrich"])
        s = self.segment
        for arguments in (["pull", s, "--stage", "filtre"],
                          ["pull", s, "--stage", "filtre", "--follow"],
                          ["pull", s, "--stage", "filter", "--to", "filtre"],
                          ["peek", s, "--stage", "filtre"],
                          ["record", s, "--stage", "filtre", "/nowhere/flow"],
                          ["record", s, "--stage", "filter", "--to", "filtre", "/nowhere/flow"],
                          ["dead-letter", s, "retry", "--to", "filtre"]):
            message = self.fail_with(1, *arguments)
            self.assertIn("'filtre': segment '%s' has no such stage; it has 'dead-letter', 'filter', 'enrich'" % s,
                          message)
        self.assertEqual(self.names(), before)
        self.push(b"a\n", stage="filtre")
        self.assertEqual(self.names(), before + ["filtre"])

    def test_a_replay_makes_a_stage_only_if_it_is_told_to(self):
        self.create("--max-total-records", "100")
        flow = b"conveyor-flow 1\tfiltre\n0\t1\ta\tdefault\nx\n"
        for more, what in ([], "stage 'filtre'"), (["--stage", "other"], "--stage 'other'"):
            message = self.fail_with(1, "replay", self.segment, *more, "-", input=flow)
            self.assertIn(what, message)
            self.assertIn("it has 'dead-letter', 'filter'; --create-stages makes it", message)
        self.assertEqual(self.names(), ["dead-letter", "filter"])
        self.succeed("replay", self.segment, "--create-stages", "-", input=flow)
        self.assertEqual(self.queued("filtre"), 1)

    def test_many_long_names_fit_into_the_line(self):
        names = ["%d-%s" % (i, "x" * 55) for i in range(100, 200)]
        self.create("--max-total-records", "100", "--max-stages", "200", stages=",".join(names))
        message = self.fail_with(1, "pull", self.segment, "--stage", "filtre")
        self.assertIn("'%s'" % names[0], message)
        self.assertRegex(message, r" and \d+ more\n$")

    def test_create_makes_stages(self):
        self.create("--max-total-records", "100", stages="a,b,b")
        self.assertEqual(self.names(), ["dead-letter", "a", "b"])
        for stages in ("", "a,", ",a", "x" * 64, "a\tb", ",".join("abcdefghijklmnop")):
            self.assertIn("--stages", self.fail_with(2, "create", self.segment + "-2", "--stages", stages))
        self.assertFalse(os.path.exists("/dev/shm/" + self.segment + "-2"))


class Signals(SegmentTest):
    def test_a_stage_that_is_empty_never_has_one_while_others_flow(self):
        self.create("--max-total-records", "1000", "--max-per-source", "40", stages="filter,quiet")
        pull = self.start("pull", self.segment, "--stage", "filter", "--follow", "--batch", "8",
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        push = self.start("push", self.segment, "--stage", "filter", "--source", "file-1", "--batch", "8",
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        feeder = threading.Thread(target=self.feed, args=(push,))
        feeder.start()
        lines = self.succeed("watch", self.segment, "--interval", "0.01", "--count", "600").stdout.splitlines()
        push.kill()
        feeder.join()
        pull.kill()
        seen = [{s["name"]: s["backpressure"] for s in json.loads(line)["stages"]} for line in lines]
        self.assertEqual({s["quiet"] for s in seen}, {"none"})
        self.assertEqual({s["dead-letter"] for s in seen}, {"none"})

    @staticmethod
    def feed(push):
        """Lines until it ends."""
        try:
            while True:
                os.write(push.stdin.fileno(), b"x\n" * 10000)
        except OSError:
            pass

    def test_a_stage_that_is_empty_never_has_a_signal(self):
        """Beside a source and a total that are told to slow down."""
        self.create("--max-total-records", "100", "--max-per-stage", "100", "--max-per-source", "50",
                    stages="filter,quiet")
        self.push(b"x\n" * 30)
        push = self.start("push", self.segment, "--stage", "filter", "--source", "file-2", "--batch", "1",
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        push.stdin.write(b"x\n" * 200)
        push.stdin.close()
        wait_until(lambda: any(s["backpressure"] == "pause" for s in self.stat()["sources"]), "a pause")
        self.pull("--count", "3")
        self.assertEqual(self.stage("quiet")["backpressure"], "none")
        self.assertEqual(self.stage("dead-letter")["backpressure"], "none")
        text = self.succeed("stat", self.segment, "--prometheus").stdout.decode()
        self.assertIn('conveyor_stage_backpressure{segment="%s",stage="quiet"} 0\n' % self.segment, text)

    def test_a_source_that_slows_down_does_not_colour_an_empty_stage(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "1000", "--max-per-source", "100",
                    stages="filter,quiet")
        for i in range(3):  # each source is above its resume threshold and below its pause
            self.push(b"x\n" * 60, "--batch", "1000", source="file-%d" % i)
        self.assertEqual({s["backpressure"] for s in self.stat()["sources"]}, {"slow_down"})
        self.assertEqual(self.stage("quiet")["backpressure"], "none")
        self.assertEqual(self.stage("filter")["backpressure"], "none")

    def test_the_sleeps_of_slow_down_count_as_stalled(self):
        self.create("--max-total-records", "1000", "--max-per-stage", "1000", "--max-per-source", "100")
        self.push(b"x\n" * 60, "--batch", "1000")
        done = self.push(b"x\n" * 10, "--batch", "1")
        words = done.stderr.split()
        self.assertGreater(float(words[words.index(b"stalled") + 1]), 0.05)


class Remove(SegmentTest):
    def test_it_says_what_was_removed(self):
        self.create("--max-total-records", "100")
        self.push(b"a\nb\n")
        self.assertEqual(self.succeed("rm", self.segment).stdout.decode(),
                         "removed segment '%s': 2 records were in it\n" % self.segment)
        self.create("--max-total-records", "100")
        self.assertEqual(self.succeed("rm", "/" + self.segment).stdout.decode(),
                         "removed segment '%s'\n" % self.segment)

    def test_it_is_refused_while_somebody_is_attached(self):
        self.create("--max-total-records", "100")
        self.push(b"a\n")
        holder = self.hold(1)
        message = self.fail_with(1, "rm", self.segment)
        self.assertIn("in use by process %d, and 1 record is in it" % holder.pid, message)
        os.kill(holder.pid, signal.SIGSTOP)
        self.assertIn("process %d" % holder.pid, self.fail_with(1, "rm", self.segment))
        text = self.succeed("rm", self.segment, "--force").stdout.decode()
        self.assertIn("1 record was in it; process %d still uses it" % holder.pid, text)

    def test_the_dead_do_not_count(self):
        self.create("--max-total-records", "100")
        self.push(b"a\n")
        holder = self.hold(1)
        holder.kill()
        holder.wait()
        self.succeed("rm", self.segment)

    def test_what_is_no_segment_stays(self):
        path = "/dev/shm/" + self.segment
        for force in ([], ["--force"]):
            with open(path, "wb") as file:
                file.write(b"something else\n" * 1000)
            self.assertIn("not a conveyor segment", self.fail_with(1, "rm", self.segment, *force))
            self.assertTrue(os.path.exists(path))

    @unittest.skipIf(os.getuid() or not shutil.which("setpriv"), "no other user to be")
    def test_another_users_segment(self):
        self.create("--max-total-records", "100")
        for force in ([], ["--force"]):
            done = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", COMMAND, "rm", self.segment, *force],
                                  stderr=subprocess.PIPE, check=False)
            self.assertEqual((done.returncode, done.stderr.count(b"\n")), (1, 1), done.stderr)
            self.assertIn(b"only its owner or root can remove it", done.stderr)


class Doctor(SegmentTest):
    def findings(self):
        """By code."""
        answer = self.doctor()
        for finding in answer["findings"]:
            self.assertEqual(set(finding), {"code", "severity", "subject", "text", "do"})
            self.assertIn(finding["severity"], ("note", "warning", "problem"))
        problems = [f["text"] + (": " + f["do"] if f["do"] else "") for f in answer["findings"]
                    if f["severity"] == "problem"]
        self.assertEqual(answer["problems"], problems)
        return {finding["code"]: finding for finding in answer["findings"]}

    def push_until_a_pause(self):
        self.create("--max-total-records", "100", "--max-per-stage", "10")
        push = self.start("push", self.segment, "--stage", "filter", "--source", "file-1", stdin=subprocess.PIPE,
                          stderr=subprocess.DEVNULL)
        push.stdin.write(b"x\n" * 100)
        push.stdin.close()
        wait_until(lambda: self.stage("filter")["backpressure"] == "pause" and self.queued() >= 8, "a pause")

    def test_a_stage_that_stands_still_while_its_sources_wait(self):
        self.push_until_a_pause()
        found = self.findings()["stage-stands-still"]
        self.assertEqual((found["severity"], found["subject"]), ("problem", "stage filter"))
        self.assertIn("nobody takes them, and sources are told to pause", found["text"])
        self.assertEqual(found["do"], "start a consumer")
        self.assertEqual(call("doctor", self.segment).returncode, 1)

    def test_a_stage_without_a_consumer_is_a_warning(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n")
        self.assertEqual(self.findings()["stage-without-consumer"]["severity"], "warning")
        self.assertEqual(call("doctor", self.segment).returncode, 0)
        self.assertEqual(call("doctor", self.segment, "--strict").returncode, 1)
        self.pull()
        self.assertEqual(call("doctor", self.segment, "--strict").returncode, 0)

    def test_leases_that_do_not_move_while_sources_wait(self):
        self.push_until_a_pause()
        self.hold(3)
        found = self.findings()["stage-stuck"]
        self.assertEqual((found["severity"], found["subject"]), ("warning", "stage filter"))

    def test_a_source_that_dead_letters_hold(self):
        self.create("--max-total-records", "100", "--max-per-source", "100", "--max-retries", "0")
        self.push(b"x\n" * 79, "--batch", "79")
        self.make_fail()
        self.push(b"x\n")
        self.assertEqual([s["backpressure"] for s in self.stat()["sources"]], ["pause"])
        found = self.findings()
        held = found["sources-held-by-dead-letters"]
        self.assertEqual((held["severity"], held["subject"]), ("problem", "segment"))
        self.assertIn("1 source is told to pause only because of dead letters: 79 of the 80 records", held["text"])
        self.assertIn("they hold 79 of the 100 records that the segment may have, and nothing of a source's",
                      found["dead-letters"]["text"])
        self.assertIn("79 of them are dead letters, and hold room of the limit of all records (not of their sources)",
                      self.succeed("stat", self.segment).stdout.decode())

    def test_a_source_that_its_own_records_hold(self):
        """Dead letters count for nothing against its limit: 8 of its 10 are in the way."""
        self.create("--max-total-records", "100", "--max-per-source", "10", "--max-retries", "0")
        self.push(b"x\n" * 9, "--batch", "9")
        self.make_fail()
        self.push(b"x\n" * 9, "--batch", "9")
        self.assertEqual([s["backpressure"] for s in self.stat()["sources"]], ["pause"])
        found = self.findings()
        self.assertNotIn("sources-held-by-dead-letters", found)
        self.assertEqual(found["source-paused"]["subject"], "source file-1")

    def test_handles_and_names_that_are_nearly_used_up(self):
        self.create("--max-total-records", "100", "--max-stages", "20", "--max-sources", "10",
                    stages=",".join("s%d" % i for i in range(16)))
        self.assertNotIn("used-up", self.findings())
        self.push(b"x\n", stage="s18")
        found = self.findings()["used-up"]
        self.assertEqual((found["severity"], found["text"]), ("warning", "18 of 20 names of stages are in use"))

    def test_a_name_with_a_slash_in_front(self):
        self.create("--max-total-records", "100", "--max-stages", "2")
        plain, other = (self.succeed("doctor", prefix + self.segment, "--json").stdout for prefix in ("", "/"))
        self.assertEqual(plain, other)
        self.assertEqual(json.loads(self.succeed("stat", "/" + self.segment, "--json").stdout)["segment"], self.segment)
        holder = self.start("push", "/" + self.segment, "--stage", "filter", "--source", "a", stdin=subprocess.PIPE)
        wait_until(lambda: self.stat()["handles"], "it is attached")
        os.kill(holder.pid, signal.SIGSTOP)
        self.succeed("rm", "--force", "/" + self.segment)
        messages = {self.fail_with(1, "doctor", prefix + self.segment) for prefix in ("", "/")}
        self.assertEqual(len(messages), 1)
        self.assertIn("process %d still uses it" % holder.pid, messages.pop())


class Create(SegmentTest):
    def test_it_says_what_it_took(self):
        done = self.succeed("create", self.segment, "--max-total-records", "1k", "--payload-size", "2Ki")
        self.assertRegex(done.stdout.decode(), r"^created segment '%s': [\d.]+ MiB of shared memory" % self.segment)
        self.assertEqual(done.stdout.count(b"\n"), 1)
        self.assertEqual(self.stat()["capacity"]["max_total_records"], 1000)
        self.assertEqual(self.stat()["settings"]["payload_size"], 2048)

    def test_a_dry_run_makes_nothing(self):
        done = self.succeed("create", self.segment, "--dry-run", "--max-total-records", "1M")
        self.assertRegex(done.stdout.decode(), r"would take [\d.]+ GiB of shared memory; .* are free\n$")
        self.assertFalse(os.path.exists("/dev/shm/" + self.segment))
        self.create("--max-total-records", "10")
        size = os.stat("/dev/shm/" + self.segment).st_size
        done = self.succeed("create", self.segment + "-2", "--dry-run", "--max-total-records", "10")
        self.assertIn("%.1f MiB" % (size / 2**20), done.stdout.decode())

    def test_numbers_with_units(self):
        for value in ("k", "1kk", "1K", "1m", "1Kib", "1.5k", "13M", "1 k", "99999999999999999999M"):
            self.assertIn("--max-total-records",
                          self.fail_with(2, "create", self.segment, "--max-total-records", value), value)

    def test_more_than_what_is_free_is_refused_before_it_is_taken(self):
        """Only a dry run: what is refused too late takes the memory of the whole machine. See also
        test_shared_memory_that_is_full, in a small file system of its own."""
        memory = os.statvfs("/dev/shm")
        if not memory.f_blocks or memory.f_bavail * memory.f_frsize > 12000000 * 1048576:
            self.skipTest("there is more shared memory than the largest segment needs")
        message = self.fail_with(1, "create", self.segment, "--dry-run", "--max-total-records", "12M",
                                 "--payload-size", "1Mi", "--classes", "1Mi:12M")
        self.assertIn("not enough shared memory", message)
        self.assertIn("--shm-size", message)


class System(SegmentTest):
    def limited(self, which, most, *arguments):
        """A call under a limit; its status and its line."""
        def limit():
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            resource.setrlimit(which, (most, most))
        return self.fail_with(1, *arguments, preexec_fn=limit)

    def test_limits_are_named(self):
        self.assertIn("ulimit -f", self.limited(resource.RLIMIT_FSIZE, 1 << 20, "create", self.segment))
        self.assertFalse(os.path.exists("/dev/shm/" + self.segment))
        self.create("--max-total-records", "100")
        self.assertIn("ulimit -n", self.limited(resource.RLIMIT_NOFILE, 4, "doctor", self.segment, "--repair"))

    @staticmethod
    def refuse_locks():
        """As gVisor or an old kernel does: fcntl knows no OFD locks (commands 36 to 38)."""
        fcntl, offset_nr, offset_command = {"x86_64": 72, "aarch64": 25}[os.uname().machine], 0, 24
        steps = [(0x20, 0, 0, offset_nr), (0x15, 0, 4, fcntl), (0x20, 0, 0, offset_command), (0x35, 0, 2, 36),
                 (0x25, 1, 0, 38), (6, 0, 0, 0x00050000 | 22), (6, 0, 0, 0x7fff0000)]  # EINVAL; all else is allowed
        code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *step) for step in steps))
        filters = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(code)))
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        if prctl(38, 1, 0, 0, 0) or prctl(22, 2, ctypes.c_void_p(ctypes.addressof(filters)), 0, 0):
            raise OSError(ctypes.get_errno(), "seccomp")

    @unittest.skipUnless(os.uname().machine in ("x86_64", "aarch64"), "other numbers of system calls")
    def test_a_system_without_ofd_locks(self):
        self.create("--max-total-records", "100")
        self.succeed("stat", self.segment, preexec_fn=self.refuse_locks)  # there is nobody to ask about
        holder = self.hold(0)
        for command in (["stat"], ["doctor"], ["top"], ["pull", "--stage", "filter"]):
            message = self.fail_with(1, command[0], self.segment, *command[1:], preexec_fn=self.refuse_locks)
            self.assertIn("refuses OFD file locks", message)
            self.assertIn("Invalid argument", message)
        message = self.fail_with(1, "rm", self.segment, preexec_fn=self.refuse_locks)
        self.assertIn("cannot be looked into", message)
        self.assertIn("--force removes it", message)
        self.succeed("rm", self.segment, "--force", preexec_fn=self.refuse_locks)

    def test_bytes_that_are_not_utf8_are_not_printed(self):
        done = call("stat", b"no-\xff\xc3-\xc3\xbc-\x1b[2J")
        self.assertIn("no-??-\u00fc-?[2J", done.stderr.decode())

    def inside(self, script, *words):
        """Each command of the script, run in a mount namespace of its own, fails with one line with these words."""
        done = subprocess.run(["unshare", "-m", "bash", "-c", "mount --make-rprivate /\n" + script, COMMAND,
                               self.segment], stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=PATIENCE,
                              check=False)
        lines = done.stderr.decode().splitlines()
        self.assertEqual(len(lines), script.count('"$0"'), done.stderr)
        for line in lines:
            self.assertNotIn("makes it", line)
            for word in words:
                self.assertIn(word, line)

    @unittest.skipUnless(NAMESPACES, "no mount namespaces here")
    def test_a_system_without_shared_memory(self):
        self.inside('mount -t tmpfs none /dev; "$0" create "$1"; "$0" stat "$1"; "$0" list; "$0" list --json; '
                    '"$0" rm "$1"', "there is no /dev/shm")

    @unittest.skipUnless(NAMESPACES, "no mount namespaces here")
    def test_a_system_without_proc(self):
        self.create("--max-total-records", "100")
        self.inside('mount -t tmpfs none /proc; "$0" create "$1-2"', "/proc is not mounted")

    @unittest.skipUnless(NAMESPACES, "no mount namespaces here")
    def test_shared_memory_that_is_read_only(self):
        self.create("--max-total-records", "100")
        self.inside('mount -o bind,ro /dev/shm /dev/shm; mount -o remount,bind,ro /dev/shm; "$0" create "$1-2"; '
                    '"$0" push "$1" --stage filter --source a; "$0" pull "$1" --stage filter; '
                    '"$0" rm "$1"; "$0" rm "$1" --force', "read-only")

    @unittest.skipUnless(NAMESPACES, "no mount namespaces here")
    def test_shared_memory_that_is_full(self):
        self.inside('mount -t tmpfs -o size=400m,nr_inodes=2 none /dev/shm; >/dev/shm/f; "$0" create "$1"', "inodes")
        self.inside('mount -t tmpfs -o size=64m none /dev/shm; "$0" create "$1"; "$0" create "$1" --dry-run; '
                    '"$0" create "$1" --max-total-records 12M --payload-size 1Mi --classes 1Mi:12M', "--shm-size",
                    "64.0 MiB", "not enough shared memory")
        self.inside('mount -t tmpfs -o size=256m none /dev/shm; mount -t tmpfs none /mnt; '
                    'printf "MemAvailable: 40000 kB\\nSwapFree: 25536 kB\\n" >/mnt/meminfo; '
                    'mount --bind /mnt/meminfo /proc/meminfo; "$0" create "$1"; "$0" create "$1" --dry-run',
                    "not enough memory", "this machine has 64.0 MiB left")
        self.inside('mount -t ramfs none /dev/shm; "$0" create "$1"', "not a tmpfs")


if __name__ == "__main__":
    main()

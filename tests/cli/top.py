"""top: what a terminal shows, at many sizes, while it is resized, with many sources, and where there is no terminal."""
import json
import os
import pty
import re
import select
import signal
import subprocess
import tempfile
import termios
import time
import unicodedata

from conveyor import PATIENCE, SegmentTest, main, wait_until

SIZES = [(rows, columns) for rows in (8, 24) for columns in (40, 60, 80, 120, 200)]


class Top(SegmentTest):
    def start_top(self, rows, columns, *options, **environment):
        self.terminal, slave = pty.openpty()
        self.addCleanup(os.close, self.terminal)
        termios.tcsetwinsize(slave, (rows, columns))
        settings = dict(os.environ, TERM="xterm")
        settings.pop("NO_COLOR", None)
        top = self.start("top", self.segment, "--interval", "0.1", *options, stdin=slave, stdout=slave,
                         stderr=subprocess.PIPE, env=dict(settings, **environment))
        os.close(slave)
        return top

    def picture_with(self, *words, without=b"no such word"):
        """The next whole picture that has those words, and not the other."""
        seen, end = b"", time.monotonic() + PATIENCE
        while time.monotonic() < end:
            self.assertTrue(select.select([self.terminal], [], [], PATIENCE)[0], (words, seen))
            seen += os.read(self.terminal, 65536)
            for picture in re.findall(rb"\x1b\[H(.*?)\x1b\[J", seen, re.S):
                if all(word in picture for word in words) and without not in picture:
                    return picture
        raise AssertionError((words, seen[-5000:]))

    @staticmethod
    def lines(picture):
        """What one sees, line by line."""
        return re.sub(rb"\x1b\[[0-9;]*[mK]|\r", b"", picture).decode().split("\n")

    def create_with_sources(self, names, *options, stages="filter"):
        with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
            json.dump({"settings": {"max_sources": len(names)}, "sources": [{"name": name} for name in names]}, file)
            file.flush()
            self.create(*options, "--config", file.name, stages=stages)

    def quit(self, top):
        """Reads on meanwhile: a terminal takes only so much that nobody reads."""
        os.write(self.terminal, b"q")
        self.read_until(b"\x1b[?1049l")
        self.assertEqual(top.wait(timeout=PATIENCE), 0)

    def test_without_a_terminal_it_prints_lines(self):
        self.create("--max-total-records", "100")
        self.push(b"a\nb\n")
        lines = self.succeed("top", self.segment, "--interval", "0.05", "--count", "2").stdout.splitlines()
        self.assertEqual(len(lines), 2)
        self.assertIn(b"buffered 2 (2.0 %)", lines[1])

    def test_a_dumb_terminal_gets_lines_and_no_control_sequences(self):
        self.create("--max-total-records", "100")
        self.push(b"a\nb\n")
        top = self.start_top(24, 80, "--count", "2", TERM="dumb")
        self.assertNotIn(b"\x1b", self.read_until(b"buffered 2 (2.0 %)"))
        self.assertEqual(top.wait(timeout=PATIENCE), 0)

    def test_it_draws_sorts_and_quits(self):
        self.create("--max-total-records", "100")
        self.push(b"a\nb\n", source="kafka-1")
        top = self.start_top(24, 80)
        self.read_until(b"by first use")
        self.read_until(b"kafka-1")
        os.write(self.terminal, b"s")
        self.read_until(b"by name")
        self.quit(top)

    def test_it_filters_helps_and_colours(self):
        self.create("--max-total-records", "100", "--max-per-source", "10", "--max-retries", "0")
        self.push(b"x\n" * 9, "--batch", "9", source="paused")
        self.push(b"x\n", source="calm")
        for environment, red in ({}, b"\x1b[31m"), ({"NO_COLOR": "1"}, b""):
            top = self.start_top(40, 100, **environment)
            self.assertIn(b"\x1b[K" + red + b"paused ", self.picture_with(b"calm "))
            os.write(self.terminal, b"/lm")
            self.picture_with(b"filter /lm_", without=b"paused ")
            os.write(self.terminal, b"\r?")
            self.picture_with(b"filter by name: Enter ends")
            os.write(self.terminal, b"?\x1b")
            self.assertNotIn(b"filter /", self.picture_with(b"paused "))
            os.write(self.terminal, b"ssss")
            self.picture_with(b"by queued")
            os.write(self.terminal, b"r")
            self.picture_with(b"by queued, turned")
            self.quit(top)

    def test_it_sorts_by_any_column(self):
        """Each order that the values decide, of stages, sources and handles; the rest stay by first use."""
        self.create_with_sources(["new", "old"], "--max-total-records", "100", "--max-per-source", "50",
                                 stages="filter,sink")
        self.push(b"x\n" * 3, "--position", "lines", source="old")
        first = self.hold(0)
        wait_until(lambda: self.stat()["sources"][1]["oldest_age_ms"] >= 50, "it is older than the next")
        self.push(b"x\n" * 5, stage="sink", source="new")
        second = self.hold(3, stage="sink")
        self.succeed("signal", self.segment, "--source", "old", "pause")
        second.send_signal(signal.SIGSTOP)
        wait_until(lambda: [p["state"] for p in self.stat()["handles"]] == ["alive", "stopped"], "it is stopped")
        handles = [str(p.pid) for p in (first, second)]
        used = (["dead-letter", "filter", "sink"], ["new", "old"], handles)
        back = (["sink", "filter", "dead-letter"], ["old", "new"], handles[::-1])
        waits, leases = ["filter", "sink", "dead-letter"], ["sink", "dead-letter", "filter"]
        orders = {"name": (used[0], used[1], sorted(handles, key=int)), "fill": (back[0], used[1], used[2]),
                  "rate": used, "queued": (waits, used[1], used[2]), "leased": (leases, used[1], back[2]),
                  "credits": (used[0], back[1], used[2]), "signal": (used[0], back[1], back[2]), "in/s": used,
                  "out/s": used, "retry/s": used, "stall": used, "oldest": (waits, back[1], back[2]),
                  "p99": (used[1], used[2]), "pending": (used[0], back[1], used[2]), "idle": used, "reserved": used,
                  "command": used, "first use": used}
        top = self.start_top(40, 150)
        self.picture_with(b"by first use")
        for order, tables in orders.items():
            os.write(self.terminal, b"s")
            lines = self.lines(self.picture_with(b"by %s  segment" % order.encode()))
            words = [line.split()[0] for line in lines if line.strip()]
            for rows in tables:
                self.assertEqual([word for word in words if word in rows], rows, order)
        self.quit(top)

    def test_it_colours_what_hangs_and_what_is_old(self):
        self.create("--max-total-records", "100", stages="filter,calm")
        self.push(b"x\n" * 3)
        hung = b"%d " % self.hold(1).pid
        for environment, yellow in ({}, b"\x1b[33m"), ({"NO_COLOR": "1"}, b""):
            top = self.start_top(40, 150, "--hung-after", "0.2", "--old-after", "0.2", **environment)
            picture = self.picture_with(*(b"\x1b[K" + yellow + name for name in (hung, b"filter ", b"file-1 ")))
            self.assertIn(b"\x1b[Kcalm ", picture)
            self.quit(top)
        self.start_top(40, 150)
        picture = self.picture_with(b"\x1b[K" + hung)
        self.assertIn(b"\x1b[Kfilter ", picture)
        self.assertIn(b"cli-client", picture)

    def test_names_are_whole_where_there_is_room_and_it_scrolls(self):
        names = ["a source with a name of fifty characters, or so %02d" % i for i in range(12)]
        self.create_with_sources(names, "--max-total-records", "4000")
        self.start_top(24, 80)
        self.picture_with(b"a source ~or so 00", b"a source ~or so 01")
        termios.tcsetwinsize(self.terminal, (16, 200))
        self.picture_with(b"a source with a name of fifty characters, or so 00")
        os.write(self.terminal, b"\x1b[B" * 3)
        self.picture_with(b"or so 03", without=b"or so 00")
        os.write(self.terminal, b"k")
        self.picture_with(b"or so 02", without=b"or so 00")

    def test_what_matters_most_stays_at_every_size(self):
        """Level, signal and both rates of each stage and source; no line is cut within them, and no name needlessly."""
        names = ["paused, and its name is a long one"] + ["a source with a long name %d" % i for i in range(40)]
        self.create_with_sources(names, "--max-total-records", "4000", "--max-per-source", "10", stages="filter,sink")
        self.push(b"x\n" * 9, "--batch", "9", source=names[0])
        pull = self.start("pull", self.segment, "--stage", "sink", "--follow", stderr=subprocess.DEVNULL)
        wait_until(lambda: self.stat()["handles"], "the pull is there")
        top = self.start_top(24, 80)
        self.picture_with(b"all records")
        for rows, columns in SIZES:
            lines = self.resized(rows, columns)
            with self.subTest(rows=rows, columns=columns, lines=lines):
                self.assertLessEqual(len(lines), rows)
                self.assertLessEqual(max(map(len, lines)), columns)
                self.assertRegex(lines[0], r"^\d\d:\d\d:\d\d  by first use")
                self.one_of(lines, r"all records .* 0\.2 %  9 queued, ")
                heading = self.one_of(lines, r"STAGE .*fill  signa.* in/s +out/s")
                for row in (self.one_of(lines, r"filter .* \d+\.\d %  none .* \d+ +\d+"),
                            self.one_of(lines, r"pause.* 90\.0 %  pause .* \d+ +\d+ %")):
                    self.assertEqual(len(row), len(heading), "no cell is cut")
                if rows == 24:
                    self.one_of(lines, r"and \d+ more$")
                    self.one_of(lines, r"%d +alive" % pull.pid)
                whole = [line for line in lines if line.startswith("paused, and its name is a long one ")]
                self.assertEqual(bool(whole), columns >= 120)
        self.quit(top)

    def resized(self, rows, columns):
        """What a window of that size shows: what is drawn after the help, which is drawn after the change."""
        termios.tcsetwinsize(self.terminal, (rows, columns))
        os.write(self.terminal, b"?")
        self.picture_with(b"filter by name")
        os.write(self.terminal, b"?")
        return self.lines(self.picture_with(b"all records"))

    def one_of(self, lines, form):
        """The first line that begins so."""
        found = [line for line in lines if re.match(form, line)]
        self.assertTrue(found, (form, lines))
        return found[0]

    def test_the_help_is_whole_in_a_small_window(self):
        self.create("--max-total-records", "100")
        top = self.start_top(10, 40)
        self.picture_with(b"all records")
        os.write(self.terminal, b"?")
        first = self.lines(self.picture_with(b"sort by the next"))
        os.write(self.terminal, b"   ")
        last = self.lines(self.picture_with(b"makes no call", without=b"sort by"))
        for lines in first, last:
            self.assertLessEqual(len(lines), 10)
            self.assertLessEqual(max(map(len, lines)), 40)
            self.assertNotIn("~", "".join(lines))
        os.write(self.terminal, b"b" * 4)
        self.picture_with(b"sort by the next")
        os.write(self.terminal, b"s")
        self.picture_with(b"by name  segment")
        self.quit(top)

    def test_large_numbers_in_a_narrow_window(self):
        self.create("--max-total-records", "2M", "--max-per-source", "2M", "--payload-size", "64", "--classes",
                    "64:1000")
        self.push(b"x\n", source="file-1")
        self.start_top(24, 54)
        self.one_of(self.lines(self.picture_with(b"file-1 ")), r"file-1 .* 1 +2000k +0 +0 %$")

    def test_it_shows_what_somebody_has_given_and_what_is_not_settled(self):
        self.create("--max-total-records", "100")
        self.push(b"x\n" * 3, "--position", "lines")
        self.succeed("hold", self.segment, "--stage", "filter", "--reason", "locked")
        self.succeed("signal", self.segment, "--source", "file-1", "pause", "--reason", "late")
        top = self.start_top(24, 120)
        lines = self.lines(self.picture_with(b"file-1 "))
        self.one_of(lines, r"by hand: stage filter held, by process \d+, \d+ s ago: locked$")
        self.one_of(lines, r"by hand: source file-1 told pause, by process \d+, \d+ s ago: late$")
        end = self.one_of(lines, r"SOURCE .* pending").index(" pending") + len(" pending")
        self.assertRegex(self.one_of(lines, r"file-1 ")[:end], r" 3$")
        self.quit(top)

    def test_characters_that_take_two_columns(self):
        self.create("--max-total-records", "100")
        for name in ("\u6e90" * 20, "e\u0301" * 15, "plain"):
            self.push(b"x\n", source=name)
        top = self.start_top(24, 80)
        lines = self.lines(self.picture_with(b"plain "))
        ends = {self.columns(line) for line in lines if re.match("plain|\u6e90|e\u0301", line)}
        self.assertEqual(len(ends), 1, "they end in one column")
        self.assertLessEqual(max(map(self.columns, lines)), 80)
        self.one_of(lines, "\u6e90{3,9}~\u6e90{3,9} ")
        self.quit(top)

    @staticmethod
    def columns(line):
        return sum(0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF") for c in line)

    def test_stages_scroll_too_in_a_low_window(self):
        self.create("--max-total-records", "100", stages=",".join("stage-%d" % i for i in range(9)))
        self.start_top(8, 80)
        self.picture_with(b"dead-letter ", without=b"stage-8")
        os.write(self.terminal, b"j" * 9)
        self.picture_with(b"stage-8", without=b"dead-letter ")

    def test_a_thousand_sources(self):
        self.create_with_sources(["s-%d" % i for i in range(1000)])
        top = self.start_top(24, 80)
        self.picture_with(b"and 988 more")
        os.write(self.terminal, b"/s-999\r")
        self.picture_with(b"s-999 ", without=b"s-0 ")
        os.write(self.terminal, b"\x1b")
        self.picture_with(b"s-0 ")
        os.write(self.terminal, b"sr")  # by name, the last first
        self.picture_with(b"s-999 ", without=b"s-0 ")
        self.quit(top)

    def test_a_segment_that_is_removed_ends_it(self):
        self.create("--max-total-records", "100")
        top = self.start_top(24, 80, "--interval", "3600")
        self.picture_with(b"filter ")
        self.succeed("rm", self.segment)
        self.read_until(b"\x1b[?1049l")
        message = top.communicate(timeout=PATIENCE)[1]
        self.assertEqual((top.returncode, message.count(b"\n")), (1, 1), message)
        self.assertIn(b"was removed while it was in use", message)

    def test_a_resize_is_seen_before_the_next_look(self):
        self.create("--max-total-records", "100")
        top = self.start_top(24, 80, "--interval", "3600")
        self.picture_with(b"filter ")
        termios.tcsetwinsize(self.terminal, (24, 40))
        lines = self.lines(self.picture_with(b"filter "))
        self.assertLessEqual(max(map(len, lines)), 40)
        self.quit(top)


if __name__ == "__main__":
    main()

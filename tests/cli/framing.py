"""How records are told apart and written: push and pull with NUL bytes, with lengths, and with a format."""
import os
import struct
import subprocess

from conveyor import PATIENCE, SegmentTest, main, wait_until

RECORDS = (b"one\ntwo", b"", b"\0" * 5, b"x" * 1024, "\u00fc".encode(), b"last")


def prefixed(records):
    return b"".join(struct.pack(">I", len(one)) + one for one in records)


class Framing(SegmentTest):
    def test_records_with_lengths_may_have_any_bytes(self):
        self.create("--max-total-records", "1000")
        self.push(prefixed(RECORDS), "--length-prefixed")
        self.assertEqual(self.pull("--length-prefixed"), prefixed(RECORDS))
        self.assert_sound()

    def test_many_records_with_lengths_arrive_in_order(self):
        self.create("--max-total-records", "20k", "--max-per-stage", "20k", "--max-per-source", "20k")
        many = prefixed(os.urandom(i % 200) for i in range(8000))
        push = self.start("push", self.segment, "--stage", "filter", "--source", "a", "--length-prefixed",
                          stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for at in range(0, len(many), 777):  # so that pieces end anywhere
            push.stdin.write(many[at:at + 777])
            push.stdin.flush()
        push.stdin.close()
        self.assertEqual(push.wait(timeout=PATIENCE), 0)
        self.assertEqual(self.pull("--length-prefixed"), many)

    def test_records_that_nul_bytes_end(self):
        self.create("--max-total-records", "1000")
        self.push(b"one\ntwo\0\0three", "-0")
        self.assertEqual(self.pull("-0"), b"one\ntwo\0\0three\0")

    def test_input_that_ends_inside_of_a_record_or_is_too_long(self):
        self.create("--max-total-records", "1000")
        for rest in (b"\0\0", b"\0\0\0\5four"):
            message = self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "a", "--length-prefixed",
                                     input=prefixed([b"one", b"two"]) + rest)
            self.assertIn("ends inside of record 3", message)
            self.assertEqual(self.pull("--length-prefixed"), prefixed([b"one", b"two"]))
        message = self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "a", "--length-prefixed",
                                 input=prefixed([b"one"]) + b"\0\1\0\0")
        self.assertIn("record 2 has 65536 bytes", message)
        message = self.fail_with(1, "push", self.segment, "--stage", "filter", "--source", "a", "-0",
                                 input=b"one\0" + b"x" * 2000)
        self.assertIn("record 2 has 2000 bytes", message)
        self.assertEqual(self.pull("-0"), b"one\0one\0")

    def test_a_format_has_fields_and_escapes(self):
        self.create("--max-total-records", "1000")
        self.push(b"a b\n", "--pipeline", "p", source="s-1")
        self.push(b"\n", source="s-2")
        self.assertEqual(self.pull("--format", r"{stage}\t{source} {pipeline} {length} {retries}:{payload}\{\\\n"),
                         b"filter\ts-1 p 3 0:a b{\\\nfilter\ts-2 default 0 0:{\\\n")
        self.push(b"x\n")
        self.assertRegex(self.pull("--format", "{time}"), rb"^[0-9]{10}\.[0-9]{3}$")
        self.push(b"x\n")
        self.assertEqual(self.pull("--format", "{position},{payload}"), b"0,x")
        self.succeed("replay", self.segment, "-", input=b"conveyor-flow 1\tfilter\n0\t1\ta\tp\t0\t17\nx\n")
        self.assertEqual(self.pull("--format", "{position},{payload}"), b"17,x")
        for text, word in (("{offset}", "{offset}"), ("{payload", "{payload"), ("{}", "{}"),
                           ("{payload}" * 40, "too many")):
            self.assertIn(word, self.fail_with(2, "pull", self.segment, "--stage", "filter", "--format", text))
        for one, other in (("-0", "--length-prefixed"), ("-0", "--format=x"), ("--length-prefixed", "--format=x")):
            self.assertIn("exclude", self.fail_with(2, "pull", self.segment, "--stage", "filter", one, other))
        self.assertIn("exclude", self.fail_with(2, "push", self.segment, "--stage", "filter", "--source", "a", "-0",
                                                "--length-prefixed"))

    def test_what_a_reader_has_not_read_is_given_back_in_every_framing(self):
        """A pipe gets few records at first: its reader takes one, and ends."""
        self.create("--max-total-records", "1000")
        self.push(b"".join(b"%d\n" % i for i in range(100)))
        pull = self.start("pull", self.segment, "--stage", "filter", "--batch", "1", "--format", "{source}={payload};",
                          stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.assertEqual(pull.stdout.read(9), b"file-1=0;")
        pull.stdout.close()
        self.assertEqual(pull.wait(timeout=PATIENCE), 1)
        wait_until(lambda: self.queued() in (98, 99), "all but what was read is back")
        self.assert_sound(self.queued())


if __name__ == "__main__":
    main()

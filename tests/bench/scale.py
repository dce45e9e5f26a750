"""Is the model of many cores right where the truth is known, and are its cache lines those of the library?

LINES is the program that counts them, SCALE the folder of the model.
"""
import json
import os
import re
import subprocess
import sys
import unittest

SCALE = os.environ["SCALE"]
sys.path.insert(0, SCALE)

import model  # noqa: E402  the path comes first
import scale  # noqa: E402

NEAR = {"cores_per_complex": 4, "complexes_per_socket": 2, "sockets": 2,
        "transfer_ns": {"complex": 20, "socket": 100, "other": 200}, "lines_in_flight": 10}


def counted_now(*producers):
    done = subprocess.run([os.environ["LINES"], *map(str, producers)], stdout=subprocess.PIPE, check=True, timeout=500)
    return json.loads(done.stdout)


def nothing_waited(batch):
    return {"producers": 1, "batch": batch, "put": {}, "get": {}, "ack": {}}


class Lines(unittest.TestCase):
    def test_table_is_what_the_library_does(self):
        """Up to 8 producers; those of 32 take longer, and are of the same code."""
        table = scale.read("lines.json")
        self.assertEqual([(r["producers"], r["batch"]) for r in table],
                         [(n, b) for n in (1, 4, 8, 32) for b in (1, 8, 32)])
        for row in counted_now(1, 4, 8):
            said = scale.row_of(table, row["producers"], row["batch"])
            for call in ("put", "get", "ack"):
                for kind in said[call].keys() | row[call].keys():
                    for then, now in zip(said[call].get(kind, (0, 0)), row[call].get(kind, (0, 0))):
                        self.assertAlmostEqual(then, now, delta=0.05 + 0.1 * then, msg=(
                            row["producers"], row["batch"], call, kind,
                            "count again: build/tests/bench/lines >bench/scale/lines.json"))

    def test_one_producer_and_one_consumer(self):
        """What can be said without counting: a record's unit and payload go to the consumer and come back."""
        for row in counted_now(1):
            put, get, ack = row["put"], row["get"], row["ack"]
            self.assertAlmostEqual(sum(put["unit"]), 1, delta=0.05)
            self.assertAlmostEqual(sum(get["unit"]), 1, delta=0.05)
            self.assertAlmostEqual(sum(put["payload"]) / row["batch"], 1, delta=0.05)
            # in long batches twice: fetched to be read, and then taken from the producer
            self.assertAlmostEqual(sum(get["payload"]) / row["batch"], 2 if row["batch"] == 32 else 1, delta=0.05)
            self.assertAlmostEqual(sum(get["slot"]), 1 / 8, delta=0.05)  # eight slots in a line
            self.assertAlmostEqual(sum(ack["group"]), 1 / 7, delta=0.05)  # seven entries in a group
            self.assertLess(scale.total(put, 0) + scale.total(get, 0) + scale.total(ack, 0), 3)


class Distance(unittest.TestCase):
    def test_transfers(self):
        machine = model.Machine(NEAR)
        self.assertEqual(machine.cores, 16)
        self.assertEqual([machine.transfer(0, other) for other in (0, 3, 4, 7, 8, 15)], [0, 20, 100, 100, 200, 200])


class Simulation(unittest.TestCase):
    def test_a_line_that_two_want(self):
        """Two cores that change one line in turns: each change takes a transfer and a locked instruction."""
        clock = model.Clock(model.Machine(NEAR))
        line, changes = model.Line(), []

        def change(core):
            while True:
                yield clock.take(line, core, "line")
                changes.append((clock.now, core))

        clock.start(change(0))
        clock.start(change(4))
        while len(changes) < 100:
            clock.step()
        each = 100 + model.LOCKED_NS
        self.assertEqual(changes[0], (model.LOCKED_NS, 0))
        self.assertEqual(changes[1], (model.LOCKED_NS + each, 4))
        self.assertEqual(changes[99], (model.LOCKED_NS + 99 * each, 4))
        self.assertAlmostEqual(clock.busy["line"] / clock.now, 1, delta=0.03)

    def test_a_line_of_one(self):
        """Nobody else wants it: it costs its locked instruction, and is idle while its owner works."""
        clock = model.Clock(model.Machine(NEAR))
        line, done = model.Line(), []

        def work_and_change():
            while True:
                yield clock.now + 95
                yield clock.take(line, 0, "line")
                done.append(clock.now)

        clock.start(work_and_change())
        while len(done) < 10:
            clock.step()
        self.assertEqual(done, [100 * n for n in range(1, 11)])
        self.assertAlmostEqual(clock.busy["line"] / clock.now, model.LOCKED_NS / 100)

    def test_one_producer_alone(self):
        """It has its work, and the look at the slot and the change of it, in a line that is its own. Nobody takes
        anything, and the limit is far."""
        stage = model.Stage(model.Machine(NEAR), nothing_waited(32), 2, 32)
        ring = model.Ring([0], [1], 32)
        stage.clock.due = []
        stage.clock.start(stage.producer(0, ring))
        begun, puts = ring.tail, 80
        while ring.tail < begun + puts:
            stage.clock.step()
        by_hand = puts * (153 / 2 * 32 * 0.07 + 2 * model.LOCKED_NS)
        self.assertAlmostEqual(stage.clock.now / by_hand, 1, delta=0.05)

    def test_waited_lines_take_their_transfer(self):
        counted = dict(nothing_waited(1), put={"unit": [0.5, 0.5], "slot": [1, 0]})
        stage = model.Stage(model.Machine(NEAR), counted, 2, 1)
        work = 952 / 2 * 0.07
        self.assertAlmostEqual(stage.own_ns(0, [1], ["put"]), work + 0.5 * 20)
        self.assertAlmostEqual(stage.own_ns(0, [8], ["put"]), work + 0.5 * 200)
        counted["put"] = {"slot": [3, 0]}  # the tail's line is played
        self.assertAlmostEqual(stage.own_ns(0, [1], ["put"]), work + 2 * 20)
        counted["put"] = {"payload": [0, 32]}
        self.assertAlmostEqual(stage.own_ns(0, [8], ["put"]), 32 * 200 / NEAR["lines_in_flight"])

    def test_each_unit_is_leased_once_and_in_order(self):
        """Sixteen cores at one ring; what is leased is all before the first that is not."""
        stage = model.Stage(model.Machine(NEAR), nothing_waited(1), 16, 1)
        ring = next(p for _, _, p in stage.clock.due).gi_frame.f_locals["ring"]
        stage.run(500)
        self.assertEqual(ring.leased, [True] * ring.first + [False] * (ring.tail - ring.first))
        self.assertGreaterEqual(ring.first, stage.left)
        self.assertLessEqual(ring.first - stage.left, 8)  # one in the hands of each consumer

    def test_a_wall_holds_and_rings_take_it_away(self):
        """With no work but the lines, 16 cores are no faster than 8 in one ring, and faster in two."""
        machine = model.Machine(NEAR)
        eight, one, two = (model.play(machine, nothing_waited(1), cores, 1, rings, 1000)
                           for cores, rings in ((8, 1), (16, 1), (16, 2)))
        self.assertLess(one["million_per_s"], 1.1 * eight["million_per_s"])
        self.assertIn(one["wall"], (model.TAIL, model.HEAD))
        self.assertGreater(one["busy"][one["wall"]], scale.FULL)
        self.assertGreater(two["million_per_s"], 1.5 * one["million_per_s"])


class Command(unittest.TestCase):
    def scale(self, *options):
        done = subprocess.run([sys.executable, os.path.join(SCALE, "scale.py"), *options], stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, timeout=500, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_all_rows_are_there(self):
        status, out, err = self.scale("--units", "300")
        self.assertEqual((status, err), (0, ""))
        rows = re.findall(r"^ *(\d+) +(\d+) +[\d.]+ +\d+  [a-z' ]+ \d+ % +\d+ +[\d.]+  [a-z' ]+ \d+ %$", out, re.M)
        self.assertEqual([tuple(map(int, r)) for r in rows], [(n, b) for n in (2, 16, 64, 192) for b in (1, 8, 32)])

    def test_the_model_is_near_what_was_measured(self):
        compared = list(scale.validate(scale.read("lines.json"), scale.read("machines.json"), 2000))
        self.assertEqual(len(compared), 5)
        for name, batch, measured, predicted in compared:
            self.assertLess(max(predicted / measured, measured / predicted), 2, (name, batch))

    def test_wrong_options(self):
        for options in (["--cores", "3"], ["--cores", "400"], ["--batch", "2"], ["--units", "1"],
                        ["--machine", "none"]):
            status, _, err = self.scale(*options)
            self.assertEqual(status, 2)
            self.assertIn("error", err)


if __name__ == "__main__":
    unittest.main()

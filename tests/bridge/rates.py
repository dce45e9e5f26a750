"""The bench of the bridges, with few records: each engine is measured each way, and what is left out of a ratio.

usage: rates.py CONVEYOR [--full]; BENCH is the program conveyor-bench, RATES what else bench/bridge/rates.py is told.
Without --full NATS is measured alone, as a group of Kafka's takes seconds to come together. How fast anything is, is
not judged.
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/bridge")
CONVEYOR = os.path.abspath(sys.argv[1])
FULL = "--full" in sys.argv
TOLD = os.environ["RATES"].split()
NATS, KAFKA = (TOLD[:2], TOLD[2:]) if "--bare-nats" in TOLD else ([], TOLD)
WAYS = ("out", "in")
COUNT = 2000

sys.path.insert(0, FOLDER)
import rates  # noqa: E402 (its folder must be known first)


def run_of(pair, who, rate, state="near", others=0.0):
    return {"engine": "E", "way": "in", "pair": pair, "who": who, "records_per_s": rate, "cpu_us": 1, "state": state,
            "others": others}


def bench_of(told):
    """The whole bench: what it printed, and what it wrote, if it came so far."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "found")
        done = subprocess.run(
            [sys.executable, os.path.join(FOLDER, "rates.py"), CONVEYOR, os.environ["BENCH"], *told, "--count",
             str(COUNT), "--pairs", "1", "--rest", "0.2", "--json", path],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if not os.path.exists(path):
            return done.stdout, None
        with open(path, encoding="utf-8") as f:
            return done.stdout, json.load(f)


class Rates(unittest.TestCase):
    def measured(self, name, told):
        """The bench of an engine; it checked each of its runs by count and sum."""
        if not told:
            self.skipTest("the client is not there")
        text, found = bench_of(told)
        self.assertTrue(found and not found["failures"], text)
        self.check(name, text, found)

    def test_nats_each_way(self):
        self.measured("NATS", NATS)

    @unittest.skipUnless(FULL, "with --full")
    def test_kafka_each_way(self):
        self.measured("Kafka", KAFKA)

    def check(self, engine, text, found):
        self.assertEqual([(r["engine"], r["who"], r["way"], r["failure"]) for r in found["bridge"]],
                         [(engine, who, way, None) for who in ("bare", "bridge") for way in WAYS])
        self.assertEqual([(r["engine"], r["way"]) for r in found["rows"]], [(engine, way) for way in WAYS])
        for r in found["rows"]:
            self.assertGreater(min(r[k] for k in ("bare_per_s", "bridge_per_s")), 0, r)
            self.assertAlmostEqual(r["ratio"], r["bridge_per_s"] / r["bare_per_s"])
            self.assertIn("%s %s" % (engine, r["way"]), text)
        self.assertEqual([(r["engine"], r["way"], r["how"]) for r in found["rest"]],
                         [(engine, way, how) for how in ("idle", "held") for way in ("in", "out")])

    @unittest.skipUnless(NATS, "the client is not there")
    def test_an_engine_that_fails_hides_no_other(self):
        """Neither one that comes before it nor one that comes behind it: all is told, and that one has failed."""
        text, found = bench_of([*NATS, "--bare-kafka", "/bin/false", "--kafka-mock", "/bin/echo"])
        self.assertEqual([(r["engine"], r["way"]) for r in found["rows"]], [("NATS", way) for way in WAYS], text)
        self.assertRegex(text, "(?m)^FAILED: Kafka: ")
        self.assertEqual(len(found["failures"]), 1)
        told = rates.parse_words([CONVEYOR, os.environ["BENCH"], "--bare-nats", "no", "--bare-kafka", "no",
                                  "--kafka-mock", "no"])
        tried = []

        class Failing(rates.Bench):
            def pair(self, engine, number):
                tried.append(engine.name)
                raise rates.Failed("as ordered")

        bench = Failing(told)
        self.assertEqual(rates.measure(bench, told), ["NATS: as ordered", "Kafka: as ordered"])
        self.assertEqual(tried, ["NATS", "Kafka"])

    @unittest.skipUnless(NATS, "the client is not there")
    def test_a_server_that_ends_in_the_middle_is_told(self):
        """While the bare client sends more than it can have sent by then. What it started ends."""
        told = rates.parse_words([CONVEYOR, os.environ["BENCH"], *NATS, "--count", "5000000"])
        engine = rates.Nats(told)

        class Dying(rates.Bench):
            def start(self, *words):
                process = super().start(*words)
                if words[0] == told.bare_nats:
                    rates.wait_for("the first message is stored", lambda: engine.count("BARE0") > 0)
                    engine.server.kill()
                return process

        bench = Dying(told)
        bench.engine = engine
        try:
            with self.assertRaisesRegex(rates.Failed, "NATS: the server ended in the middle, with -9; the end of its"):
                bench.pair(engine, 0)
        finally:
            bench.close()
            engine.close()
        self.assertTrue(all(process.poll() is not None for process in bench.running))

    def test_a_ratio_is_the_median_of_pairs(self):
        runs = [run_of(pair, who, rate) for pair, (bare, bridge) in enumerate(((10, 5), (20, 40), (10, 8)))
                for who, rate in (("bare", bare), ("bridge", bridge))]
        row = next(rates.rows_of(runs))
        self.assertEqual((row["ratio"], row["least"], row["most"], row["pairs"]), (0.8, 0.5, 2, 3))

    def test_pairs_that_cannot_be_compared_are_left_out(self):
        good = [run_of(0, "bare", 10), run_of(0, "bridge", 9)]
        for bad in ([run_of(1, "bare", 10), run_of(1, "bridge", 1, "far")],
                    [run_of(1, "bare", 10, "mixed"), run_of(1, "bridge", 1, "mixed")],
                    [run_of(1, "bare", 10), run_of(1, "bridge", 1, others=0.5)]):
            row = next(rates.rows_of(good + bad))
            self.assertEqual((row["ratio"], row["pairs"], row["left_out"], row["doubtful"]), (0.9, 1, 1, False))
            self.assertTrue(next(rates.rows_of(bad))["doubtful"])

    def test_what_does_not_come_fails(self):
        """Numbers that do not add up, as if one message had come twice instead of another."""
        told = rates.parse_words([CONVEYOR, os.environ["BENCH"], "--count", "3"])
        bench = rates.Bench(told)
        engine = type("Engine", (), {"name": "E", "processes": lambda self: []})()
        with self.assertRaisesRegex(rates.Failed, "instead of 3 records and their sum"):
            bench.measure(engine, 0, "bare", "in", lambda: ({"count": 3, "sum": 4, "timed": 2, "seconds": 1}, 0))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]] + [a for a in sys.argv[2:] if a != "--full"], verbosity=2)

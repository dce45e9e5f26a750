"""The bench of the bridges, with few records: each engine is measured each way, and what is left out of a ratio.

usage: rates.py CONVEYOR; BENCH is the program conveyor-bench, RATES what else is told to bench/bridge/rates.py
"""
import json
import os
import subprocess
import sys
import tempfile
import unittest

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../bench/bridge")
CONVEYOR = os.path.abspath(sys.argv[1])
TOLD = os.environ["RATES"].split()
WAYS = ("out", "in")
COUNT = 3000

sys.path.insert(0, FOLDER)
import rates  # noqa: E402 (its folder must be known first)


def run_of(pair, who, rate, state="near", others=0.0):
    return {"engine": "E", "way": "in", "pair": pair, "who": who, "records_per_s": rate, "cpu_us": 1, "state": state,
            "others": others}


class OneEngine:
    """The whole bench of one engine. Both run at once: a group of Kafka's takes seconds to come together."""

    def __init__(self, folder, name, told):
        self.name, self.path = name, os.path.join(folder, name)
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(FOLDER, "rates.py"), CONVEYOR, os.environ["BENCH"], *told, "--count",
             str(COUNT), "--pairs", "1", "--rest", "0.2", "--json", self.path],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self):
        """What it printed, and what it wrote, if it came so far."""
        text = self.process.communicate()[0]
        if self.process.returncode:
            return text, None
        with open(self.path, encoding="utf-8") as f:
            return text, json.load(f)


class Rates(unittest.TestCase):
    def test_each_engine_each_way(self):
        nats, kafka = (TOLD[:2], TOLD[2:]) if "--bare-nats" in TOLD else ([], TOLD)
        with tempfile.TemporaryDirectory() as folder:
            engines = [OneEngine(folder, name, told) for name, told in (("NATS", nats), ("Kafka", kafka)) if told]
            ended = [(engine.name, *engine.end()) for engine in engines]
        for name, text, found in ended:
            self.assertTrue(found, text)
            self.check(name, text, found)

    def check(self, engine, text, found):
        self.assertEqual([(r["engine"], r["who"], r["way"]) for r in found["bridge"]],
                         [(engine, who, way) for who in ("bare", "bridge") for way in WAYS])
        self.assertEqual([(r["engine"], r["way"]) for r in found["rows"]], [(engine, way) for way in WAYS])
        for r in found["rows"]:
            self.assertGreater(min(r[k] for k in ("bare_per_s", "bridge_per_s", "bare_cpu_us", "bridge_cpu_us")), 0, r)
            self.assertAlmostEqual(r["ratio"], r["bridge_per_s"] / r["bare_per_s"])
            self.assertIn("%s %s" % (engine, r["way"]), text)
        self.assertEqual([(r["engine"], r["way"], r["how"]) for r in found["rest"]],
                         [(engine, way, how) for how in ("idle", "held") for way in ("in", "out")])
        for r in found["rest"]:
            self.assertTrue(0 <= r["core"] < 1, r)

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
    unittest.main(argv=[sys.argv[0], *sys.argv[2:]], verbosity=2)

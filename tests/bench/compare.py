"""Are the verdicts of `compare` right? Files of results that are made up, in which the truth is known."""
import re
import unittest

from bench import BenchTest, bench, results, run


def runs(rates, **other):
    return [run(rate=r, repeat=i, **other) for i, r in enumerate(rates)]


def trips(times):
    return [{"system": "conveyor", "mode": "spin", "payload": 64, "state": "near", "repeat": i, "p50_ns": t,
             "failure": None} for i, t in enumerate(times)]


class Compare(BenchTest):
    def compare(self, a, b, *options):
        return bench("compare", *options, self.write("a.json", a), self.write("b.json", b))

    def verdict(self, a, b, *options):
        """Exit status, verdict, ratio, delta and p of the only line."""
        status, out, _ = self.compare(a, b, *options)
        line = [x for x in out.splitlines()[1:] if not x.startswith("note")]
        self.assertEqual(len(line), 1, out)
        found = re.search(r"(\S+)\s+(\S+)\s+(\S+)  (faster|slower|not told apart)$", line[0])
        return status, found[4], float(found[1]), float(found[2]), float(found[3])

    def test_five_runs_that_lie_apart(self):
        slow, fast = [10e6, 11e6, 12e6, 13e6, 14e6], [20e6, 21e6, 22e6, 23e6, 24e6]
        # The exact two-sided p of complete separation: 2 / (10 over 5).
        self.assertEqual(self.verdict(results(runs=runs(slow)), results(runs=runs(fast))),
                         (0, "faster", 1.83, 1.0, 0.0079))
        self.assertEqual(self.verdict(results(runs=runs(fast)), results(runs=runs(slow))),
                         (1, "slower", 0.55, -1.0, 0.0079))

    def test_four_runs_are_too_few(self):
        a, b = [10e6, 11e6, 12e6, 13e6], [20e6, 21e6, 22e6, 23e6]
        self.assertEqual(self.verdict(results(runs=runs(a)), results(runs=runs(b))),
                         (0, "not told apart", 1.87, 1.0, 0.0286))

    def test_runs_that_overlap(self):
        # U = 8 of 25 pairs: the exact p is 0.4206 (Mann and Whitney's table).
        a, b = [1e6, 3e6, 5e6, 7e6, 9e6], [2e6, 4e6, 8e6, 10e6, 11e6]
        status, verdict, _, delta, p = self.verdict(results(runs=runs(a)), results(runs=runs(b)))
        self.assertEqual((status, verdict, delta, p), (0, "not told apart", 0.36, 0.4206))

    def test_a_small_effect_is_not_a_verdict(self):
        # Many runs make any difference significant; the effect must be there too.
        a = [float(i) for i in range(1, 201)]
        b = [x + 40.5 for x in a]
        status, verdict, _, delta, p = self.verdict(results(runs=runs(a)), results(runs=runs(b)))
        self.assertLess(p, 0.01)
        self.assertLess(delta, 0.5)
        self.assertEqual((status, verdict), (0, "not told apart"))

    def test_less_time_is_faster(self):
        a, b = results(round_trip=trips([500, 510, 520, 530, 540])), results(round_trip=trips([300, 310, 320, 330, 340]))
        self.assertEqual(self.verdict(a, b), (0, "faster", 0.62, 1.0, 0.0079))
        self.assertEqual(self.verdict(b, a)[:2], (1, "slower"))

    def test_only_like_states(self):
        rates = [1e6, 2e6, 3e6, 4e6, 5e6]
        status, _, err = self.compare(results(runs=runs(rates)), results(runs=runs(rates, state="far")))
        self.assertEqual(status, 1)
        self.assertIn("in common", err)
        mixed = results(runs=runs(rates, state="mixed"))
        self.assertEqual(self.compare(mixed, mixed)[0], 1)

    def test_failed_runs_do_not_count(self):
        a = runs([10e6, 11e6, 12e6, 13e6, 14e6])
        b = runs([10e6, 11e6, 12e6, 13e6, 14e6]) + runs([1e6] * 20, failure="count differs")
        self.assertEqual(self.verdict(results(runs=a), results(runs=b)), (0, "not told apart", 1.0, 0.0, 1.0))

    def test_disturbed_runs_do_not_count(self):
        a = runs([10e6, 11e6, 12e6, 13e6, 14e6], others=0.02)
        b = runs([10e6, 11e6, 12e6, 13e6, 14e6]) + runs([1e6] * 20, others=0.3)
        self.assertEqual(self.verdict(results(runs=a), results(runs=b)), (0, "not told apart", 1.0, 0.0, 1.0))

    def test_a_file_without_payloads_is_of_full_records(self):
        old = runs([10e6, 11e6, 12e6, 13e6, 14e6])
        for one in old:
            del one["payload"]
        new = runs([20e6, 21e6, 22e6, 23e6, 24e6]) + runs([1e6] * 5, payload=8)
        self.assertEqual(self.verdict(results(runs=old), results(runs=new))[:2], (0, "faster"))

    def test_other_systems_only_if_all(self):
        rates = [1e6, 2e6, 3e6]
        both = results(runs=runs(rates) + runs(rates, system="pipe"))
        self.assertNotIn("pipe", self.compare(both, both)[1])
        self.assertIn("pipe", self.compare(both, both, "--all")[1])

    def test_what_is_no_file_of_results(self):
        good = self.write("good.json", results(runs=runs([1.0])))
        for bad in [self.write("bad.json", {"version": 2}), self.write("list.json", []), self.path("none.json")]:
            status, _, err = bench("compare", good, bad)
            self.assertEqual(status, 1)
            self.assertIn("compare: ", err)
        self.assertEqual(bench("compare", good)[0], 2)


unittest.main()

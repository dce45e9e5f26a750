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
        found = re.findall(r"(\S+)\s+(\S+)\s+(\S+)  (faster|slower|not told apart)(?:;.*)?$", out, re.M)
        self.assertEqual(len(found), 1, out)
        ratio, delta, p, verdict = found[0]
        return status, verdict, float(ratio), float(delta), float(p)

    def test_five_runs_that_lie_apart(self):
        slow, fast = [10e6, 11e6, 12e6, 13e6, 14e6], [14.1e6, 15e6, 16e6, 24e6, 100e6]
        # They spread too far for a t test; the exact two-sided p of complete separation is 2 / (10 over 5).
        self.assertEqual(self.verdict(results(runs=runs(slow)), results(runs=runs(fast))),
                         (0, "faster", 1.33, 1.0, 0.0079))
        self.assertEqual(self.verdict(results(runs=runs(fast)), results(runs=runs(slow))),
                         (1, "slower", 0.75, -1.0, 0.0079))

    def test_four_runs_that_lie_close(self):
        # The two-sided p of Welch's t of the logarithms, by numerical integration: 0.009324; of the ranks: 0.0286.
        a, b = [10e6, 11e6, 12e6, 13e6], [14e6, 15e6, 16e6, 19e6]
        self.assertEqual(self.verdict(results(runs=runs(a)), results(runs=runs(b))), (0, "faster", 1.35, 1.0, 0.0093))
        self.assertEqual(self.verdict(results(runs=runs(b)), results(runs=runs(a))), (1, "slower", 0.74, -1.0, 0.0093))

    def test_four_runs_that_spread_are_too_few(self):
        a, b = [10e6, 11e6, 12e6, 13e6], [14e6, 15e6, 16e6, 29e6]
        verdict = self.verdict(results(runs=runs(a)), results(runs=runs(b)))
        self.assertEqual(verdict[:4], (0, "not told apart", 1.35, 1.0))

    def test_three_runs_are_too_few(self):
        a, b = [10e6, 11e6, 12e6], [40e6, 41e6, 42e6]
        self.assertEqual(self.verdict(results(runs=runs(a)), results(runs=runs(b))),
                         (0, "not told apart", 3.73, 1.0, 0.1))

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
        a = results(round_trip=trips([500, 510, 520, 530, 540]))
        b = results(round_trip=trips([300, 310, 320, 330, 340]))
        self.assertEqual(self.verdict(a, b)[:4], (0, "faster", 0.62, 1.0))
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

    def test_so_many_runs_are_missing(self):
        def said(a, b):
            return self.compare(results(runs=runs(a)), results(runs=runs(b)))[1]
        three = [10e6, 10.1e6, 10.2e6]
        out = said(three, three)
        self.assertIn("1 more run each tells 1.5 times", out)
        self.assertIn("In 1 a difference of 1.5 times could not have been seen: 1 more run each can show it", out)
        four = three + [10.3e6]
        out = said(four, four)
        self.assertNotIn("more run", out)
        self.assertIn("Each of them could have shown a difference of 1.5 times.", out)
        spread = [1e6, 5e6, 9e6, 20e6, 40e6]
        out = said(spread, spread)
        self.assertRegex(out, r"(\d+) more runs each tell 1.5 times|64 more runs do not tell 1.5 times")

    def test_the_missing_runs_are_enough(self):
        spread = [8e6, 9e6, 10e6, 12e6, 14e6]
        out = self.compare(results(runs=runs(spread)), results(runs=runs(spread)))[1]
        more = int(re.search(r"(\d+) more runs? each", out)[1])
        longer = [(spread * 20)[i] * (1 + 1e-9 * i) for i in range(5 + more)]
        verdict = self.verdict(results(runs=runs(longer)), results(runs=runs([1.5 * x for x in longer])))
        self.assertEqual(verdict[1], "faster")
        verdict = self.verdict(results(runs=runs(longer[:-1])), results(runs=runs([1.5 * x for x in longer[:-1]])))
        self.assertEqual(verdict[1], "not told apart")

    def test_it_begins_with_what_came_out(self):
        slow, fast = [10e6, 11e6, 12e6, 13e6, 14e6], [20e6, 21e6, 22e6, 23e6, 24e6]
        a = results(runs=runs(slow) + runs(slow, batch=1) + runs(slow, batch=2))
        b = results(runs=runs(fast) + runs(slow, batch=1) + runs([x / 3 for x in slow], batch=2))
        self.assertTrue(self.compare(a, b)[1].startswith(
            "B is faster in 1 figures, slower in 1, and in 1 they cannot be told apart."))

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

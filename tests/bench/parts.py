"""Does each part of the suite run, verify what it moved, and write what it says? Short runs; no figure is judged."""
import glob
import json
import os
import re
import statistics
import subprocess
import unittest

from bench import BENCH, BenchTest, bench

OTHERS_MAX = 0.1
KERNEL = {"pipe", "POSIX mq", "seqpacket"}  # always there
LIBRARIES = {"rte_ring": "rte_ring", "ck_ring MPMC": "ck_ring", "boost queue": "boost queue",
             "boost messages": "boost messages", "ZeroMQ ipc": "ZeroMQ"}


class Parts(BenchTest):
    def part(self, name, *options):
        """Runs a part; its table and its results."""
        status, out, err = bench(name, *options, "--json", self.path("r.json"))
        self.assertEqual(status, 0, out + err)
        return out, json.loads(self.read("r.json"))

    def assert_quantiles(self, one):
        values = [one[k] for k in ("p50_ns", "p90_ns", "p99_ns", "p99_9_ns", "p99_99_ns", "max_ns")]
        self.assertEqual(values, sorted(values), one)
        self.assertGreater(one["count"], 0, one)
        self.assertGreater(values[0], 0, one)

    def assert_systems(self, systems, left_out):
        self.assertLessEqual(KERNEL | {"conveyor", "conveyor reserve", "plain copy"}, systems)
        for system, name in LIBRARIES.items():
            self.assertTrue(system in systems or name in left_out, system)

    def test_peers(self):
        out, r = self.part("peers", "--processes", "1x1", "--batch", "1,128", "--payload", "8,64,1024", "--repeats", 1,
                           "--window-ms", 30, "--again", 0)
        self.assert_systems({x["system"] for x in r["runs"]}, r["left_out"])
        self.assertEqual({x["payload"] for x in r["runs"]}, {8, 64, 1024})
        for one in r["runs"]:
            self.assertIsNone(one["failure"], one)
            self.assertGreater(one["cpu_ns_per_record"], 0, one)
            self.assertIn(one["state"], ("near", "far", "mixed"))
        for key in ("cpu", "kernel", "governor", "compiler", "versions", "pinning"):
            self.assertTrue(r["machine"][key], key)
        self.assertIn("counts and sums agree", out)

    def test_many_processes(self):
        out, r = self.part("peers", "--processes", "2x2,1x4,4x1", "--batch", "1,32", "--repeats", 1, "--window-ms", 30,
                           "--again", 0, "--systems", "conveyor,conveyor reserve,pipe")
        self.assertEqual(len(r["runs"]), 18)
        for one in r["runs"]:
            self.assertIsNone(one["failure"], one)
            self.assertTrue(0 <= one["fairness"] <= 1, one)
            self.assertEqual(one["oversubscribed"], one["producers"] + one["consumers"] > r["machine"]["processors"])
        self.assertEqual("OVERSUBSCRIBED" in out, r["machine"]["processors"] < 5)

    def test_time_costs_repeats_and_not_rows(self):
        _, r = self.part("peers", "--processes", "1x1", "--repeats", 64, "--window-ms", 20, "--seconds", 5,
                         "--again", 0)
        self.assertEqual(len({(x["system"], x["batch"]) for x in r["medians"]}), 2 * len(r["systems"]))
        self.assertLess(len(r["runs"]), 64 * 2 * len(r["systems"]))

    def test_brokers(self):
        bench_id = self.start_and_name("brokers", "--repeats", 1, "--json", self.path("r.json"))
        self.assertEqual(glob.glob("/tmp/conveyor-bench-server%s-*" % bench_id), [])
        r = json.loads(self.read("r.json"))
        runs = r["brokers"]
        systems = {x["system"] for x in runs}
        for system in ("Redis streams", "NATS JetStream"):
            self.assertTrue(system in systems or system in r["left_out"], system)
        self.assertIn("conveyor", systems)
        self.assertEqual({(x["system"], x["batch"]) for x in runs}, {(s, b) for s in systems for b in (1, 32, 256)})
        for one in runs:
            self.assertEqual(one["payload"], 256)
            if one["system"] == "conveyor" or not (one["failure"] or "").startswith("got stuck"):
                self.assertIsNone(one["failure"], one)
                self.assertGreater(one["cpu_ns_per_record"], 0, one)

    def test_round_trip(self):
        out, r = self.part("round-trip", "--repeats", 2, "--window-ms", 60)
        self.assert_systems({x["system"] for x in r["round_trip"]}, r["left_out"])
        self.assertLessEqual({("conveyor", "spin"), ("conveyor wait", "wait"), ("conveyor wait", "sleep"),
                              ("raw futex", "sleep")}, {(x["system"], x["mode"]) for x in r["round_trip"]})
        for one in r["round_trip"]:
            self.assertIsNone(one["failure"], one)
            self.assert_quantiles(one)
        p50 = {(x["mode"], x["system"], x["repeat"]): x["p50_ns"] for x in r["round_trip"]
               if x["others"] <= OTHERS_MAX and x["state"] != "mixed"}
        both = [[p50.get(("sleep", system, i)) for system in ("conveyor wait", "raw futex")] for i in range(8)]
        ratios = [ours / theirs for ours, theirs in both if ours and theirs]
        if ratios:
            self.assertIn("To one who is asleep, beside a raw futex: %.2f times as long (p50; %.2f to %.2f in %d "
                          "repeats)." % (statistics.median(ratios), min(ratios), max(ratios), len(ratios)), out)

    def test_latency(self):
        _, r = self.part("latency", "--rate", 20000, "--seconds", 1, "--hgrm", self.folder, "--systems",
                         "conveyor,conveyor wait,pipe")
        self.assertEqual({x["system"] for x in r["latency"]}, {"conveyor", "conveyor wait", "pipe"})
        for one in r["latency"]:
            self.assertIsNone(one["failure"], one)
            self.assert_quantiles(one)
            self.assertLessEqual(one["count"], 18000)  # the first tenth is not counted
        by_kind = {k: {x["system"]: x["p50_ns"] for x in r["latency"] if x["kind"] == k}
                   for k in ("response", "service")}
        for system, service in by_kind["service"].items():
            self.assertGreaterEqual(by_kind["response"][system], service, system)
        one = next(x for x in r["latency"] if x["system"] == "conveyor" and x["kind"] == "response")
        self.assert_hgrm("conveyor-response.hgrm", one)

    def test_half_load(self):
        _, r = self.part("half-load", "--repeats", 1)
        systems = {x["system"] for x in r["half_load"]}
        self.assertLessEqual({"conveyor", "conveyor reserve"} | KERNEL, systems)
        for one in r["half_load"]:
            self.assertIsNone(one["failure"], one)
            self.assert_quantiles(one)
            self.assertGreater(one["greatest_per_s"], one["reached_per_s"] * 0.9, one)

    def test_limits(self):
        _, r = self.part("limits", "--repeats", 1)
        runs = r["limits"]
        ours = [x for x in runs if x["system"] == "conveyor"]
        whole = {(n, limit) for n in (1, 2, 4) for limit in (100, 200, 500, 1000, 2000, 5000, 10000, 100000)}
        self.assertEqual(whole, {(x["producers"], x["limit"]) for x in ours if x["batch"] == 32})
        self.assertEqual({1, 4, 32}, {x["batch"] for x in ours if x["limit"] == 1000})
        for one in ours:
            self.assertIsNone(one["failure"], one)
            self.assertTrue(one["records_per_s"] > 0 or one["others"] > OTHERS_MAX, one)
        self.assertEqual(len(ours), len({(x["producers"], x["limit"], x["batch"]) for x in ours}))

    def test_what_others_disturb_is_done_again(self):
        busy = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(2 * len(os.sched_getaffinity(0)))]
        try:
            out, r = self.part("wake-up", "--repeats", 1)
        finally:
            for one in busy:
                one.kill()
                one.wait()
        self.assertIn("were done again", out)
        runs = r["wake_up"]
        self.assertEqual(len(runs), len({(x["system"], x["rate"]) for x in runs}))

    def test_wake_up(self):
        _, r = self.part("wake-up", "--repeats", 1)
        self.assertLessEqual({("conveyor wait", 1000), ("conveyor wait", 10000), ("pipe wait", 1000)},
                             {(x["system"], x["rate"]) for x in r["wake_up"]})
        for one in r["wake_up"]:
            self.assertIsNone(one["failure"], one)
            self.assertEqual(one["count"], one["rate"] * 9 // 10, one)  # all came, the first tenth is not counted
            self.assertGreater(one["cpu_ns_per_record"], 500, one)

    def assert_hgrm(self, name, one):
        lines = self.read(name).splitlines()
        rows = [tuple(map(float, x.split())) for x in lines if re.match(r" *\d", x)]
        self.assertEqual([x[:3] for x in rows], sorted(x[:3] for x in rows))
        self.assertEqual((rows[-1][0], rows[-1][2]), (one["max_ns"], one["count"]))
        self.assertEqual(next(x[0] for x in rows if x[1] == 0.5), one["p50_ns"])

    def test_pipeline(self):
        for options in (("--sources", 2, "--stages", 3), ("--stages", 4, "--workers", 2, "--rewrite"), ("--stages", 1)):
            _, r = self.part("pipeline", *options, "--repeats", 2, "--window-ms", 60)
            self.assertEqual([x["failure"] for x in r["pipeline"]], [None, None])
            self.assertTrue(all(x["records_per_s"] > 0 for x in r["pipeline"]))

    def test_backpressure(self):
        out, r = self.part("backpressure", "--seconds", 1)
        self.assertIn("OK: no limit was exceeded", out)
        self.assertIn("pause", {x["signal"] for x in r["backpressure"]})
        self.assertGreater(r["backpressure_summary"][0]["stalled_s"], 0)
        self.assertLessEqual(max(x["buffered"] for x in r["backpressure"]), 3000)

    def test_cost(self):
        _, r = self.part("cost", "--quick", "--repeats", 1)
        self.assertEqual({x["what"] for x in r["cost"]}, {"capacity, nearly empty", "capacity, half full", "stages",
                                                         "sources", "handles", "payload bytes"})
        self.assertTrue(all(x["ns_per_record"] > 0 and x["bytes_per_record"] > 0 for x in r["cost"]))

    def test_heal(self):
        # How long it takes when others are busy is a figure; a machine under load may show none within the limit.
        status, _, err = bench("heal", "--repeats", 2, "--json", self.path("r.json"))
        healed = json.loads(self.read("r.json"))["heal"]
        self.assertEqual(sorted(x["batch"] for x in healed if x["mode"] == "idle"), [1, 1, 32, 32])
        self.assertTrue(all(x["ms"] > 0 for x in healed))
        self.assertEqual((status, err.count("not all")), (int(len(healed) < 8), 8 - len(healed)))

    def test_long(self):
        out, r = self.part("long", "--seconds", 2)
        works = {(n, b) for n in (1, 2, 4) for b in (1, 4, 32)}
        self.assertEqual({(x["producers"], x["batch"]) for x in r["long"]}, works)
        for one in r["long"]:
            self.assertIsNone(one["failure"], one)
            seconds = [x for x in r["long_seconds"] if (x["producers"], x["batch"]) == (one["producers"], one["batch"])]
            rates = [x["records_per_s"] for x in seconds if x["others"] <= OTHERS_MAX]
            self.assertEqual([x["t_ms"] for x in seconds], [0, 1000])
            self.assertEqual(len(rates), one["seconds_that_count"])
            if rates:
                self.assertAlmostEqual(one["worst_per_s"], min(rates), delta=1)
                self.assertAlmostEqual(one["worst_part"], min(rates) / statistics.median(rates), delta=1e-6)
        self.assertIn("worst/median", out)

    def test_the_job_and_its_share(self):
        with open(self.path("index"), "w", encoding="ascii") as f:
            for i in range(5000):
                f.write("Package: p%d\nDepends: libc6\nDescription: %s\n\n" % (i, "x" * (i % 700)))
        status, out, err = bench("job", "--input", self.path("index"), "--output", self.folder, "--passes", 3,
                                 "--batch", 8, "--json", self.path("r.json"))
        self.assertEqual(status, 0, out + err)
        self.assertIn("batches of 8\n", out)
        share = re.search(r"library +([0-9.]+) % of the processor time.* \(([0-9.]+) of ([0-9.]+) s\)", out)
        self.assertTrue(0 < float(share[1]) < 100, out)
        self.assertLess(float(share[2]), float(share[3]))
        one = json.loads(self.read("r.json"))["job"][0]
        self.assertEqual((one["batch"], one["records"], one["failure"]), (8, 15000, None))
        self.assertAlmostEqual(one["library_part"] * 100, float(share[1]), delta=0.051)

    def test_tune(self):
        out, r = self.part("tune", "--quick", "--record-size", 100)
        self.assertEqual({x["what"] for x in r["tune"]}, {"batch", "room", "thresholds", "waiting", "payload size"})
        for what in {x["what"] for x in r["tune"]}:
            self.assertEqual(sum(x["chosen"] for x in r["tune"] if x["what"] == what), 1, what)
        command = re.search(r"conveyor create NAME (.*?)\\\n(.*)", out)
        self.assertIn("--payload-size", command[1])
        self.assertIn("--resume-threshold", command[2])

    def test_nothing_is_left_behind(self):
        bench_id = self.start_and_name("peers", "--processes", "1x1", "--repeats", 1, "--window-ms", 20, "--again", 0)
        for folder in ("/dev/shm", "/dev/mqueue"):
            if os.path.isdir(folder):
                self.assertEqual([x for x in os.listdir(folder) if bench_id in x], [])

    def start_and_name(self, *arguments):
        """Runs the suite to its end; the process id that all its names carry."""
        process = subprocess.Popen([BENCH, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.assertEqual(process.wait(timeout=100), 0)
        return "-%d" % process.pid

    def test_a_folder_for_the_job_that_is_not_there(self):
        with open(self.path("input"), "w", encoding="utf-8") as f:
            f.write("Package: a\nVersion: 1\n\n")
        status, _, err = bench("job", "--input", self.path("input"), "--output", self.path("nowhere"))
        self.assertEqual(status, 1)
        self.assertIn("cannot write into %s: No such file or directory" % self.path("nowhere"), err)

    def test_wrong_usage(self):
        for arguments in ([], ["nothing"], ["peers", "--batch", "0"], ["peers", "--payload", "12"],
                          ["peers", "--processes", "1"], ["latency", "--rate", "x"], ["round-trip", "more"],
                          ["pipeline", "--stages", "99"], ["tune", "--record-size", "0"], ["heal", "--repeats", "-1"],
                          ["report"], ["all", "--seconds", "1"]):
            status, _, err = bench(*arguments)
            self.assertEqual(status, 2, arguments)
            self.assertIn("usage: ", err)
        for name in re.findall(r"^  ([a-z-]+)  ", bench("--help")[1], re.M):
            self.assertEqual(bench(name, "--help")[0], 0, name)


unittest.main()

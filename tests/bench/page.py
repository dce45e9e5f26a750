"""Is the HTML page true, and can it be read? Its charts are looked at as XML beside its tables, and in a browser, if
there is one, at the width of a desk and of a phone, light and dark."""
import math
import os
import re
import shutil
import struct
import subprocess
import unittest
import xml.etree.ElementTree as ET
import zlib

from bench import BENCH, BenchTest, bench, results, run

SVG = "{http://www.w3.org/2000/svg}"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
GNUPLOT = shutil.which("gnuplot")
OURS = (0xD5, 0x5E, 0x00)
SYSTEMS = {"conveyor": 9e6, "conveyor reserve": 8e6, "pipe": 2e6, "plain copy": 3e7}


def quantiles(base):
    return {"p50_ns": base, "p90_ns": 2 * base, "p99_ns": 3 * base, "p99_9_ns": 9 * base, "p99_99_ns": 20 * base,
            "max_ns": 40 * base, "count": 1000}


def compared():
    """Runs of four systems: batches of 1, 8 and 32 at 1P1C and 2P2C, batches of 1 and 32 at 4P4C; five repeats."""
    runs = []
    for n, batches in ((1, (1, 8, 32)), (2, (1, 8, 32)), (4, (1, 32))):
        for batch in batches:
            for system, rate in SYSTEMS.items():
                for i in range(5):
                    runs.append(run(system, rate * batch / n * (1 + i / 50), i, producers=n, consumers=n, batch=batch))
    return runs


def sample(runs=None):
    """Some of everything."""
    trips = [dict({"system": s, "mode": m, "payload": 64, "state": "near", "repeat": i, "failure": None},
                  **quantiles(b + i))
             for s, m, b in (("conveyor", "spin", 300), ("pipe", "spin", 3000), ("conveyor wait", "sleep", 52000),
                             ("raw futex", "sleep", 50000)) for i in range(3)]
    latency = [dict({"system": s, "kind": k, "rate": 1000, "state": "near", "failure": None}, **quantiles(b))
               for k in ("response", "service") for s, b in (("conveyor", 300), ("pipe", 2500))]
    flow = [{"t_ms": 20 * i, "buffered": 100 * i % 1600, "put": 50 * i, "taken": 40 * i, "signal": "pause",
             "level": i % 3, "delay_ms": 0} for i in range(100)]
    cost = [{"what": w, "size": s, "batch": b, "repeat": 0, "ns_per_record": 80.0 / b, "bytes_per_record": 184.0}
            for w in ("stages", "payload bytes") for s in (0, 10, 1000) for b in (1, 32)]
    heal = [{"mode": m, "batch": b, "state": "near", "repeat": 0, "ms": 3.5 * b}
            for m in ("busy", "idle") for b in (1, 32)]
    python = [{"system": s, "payload": 256, "batch": 64, "repeat": i, "records_per_s": rate + i, "put_ns": 300.0,
               "take_ns": 500.0, "others": 0.5 if i > 3 else 0.0, "failure": None}
              for s, rate in (("conveyor views", 1.5e6), ("multiprocessing.Queue", 5e4), ("pyzmq ipc", 1e5),
                              ("the C library", 1e7)) for i in range(5)]
    return results(runs=compared() if runs is None else runs, systems=[
        {"name": s, "about": "", "reference": s == "plain copy"} for s in SYSTEMS], round_trip=trips, latency=latency,
        backpressure=flow, backpressure_summary=[{"sources": 3, "max_per_stage": 3000}], cost=cost, heal=heal,
        python=python, job=[job(64, 0.15), job(8, 0.25)],
        half_load=[dict({"system": s, "batch": 32, "payload": 64, "state": "near", "repeat": 0, "failure": None,
                         "greatest_per_s": rate, "reached_per_s": rate / 2}, **quantiles(b))
                   for s, rate, b in (("conveyor", 2.2e7, 400), ("pipe", 1e6, 3000))],
        limits=[{"system": s, "producers": n, "consumers": n, "batch": batch, "limit": limit, "payload": 64,
                 "state": "near", "repeat": i, "others": 0.0, "failure": None, "records_per_s": rate * part * batch}
                for s, rate in (("conveyor", 1e6), ("rte_ring HTS", 5e5)) for n in (1, 2)
                for limit, batch, part in ((100, 32, 0.5), (1000, 1, 1), (1000, 4, 1), (1000, 32, 1),
                                           (5000, 32, 0.9 if s == "conveyor" and n == 1 else 2))
                for i in range(3)],
        brokers=[{"system": s, "producers": 1, "consumers": 1, "batch": b, "payload": 256, "state": "near", "repeat": i,
                  "others": 0.0, "failure": None, "records_per_s": rate * b, "cpu_ns_per_record": 1e9 / rate,
                  "sleeps_per_record": 0.0, "fairness": 1.0}
                 for s, rate in (("conveyor", 2e6), ("Redis streams", 2e4), ("NATS JetStream", 1e4))
                 for b in (1, 32, 256) for i in range(3)],
        wake_up=[{"system": s, "rate": r, "payload": 64, "state": "near", "repeat": i, "others": 0.0, "failure": None,
                  "cpu_ns_per_record": ns + i} for s, ns in (("conveyor wait", 6000), ("pipe wait", 7000))
                 for r in (1000, 10000) for i in range(3)])


def long_run(producers, batch, rates):
    """A long run, and its seconds."""
    work = {"system": "conveyor", "producers": producers, "consumers": producers, "batch": batch, "payload": 64,
            "core_to_core": "near-far", "repeat": 0, "others": 0.0, "failure": None}
    median, worst = sorted(rates)[len(rates) // 2], min(rates)
    run = dict(work, seconds=len(rates), seconds_that_count=len(rates), records_per_s=median, worst_per_s=worst,
               worst_part=worst / median, first_per_s=rates[0], last_per_s=rates[-1])
    return run, [dict(work, t_ms=1000 * i, records_per_s=rate) for i, rate in enumerate(rates)]


def job(batch, part):
    return {"batch": batch, "records": 1000, "seconds": 2.0, "cpu_s": 4.0, "library_s": 4.0 * part,
            "library_part": part, "others": 0.0, "failure": None}


def pixels(path):
    """Width, height and the rows of a PNG of 8 bits, RGB or RGBA."""
    with open(path, "rb") as f:
        data = f.read()
    at, packed = 8, b""
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at:at + 8])
        if kind == b"IHDR":
            width, height, bits, color = struct.unpack(">IIBB", data[at + 8:at + 18])
            assert bits == 8 and color in (2, 6)
        elif kind == b"IDAT":
            packed += data[at + 8:at + 8 + size]
        at += size + 12
    return width, height, unfilter(zlib.decompress(packed), width, height, 3 if color == 2 else 4)


def predict(kind, left, up, corner):
    if kind < 3:
        return (0, left, up)[kind]
    if kind == 3:
        return (left + up) // 2
    p = left + up - corner
    return min((abs(p - left), 0, left), (abs(p - up), 1, up), (abs(p - corner), 2, corner))[2]


def unfilter(raw, width, height, each):
    rows, above, stride = [], bytearray(width * each), width * each
    for y in range(height):
        kind, row = raw[y * (stride + 1)], bytearray(raw[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        for x in range(stride if kind else 0):
            left, corner = (row[x - each], above[x - each]) if x >= each else (0, 0)
            row[x] = (row[x] + predict(kind, left, above[x], corner)) & 255
        rows.append([tuple(row[x:x + 3]) for x in range(0, stride, each)])
        above = row
    return rows


class Figure:
    """A chart and its table."""

    def __init__(self, html):
        self.caption = re.search(r"<figcaption>(.*?)</figcaption>", html)[1]
        svg = re.search(r"<svg.*?</svg>", html, re.S)
        self.svg = ET.fromstring(svg[0]) if svg else None
        self.rows = {}
        for row in re.findall(r"<tr[^>]*>(<td>.*?)</tr>", html, re.S):
            name = re.match(r"<td>(.*?)</td>", row)[1]
            self.rows[name] = dict(re.findall(r'<td data-label="([^"]*)">(.*?)</td>', row))

    def figure(self, row, column):
        """The number of a cell, None for "-"; and what stands below it."""
        number, below = self.rows[row][column].split("<small>")
        return None if number == "-" else float(number.split()[0]), below.replace("</small>", "")

    def texts(self):
        return ["".join(x.itertext()).strip() for x in self.svg.iter(SVG + "text")]

    def series(self):
        """By name: color, dash, and the heights of its points from left to right."""
        found = {}
        for group in self.svg.iter(SVG + "g"):
            name = ["".join(x.itertext()) for x in group.iter(SVG + "text")]
            paths = list(group.iter(SVG + "path"))
            if "_plot_" not in group.get("id", "") or not name or not paths:
                continue
            points = [re.search(r"translate\(([\d.]+),([\d.]+)\)", x.get("transform"))
                      for x in group.iter(SVG + "use")]
            points = sorted((float(p[1]), float(p[2])) for p in points[:-1])  # the last one is the key's
            found[name[0]] = (paths[-1].get("stroke"), paths[-1].get("stroke-dasharray"), [y for _, y in points])
        return found


class Page(BenchTest):
    drawn = None

    def make(self, content, charts=False):
        """The figures of a page; charts cost a second, so that most pages are without."""
        self.write("r.json", content)
        environment = None if charts else {"PATH": "/nowhere", "LC_ALL": "C"}
        done = subprocess.run([BENCH, "report", self.path("r.json"), "--html", self.path("r.html"), "--csv",
                               self.path("r.csv")], capture_output=True, timeout=200, env=environment, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        self.html = self.read("r.html")
        return [Figure(x) for x in re.findall(r"<figure>.*?</figure>", self.html, re.S)]

    def draw(self):
        """The figures of the page of sample() with its charts, which is made once for all tests."""
        if Page.drawn is None:
            figures = self.make(sample(), charts=True)
            Page.drawn = (self.html, figures)
        self.html, figures = Page.drawn
        with open(self.path("r.html"), "w", encoding="utf-8") as f:
            f.write(self.html)
        return figures

    def one(self, figures, caption):
        return next(f for f in figures if f.caption.startswith(caption))

    def cell(self, runs, row="conveyor", column="batch 8"):
        """The figure of 1P1C in batches of 8, of these runs beside the usual ones of the other systems."""
        rest = [x for x in compared() if x["system"] != row]
        return self.one(self.make(sample(rest + runs)), "1P1C").figure(row, column)

    @unittest.skipUnless(GNUPLOT, "no gnuplot on this machine")
    def test_the_charts_that_are_wanted(self):
        figures = self.draw()
        drawn = [f.caption for f in figures if f.svg is not None]
        self.assertEqual(drawn, [f.caption for f in figures])
        self.assertEqual(len(drawn), 24)
        for text in ("1P1C", "2P2C", "4P4C", "Full records in batches of 1,", "Full records in batches of 32",
                     "Round trip, both look", "Round trip, the other was asleep", "Response time", "Service time",
                     "Fast sources", "Records put", "What the sources are told", "Cost of a record against stages",
                     "Cost of a record against payload", "From kill -9", "256 bytes, batches of 64",
                     "Processor time in calls of the library", "Response time at half",
                     "Processor time for a record to a process that sleeps"):
            self.assertTrue(any(c.startswith(text) for c in drawn), text)

    @unittest.skipUnless(GNUPLOT, "no gnuplot on this machine")
    def test_chart_and_table_show_the_same(self):
        figures = self.draw()
        f = self.one(figures, "1P1C")
        series, values = f.series(), {}
        self.assertEqual(set(series), set(SYSTEMS))
        for name, (_, _, heights) in series.items():
            self.assertEqual(len(heights), 3, name)
            for column, height in zip(("batch 1", "batch 8", "batch 32"), heights):
                values[height] = math.log(f.figure(name, column)[0])
        (low, bottom), (high, top) = max(values.items()), min(values.items())
        for height, value in values.items():
            expected = bottom + (top - bottom) * (low - height) / (low - high)
            self.assertAlmostEqual(value, expected, delta=0.02)
        bars = self.one(figures, "4P4C")
        for name in SYSTEMS:
            for column in ("batch 1", "batch 32"):
                self.assertIn(bars.rows[name][column].split("<small>")[0], bars.texts())

    @unittest.skipUnless(GNUPLOT, "no gnuplot on this machine")
    def test_a_system_looks_the_same_everywhere(self):
        looks, compared_charts = {}, 0
        for f in self.draw():
            for name, (color, dash, _) in f.series().items():
                if name not in SYSTEMS:
                    continue
                compared_charts += name in looks
                self.assertEqual(looks.setdefault(name, (color, dash)), (color, dash), f.caption + ", " + name)
        self.assertGreater(compared_charts, 8)
        self.assertEqual(looks["conveyor"], ("rgb(213,  94,   0)", None))
        self.assertEqual(len(set(looks.values())), len(SYSTEMS))

    @unittest.skipUnless(GNUPLOT, "no gnuplot on this machine")
    def test_axes(self):
        figures = self.draw()
        texts = self.one(figures, "Response time").texts()
        for text in ("50 %", "90 %", "99 %", "99.9 %", "99.99 %", "100 ns", "1 us"):
            self.assertIn(text, texts)
        for f in figures:
            self.assertNotRegex(" ".join(f.texts()), r"\de[+-]", f.caption)
        self.assertIn("batch 1 (pale)", self.one(figures, "4P4C").texts())  # bars: it has two batches

    @unittest.skipUnless(GNUPLOT, "no gnuplot on this machine")
    def test_no_chart_of_one_point(self):
        f = self.one(self.make(sample([run()]), charts=True), "1P1C")
        self.assertIsNone(f.svg)
        self.assertEqual(f.figure("conveyor", "batch 32"), (1.0, "n 1"))

    def test_disturbed_runs_count_nowhere(self):
        good = [run("conveyor", 8e6 + i, i, batch=8) for i in range(3)]
        disturbed = [run("conveyor", 1e3, 3, batch=8, others=0.3), run("conveyor", 1e9, 4, batch=8, state="mixed")]
        self.assertEqual(self.cell(good), (8.0, "8.00–8.00, n 3"))
        self.assertEqual(self.cell(good + disturbed), (8.0, "8.00–8.00, n 3 of 5"))
        csv = [x.split(",") for x in self.read("r.csv").splitlines()]
        at = csv[0].index("left_out")
        self.assertEqual({x[at] for x in csv[1:]}, {'""', '"disturbed"', '"the machine changed"'})
        out = bench("report", self.path("r.json"))[1]
        self.assertRegex(out, r"8\.00 \(8\.00-8\.00\) 3/5")

    def test_what_was_not_measured_says_why(self):
        disturbed = [run("conveyor", 1e6, i, batch=8, others=0.5) for i in range(3)]
        self.assertEqual(self.cell(disturbed), (None, "disturbed"))
        self.assertEqual(self.cell([run("conveyor", 1e6, batch=8, state="mixed")]), (None, "the machine changed"))
        stuck = "got stuck: not empty 3 s after the producers stopped"
        self.assertEqual(self.cell([run("conveyor", 0, batch=8, failure=stuck)]), (None, "got stuck"))
        self.assertEqual(self.cell([run("conveyor", r, batch=8) for r in (0, 0, 5e5)]), (None, "stood still"))
        out = bench("report", self.path("r.json"))[1]
        self.assertIn("- (stood still)", out)
        self.assertNotIn("0.000", out + self.html)

    def test_a_small_figure_is_not_nothing(self):
        self.assertEqual(self.cell([run("conveyor", 41.0, batch=8)]), (0.000041, "n 1"))

    def test_what_collapsed_is_no_yardstick(self):
        slow = [run("pipe", 100 + i, i, batch=8) for i in range(5)]
        self.cell(slow, "pipe")
        out = bench("report", self.path("r.json"))[1]
        self.assertIn("> 100 of pipe", out)
        self.assertIn("at most &gt; 100 times pipe (1P1C, batch 8)", self.html)
        self.assertNotRegex(out + self.html, r"[0-9]{4,}\.[0-9]+ (of|times)")

    def test_the_summary(self):
        self.make(sample())
        self.assertIn("Ahead of the best other system in 8 of 8 works: 4.50 times in the median", self.html)
        self.assertIn("Behind in 0.", self.html)
        behind = [dict(x, records_per_s=x["records_per_s"] * 9) if x["system"] == "pipe" and x["batch"] == 1 else x
                  for x in compared()]
        self.make(sample(behind))
        self.assertIn("Ahead of the best other system in 5 of 8 works", self.html)
        self.assertRegex(self.html, r"Behind in 3: 0\.50 of pipe \(\dP\dC, batch 1\), 0\.50 of pipe")
        out = bench("report", self.path("r.json"))[1]
        table = out.index("1P1C, full records")
        self.assertLess(out.index("Behind in 3"), table)
        self.assertLess(table, out.index("A cell: million records a second"))

    def test_what_was_measured_from_python(self):
        f = self.one(self.make(sample()), "256 bytes")
        self.assertEqual(f.figure("conveyor views", "million records a second"), (1.5, "1.50–1.50, n 4 of 5"))
        self.assertEqual(f.figure("conveyor views", "take ns")[0], 500)
        out = bench("report", self.path("r.json"))[1]
        for text in ("conveyor views: 1.50 million records a second, 30.0 times multiprocessing.Queue, 15.0 times "
                     "pyzmq ipc, 0.150 times the C library.", "The limit is the consumer, which needs 500 ns",
                     "The aims: 20 times multiprocessing.Queue is met, 1 million records a second is met."):
            self.assertIn(text, self.html)
            self.assertIn(text, out)
        self.assertRegex(out, r"pyzmq ipc +0\.100 \(0\.100-0\.100\) 4/5 +2\.0 +300 +500\n")
        self.write("a.json", sample())
        out = bench("compare", "--all", self.path("a.json"), self.path("a.json"))[1]
        self.assertRegex(out, r"pyzmq ipc, 256 payload, 64 batch .* 1\.00 .*not told apart")

    def test_latency_beside_throughput(self):
        figures = self.make(sample())
        half = self.one(figures, "Response time at half")
        self.assertEqual(half.figure("conveyor", "99 %"), (1.2, "n 1"))
        self.assertEqual(half.figure("conveyor", "greatest, a second")[0], 22000000)
        self.assertEqual(self.one(figures, "Processor time for a record").figure("pipe wait", "rate 10k")[0], 7)
        for text in ("p99 of the response time at half of each system's greatest rate: conveyor 1.20 us, best other "
                     "(pipe) 9.00 us.",
                     "Processor time for a record at 1000 a second, both asleep in between: conveyor wait 6.00 us, "
                     "pipe wait 7.00 us."):
            self.assertIn(text, self.html)

    def test_a_table_fits_a_terminal(self):
        batches = (1, 2, 4, 8, 16, 32, 128)
        self.make(results(runs=[run(s, 1e6 * b, i, batch=b) for s in ("conveyor", "pipe") for b in batches
                                for i in range(3)],
                          systems=[{"name": s, "about": "", "reference": False} for s in ("conveyor", "pipe")]))
        out = bench("report", self.path("r.json"))[1]
        table = out[out.index("1P1C, full records"):out.index("A cell: ")].splitlines()
        self.assertLess(max(map(len, table)), 168)
        cells = " ".join(line for line in table if line.startswith("  conveyor "))
        self.assertEqual(re.findall(r"([\d.]+) \(", cells), ["1.00", "2.00", "4.00", "8.00", "16.0", "32.0", "128"])
        self.assertEqual(sum("cpu ns" in line for line in table), 1)

    def test_limits(self):
        figures = self.make(sample())
        self.assertEqual(self.one(figures, "2P2C in batches of 32").figure("conveyor", "limit 5k")[0], 64)
        self.assertEqual(self.one(figures, "1P1C, at most 1000").figure("rte_ring HTS", "batch 4")[0], 2)
        for text in ("1P1C, batches of 32: 0.90 (at 5000) to 2.00 times (at 100) rte_ring HTS; from 16.0 million "
                     "records a second at a limit of 100 to 28.8 at 5000, and the deepest fall, from 1000 to 5000, "
                     "leaves 0.90.",
                     "2P2C, batches of 32: 2.00 (at 100) to 2.00 times (at 100) rte_ring HTS; from 16.0 million "
                     "records a second at a limit of 100 to 64.0 at 5000, never less with a larger limit."):
            self.assertIn(text, self.html)
            self.assertIn(text, bench("report", self.path("r.json"))[1])
        self.write("a.json", sample())
        out = bench("compare", self.path("a.json"), self.path("a.json"))[1]
        self.assertRegex(out, r"conveyor, 2 producers, 4 batch, 1000 limit, near .* 1\.00 .*not told apart")
        self.assertRegex(out, r"conveyor wait, 10000 rate, near .* 1\.00 .*not told apart")

    def test_it_says_what_the_words_and_the_systems_are(self):
        self.make(sample())
        self.assertIn("2P2C: two producers and two consumers", self.html)
        self.assertIn("<li>plain copy: ", self.html)

    def test_brokers(self):
        f = self.one(self.make(sample()), "Leased and acknowledged, 256 bytes")
        self.assertEqual(f.figure("Redis streams", "batch 32"), (0.64, "0.640–0.640, n 3"))
        self.assertEqual(f.figure("conveyor", "cpu ns, batch 256")[0], 500)
        self.assertIn("Records a second, conveyor to Redis streams: 100 times in batches of 1 (100-100), 100 times in "
                      "batches of 32 (100-100), 100 times in batches of 256 (100-100).", self.html)
        self.assertIn("conveyor to NATS JetStream: 200 times in batches of 1 (200-200)", self.html)
        self.write("a.json", sample())
        out = bench("compare", "--all", self.path("a.json"), self.path("a.json"))[1]
        self.assertRegex(out, r"NATS JetStream, 32 batch, 256 payload, near .* 1\.00 .*not told apart")

    @unittest.skipUnless(GNUPLOT, "no gnuplot on this machine")
    def test_long_runs(self):
        runs = [long_run(n, b, [1e6 * b / n * (part if i == 2 else 1) for i in range(7)])
                for n, b, part in ((1, 1, 0.9), (1, 32, 0.8), (4, 32, 0.65))]
        content = results(long=[run for run, _ in runs], long_seconds=[x for _, seconds in runs for x in seconds])
        figures = self.make(content, charts=True)
        table = self.one(figures, "Worst second to median")
        self.assertEqual(table.figure("conveyor, 4 P, 4 C, batch 32", "worst second to median"), (0.65, "n 1"))
        self.assertEqual(table.figure("conveyor, 4 P, 4 C, batch 32", "worst second")[0], 5.2)
        self.assertEqual(set(self.one(figures, "1P1C, each second").series()), {"batch 1", "batch 32"})
        self.assertIn("The worst second is 0.65 of the median or more: the least at 4P4C, batch 32. The aim, 0.7, is "
                      "met in 2 of 3 rows.", self.html)

    def test_several_files_make_one_page(self):
        first = dict(sample(), job=[job(64, 0.15)])
        paths = [self.write(name, content) for name, content in
                 (("1.json", first), ("2.json", results(job=[job(8, 0.25)], systems=first["systems"])))]
        status, out, err = bench("report", *paths)
        self.assertEqual((status, err), (0, ""))
        self.assertIn("batches of 64: 15.0 % of the processor time is in calls of the library; 2.00 s in all.", out)
        self.assertIn("In batches of 8: 25.0 %", out)
        self.assertRegex(out, r"systems +4 entries\n")
        elsewhere = results(job=[job(8, 0.25)])
        elsewhere["machine"]["kernel"] = "6.2"
        status, _, err = bench("report", paths[0], self.write("3.json", elsewhere))
        self.assertEqual(status, 1)
        self.assertIn("3.json: measured on another machine", err)

    def test_tables_alone_without_gnuplot(self):
        figures = self.make(sample())
        self.assertIn("Tables only", self.html)
        self.assertNotIn("<svg", self.html)
        self.assertEqual(self.one(figures, "1P1C").figure("conveyor", "batch 8")[0], 74.9)
        self.assertNotIn("<details>", self.html)  # they are open

    def test_it_opens_offline(self):
        self.draw()
        for text in ("http:", "https:", "<script", "<link", "src=", "@import", "url("):
            self.assertNotIn(text, re.sub(r"http://www.w3.org/[0-9a-z/]*", "", self.html))

    def test_names_are_only_names(self):
        bad = "a' ; system('touch %s') # <b>" % self.path("pwned")
        self.make(sample(compared() + [run(bad, 1e6, i, batch=b) for i in range(3) for b in (1, 8, 32)]),
                  charts=True)
        self.assertIn("a &lt;processor&gt; &amp; more", self.html)
        self.assertNotIn("<processor>", self.html)
        self.assertNotIn("<b>", self.html)
        self.assertFalse(os.path.exists(self.path("pwned")))

    def test_csv_has_every_number(self):
        self.make(sample())
        lines = [x.split(",") for x in self.read("r.csv").splitlines()]
        self.assertEqual({len(x) for x in lines}, {len(lines[0])})
        self.assertIn(["heal", "", '"idle"'], [x[:3] for x in lines])
        found = [x for x in lines if x[0] == "runs" and x[1] == '"pipe"' and x[-2] == "records_per_s"]
        self.assertEqual(len(found), 40)
        self.assertFalse({x[-2] for x in lines} & {"batch", "producers", "repeat", "size"}, "these say what it is")

    def browse(self, width, *options):
        """Runs the browser on the page."""
        return subprocess.run(
            [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
             "--disable-background-networking", "--disable-component-update", "--disable-sync", "--hide-scrollbars",
             "--force-device-scale-factor=1", "--user-data-dir=" + self.path("browser"),
             "--window-size=%d,2400" % width, *options], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            timeout=120).stdout.decode()

    @unittest.skipUnless(BROWSER, "no chromium on this machine: the page was looked at as XML only")
    def test_it_fits_a_desk_and_a_phone(self):
        self.draw()
        inside = self.html.replace("<details>", "<details open>").replace("</body>", """<script>
            parent.postMessage(document.documentElement.scrollWidth + " of " + innerWidth, "*")</script></body>""")
        outside = """<body><script>onmessage = e => document.body.append(e.data + ";")</script>
            <iframe src="inside.html" width="1280" style="border:0"></iframe>
            <iframe src="inside.html" width="390" style="border:0"></iframe></body>"""
        for name, content in (("inside.html", inside), ("outside.html", outside)):
            with open(self.path(name), "w", encoding="utf-8") as f:
                f.write(content)
        page = self.browse(1400, "--virtual-time-budget=10000", "--dump-dom", "file://" + self.path("outside.html"))
        for width in (1280, 390):
            self.assertIn("%d of %d;" % (width, width), page)

    @unittest.skipUnless(BROWSER and GNUPLOT, "no chromium or no gnuplot on this machine")
    def test_a_browser_draws_it_light_and_dark(self):
        self.draw()
        for scheme, paper in ((1, (255, 255, 255)), (0, (0x16, 0x16, 0x18))):
            shot = self.path("r.png")
            self.browse(1000, "--blink-settings=preferredColorScheme=%d" % scheme, "--screenshot=" + shot,
                        "file://" + self.path("r.html"))
            width, height, rows = pixels(shot)
            self.assertEqual((width, height), (1000, 2400))
            self.assertGreater(sum(p == OURS for row in rows for p in row), 1000, "ours is not to be seen")
            self.assertGreater(sum(p == paper for row in rows for p in row), width * height / 2)


unittest.main()

"""Does the HTML page draw? Its charts are looked at as XML, and in a browser, if there is one, as pixels."""
import os
import re
import shutil
import struct
import subprocess
import unittest
import xml.etree.ElementTree as ET
import zlib

from bench import BenchTest, bench, results, run

SVG = "{http://www.w3.org/2000/svg}"
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
OURS = (0xC1, 0x12, 0x1F)  # the first color of a chart


def quantiles(base):
    return {"p50_ns": base, "p90_ns": 2 * base, "p99_ns": 3 * base, "p99_9_ns": 9 * base, "p99_99_ns": 20 * base,
            "max_ns": 40 * base, "count": 1000}


def sample():
    """Some of everything."""
    medians, runs = [], []
    for batch in (1, 8, 32):
        for n in (1, 2, 4):
            for system, rate in (("conveyor", 9e6), ("pipe", 2e6)):
                one = run(system, rate * batch / n, producers=n, consumers=n, batch=batch)
                runs.append(one)
                medians.append(dict(one, median=one["records_per_s"], min=1e6, max=9e8, runs=1))
    trips = [dict({"system": s, "mode": m, "payload": 64, "state": "near", "repeat": 0, "failure": None}, **quantiles(b))
             for s, m, b in (("conveyor", "spin", 300), ("raw futex", "sleep", 50000))]
    trips.append(dict(trips[0], state="mixed"))  # the machine changed: in the table only
    latency = [dict({"system": "conveyor", "kind": k, "rate": 1000, "state": "near", "failure": None,
                     "curve": [[1, 100], [2, 300], [10, 900], [1000, 70000]]}, **quantiles(300))
               for k in ("response", "service")]
    flow = [{"t_ms": 20 * i, "buffered": 100 * i % 1600, "put": 50 * i, "taken": 40 * i, "signal": "pause",
             "level": i % 3, "delay_ms": 0} for i in range(100)]
    cost = [{"what": w, "size": s, "batch": b, "repeat": 0, "ns_per_record": 80.0 / b, "bytes_per_record": 184.0}
            for w in ("stages", "payload bytes") for s in (0, 10, 1000) for b in (1, 32)]
    return results(medians=medians, runs=runs, round_trip=trips, latency=latency, backpressure=flow,
                   backpressure_summary=[{"sources": 3, "max_per_stage": 3000}], cost=cost,
                   heal=[{"mode": "idle", "batch": 1, "state": "near", "ms": 30.5}])


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


class Page(BenchTest):
    def setUp(self):
        super().setUp()
        status, _, err = bench("report", self.write("r.json", sample()), "--html", self.path("r.html"), "--csv",
                               self.path("r.csv"))
        self.assertEqual((status, err), (0, ""))
        self.html = self.read("r.html")
        self.charts = [ET.fromstring(x) for x in re.findall(r"<svg.*?</svg>", self.html, re.S)]

    def titles(self):
        return [c.find(SVG + "title").text for c in self.charts]

    def test_the_charts_that_are_wanted(self):
        self.assertEqual(self.titles(), [
            "1P1C, 64 bytes of payload, near", "2P2C, 64 bytes of payload, near", "4P4C, 64 bytes of payload, near",
            "Full records in batches of 1, near", "Full records in batches of 32, near", "Round trip, near",
            "response time at 1000 records a second, near", "service time at 1000 records a second, near",
            "Backpressure: 3 fast sources, one slow consumer", "Records put and taken",
            "Cost of a record against stages", "Cost of a record against payload bytes"])

    def test_lines_lie_inside_their_chart(self):
        for chart, title in zip(self.charts, self.titles()):
            _, _, width, height = map(float, chart.get("viewBox").split())
            lines = chart.findall(".//" + SVG + "polyline")
            self.assertTrue(lines, title)
            for line in lines:
                points = [tuple(map(float, p.split(","))) for p in line.get("points").split()]
                self.assertGreater(len(points), 1, title)
                for x, y in points:
                    self.assertTrue(0 < x < width and 0 < y < height, (title, x, y))

    def test_more_is_higher(self):
        ours, pipe = self.charts[0].findall(".//" + SVG + "polyline")
        height = [[float(p.split(",")[1]) for p in line.get("points").split()] for line in (ours, pipe)]
        self.assertEqual(height[0], sorted(height[0], reverse=True))
        self.assertTrue(all(a < b for a, b in zip(*height)))

    def test_it_opens_offline(self):
        for text in ("http:", "https:", "<script", "<link", "src=", "@import", "url("):
            self.assertNotIn(text, self.html.replace("http://www.w3.org/2000/svg", ""))

    def test_text_is_escaped(self):
        self.assertIn("a &lt;processor&gt; &amp; more", self.html)
        self.assertNotIn("<processor>", self.html)

    def test_csv_has_every_number(self):
        lines = [x.split(",") for x in self.read("r.csv").splitlines()]
        self.assertEqual({len(x) for x in lines}, {len(lines[0])})
        self.assertIn(["heal", "", '"idle"'], [x[:3] for x in lines])
        found = [x for x in lines if x[0] == "runs" and x[1] == '"pipe"' and x[-2] == "records_per_s"]
        self.assertEqual(len(found), 9)
        self.assertFalse({x[-2] for x in lines} & {"batch", "producers", "repeat", "size"}, "these say what, not how much")

    @unittest.skipUnless(BROWSER, "no chromium on this machine: the page was looked at as XML only")
    def test_a_browser_draws_it(self):
        shot = self.path("r.png")
        subprocess.run([BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                        "--disable-background-networking", "--disable-component-update", "--disable-sync",
                        "--hide-scrollbars", "--force-device-scale-factor=1", "--user-data-dir=" + self.path("browser"),
                        "--window-size=1000,1400", "--screenshot=" + shot, "file://" + self.path("r.html")],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120)
        width, height, rows = pixels(shot)
        self.assertEqual((width, height), (1000, 1400))
        ours = sum(p == OURS for row in rows for p in row)
        self.assertGreater(ours, 500, "the first line of each chart is not there")
        self.assertGreater(sum(p == (255, 255, 255) for row in rows for p in row), width * height / 2)


unittest.main()

"""Records a second from one Python process to another: 256 bytes each, put and taken in batches of 64, beside what
Python programs use otherwise, and beside the C library.

usage: compare.py [--seconds S] [--repeats N] [--bytes N] [--batch N] [--systems NAME,...] --bench CONVEYOR-BENCH
                  --json FILE

A producer and a consumer, each on a processor of its own where there are two, for S seconds (1) after a warm-up;
systems take turns, N times (5). The consumer reads a byte of each record. CONVEYOR-BENCH measures the C library, and
makes the table of what is written into FILE; it makes a page with a chart of it, too: `conveyor-bench report FILE
--html PAGE`. Exit status: 0 done, 1 a system came to nothing.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import resource
import subprocess
import sys
import tempfile
import time
from multiprocessing import shared_memory

import conveyor

WARM_UP = 0.3  # seconds
ROOM = 4096  # records under way at most


class Conveyor:
    """A segment; the consumer's loop decides how the records are looked at."""

    def __init__(self, size, batch):
        self.name = "conveyor-bench-python-%d" % os.getpid()
        self.payloads, self.batch = [b"x" * size] * batch, batch
        limits = dict(max_total_records=ROOM, max_per_stage=ROOM, max_per_source=ROOM, payload_size=size)
        conveyor.create(self.name, conveyor.Settings(**limits)).close()

    def put(self, over):
        with conveyor.attach(self.name) as segment:
            source, stage = segment.source("a"), segment.stage("filter")
            while not over():
                try:
                    source.put_many(stage, self.payloads, 0.1)
                except conveyor.Full:
                    pass

    def take(self, records):
        with conveyor.attach(self.name) as segment:
            for batch in segment.stage("filter").batches(self.batch, timeout=20):
                if records(self.look(batch)):
                    return

    def look(self, batch):
        return batch.payloads()

    def close(self):
        conveyor.unlink(self.name)


class ConveyorCopies(Conveyor):
    def look(self, batch):
        return batch.copies()


class ConveyorLeases(Conveyor):
    def look(self, batch):
        return (lease.payload for lease in batch)


class Queue:
    """multiprocessing.Queue, a record at a time: it has no other way to take."""

    def __init__(self, size, batch):
        self.payload, self.batch = b"x" * size, batch
        self.queue = multiprocessing.Queue(ROOM)

    def put(self, over):
        while not over():
            for _ in range(self.batch):
                self.queue.put(self.payload)
        self.queue.cancel_join_thread()

    def take(self, records):
        while not records([self.queue.get() for _ in range(self.batch)]):
            pass

    def close(self):
        self.queue.close()


class QueueOfLists(Queue):
    """multiprocessing.Queue, a list of records to a message."""

    def put(self, over):
        payloads = [self.payload] * self.batch
        while not over():
            self.queue.put(payloads)
        self.queue.cancel_join_thread()

    def take(self, records):
        while not records(self.queue.get()):
            pass


class SharedMemory:
    """A ring of slots of one size in multiprocessing.shared_memory, under a lock; who finds it full or empty sleeps for
    50 us. A process that dies with the lock stops it for ever."""

    def __init__(self, size, batch):
        self.payload, self.size, self.batch = b"x" * size, size, batch
        self.memory = shared_memory.SharedMemory(create=True, size=16 + ROOM * size)
        self.memory.buf[:16] = bytes(16)
        self.lock = multiprocessing.Lock()

    def counters(self):
        return self.memory.buf[:16].cast("Q")

    def put(self, over):
        data, size, batch = self.memory.buf[16:], self.size, self.batch
        payloads = b"".join([self.payload] * batch)
        counters = self.counters()
        while not over():
            with self.lock:
                room = counters[0] - counters[1] <= ROOM - batch
                if room:
                    begin = counters[0] % ROOM * size
                    data[begin : begin + size * batch] = payloads
                    counters[0] += batch
            if not room:
                time.sleep(50e-6)
        del data, counters

    def take(self, records):
        data, size, batch = self.memory.buf[16:], self.size, self.batch
        counters, full = self.counters(), False
        while True:
            with self.lock:
                there = counters[0] - counters[1] >= batch
                if there:
                    begin = counters[1] % ROOM * size
                    found = [bytes(data[i : i + size]) for i in range(begin, begin + size * batch, size)]
                    counters[1] += batch
            if not there:
                time.sleep(50e-6)
            elif records(found):
                del data, counters
                return

    def close(self):
        self.memory.close()
        self.memory.unlink()


class Zmq:
    """pyzmq, PUSH to PULL over ipc, a record to a message."""

    def __init__(self, size, batch):
        self.payload, self.batch, self.address = b"x" * size, batch, "ipc://@conveyor-bench-python-%d" % os.getpid()
        self.limit = ROOM // 2

    def socket(self, kind):
        import zmq

        socket = zmq.Context().socket(getattr(zmq, kind))
        socket.sndhwm = socket.rcvhwm = self.limit
        socket.linger = 0
        return socket

    def put(self, over):
        socket = self.socket("PUSH")
        socket.bind(self.address)
        while not over():
            if socket.poll(100, 2):
                self.send(socket)
        socket.close()

    def take(self, records):
        socket = self.socket("PULL")
        socket.connect(self.address)
        while not records(self.receive(socket)):
            pass
        socket.close()

    def send(self, socket):
        for _ in range(self.batch):
            socket.send(self.payload)

    def receive(self, socket):
        return [socket.recv() for _ in range(self.batch)]

    def close(self):
        pass


class ZmqMultipart(Zmq):
    """pyzmq, a message of as many parts as a batch has records."""

    def __init__(self, size, batch):
        super().__init__(size, batch)
        self.limit = ROOM // 2 // batch

    def send(self, socket):
        socket.send_multipart([self.payload] * self.batch)

    def receive(self, socket):
        return socket.recv_multipart()


SYSTEMS = {
    "conveyor views": Conveyor,
    "conveyor leases": ConveyorLeases,
    "conveyor copies": ConveyorCopies,
    "multiprocessing.Queue": Queue,
    "multiprocessing.Queue of lists": QueueOfLists,
    "shared_memory and a lock": SharedMemory,
    "pyzmq ipc": Zmq,
    "pyzmq multipart": ZmqMultipart,
}


def pin(number):
    there = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {there[number % len(there)]})


def produce(system, result, done):
    """result: processor time used and batches put since the first one was looked at."""
    pin(0)
    begin, times = 0, 0

    def over():
        nonlocal begin, times
        begin = begin or time.process_time()
        if times % 16 == 15 and done.is_set():  # multiprocessing's take microseconds
            result[2], result[3] = time.process_time() - begin, times * system.batch
            return True
        times += 1
        return False

    system.put(over)


def consume(system, seconds, result, done):
    """result: records a second between the end of the warm-up and that of the time, and processor time for each."""
    pin(1)
    count = begin = used = 0
    start = time.perf_counter()

    def records(found):
        nonlocal count, begin, used
        n = read = 0
        for record in found:
            read += record[0]
            n += 1
        assert read == n * ord("x")
        now = time.perf_counter()
        if not begin:
            begin, used = (now, time.process_time()) if now - start > WARM_UP else (0, 0)
            return False
        count += n
        if now - begin < seconds:
            return False
        result[0], result[1] = count / (now - begin), (time.process_time() - used) / count
        return True

    system.take(records)
    done.set()


def busy_s():
    """Seconds that the processors of this process have worked, for whomever, the host included: as load.c counts."""
    sum_ticks, ours = 0, {"cpu%d" % n for n in os.sched_getaffinity(0)}
    with open("/proc/stat", encoding="ascii") as f:
        for name, *ticks in (line.split() for line in f):
            if name in ours:
                sum_ticks += sum(int(ticks[i]) for i in (0, 1, 2, 5, 6, 7))
    return sum_ticks / os.sysconf("SC_CLK_TCK")


def own_s():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def measure(make, size, batch, seconds):
    """A run, as the JSON has it: records a second, and processor time to put and to take one."""
    system, done = make(size, batch), multiprocessing.Event()
    result = multiprocessing.Array("d", 4)
    both = [
        multiprocessing.Process(target=produce, args=(system, result, done)),
        multiprocessing.Process(target=consume, args=(system, seconds, result, done)),
    ]
    begin, busy, own = time.perf_counter(), busy_s(), own_s()
    try:
        for process in both:
            process.start()
        both[1].join(seconds + 30)
        done.set()
        both[0].join(2)
    finally:
        for process in both:
            if process.is_alive():
                process.kill()
            process.join()
        system.close()
    others = busy_s() - busy - (own_s() - own)
    others /= (time.perf_counter() - begin) * len(os.sched_getaffinity(0))
    rate, take, used, put = result
    run = {"records_per_s": rate, "others": max(others, 0.0), "failure": None if rate else "no record came"}
    run.update({"take_ns": take * 1e9} if rate else {})
    run.update({"put_ns": used / put * 1e9} if put else {})
    return run


def measure_c(program, size, batch, repeats):
    """The runs of the C library, by the bench suite, and the machine."""
    path = os.path.join(tempfile.gettempdir(), "conveyor-bench-python-%d.json" % os.getpid())
    command = [program, "peers", "--systems", "conveyor", "--processes", "1x1", "--batch", str(batch)]
    command += ["--payload", str(size), "--repeats", str(repeats), "--json", path]
    try:
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
        with open(path, encoding="utf-8") as f:
            found = json.load(f)
    finally:
        if os.path.exists(path):
            os.unlink(path)
    keys = ("records_per_s", "others", "failure")
    return [{key: run[key] for key in keys} for run in found["runs"]], found["machine"]


def content(runs, size, batch, machine):
    """The file of results, as results.h has it."""
    listed = [
        {"system": name, "payload": size, "batch": batch, "repeat": i, **run}
        for name, found in runs.items()
        for i, run in enumerate(found)
    ]
    return {"version": 1, "kind": "python", "left_out": "", "machine": machine, "python": listed}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=1)
    p.add_argument("--repeats", type=int, default=5)
    p.add_argument("--bytes", type=int, default=256)
    p.add_argument("--batch", type=int, default=64)
    p.add_argument("--systems")
    p.add_argument("--bench", required=True)
    p.add_argument("--json", required=True)
    o = p.parse_args()
    names = [n for n in SYSTEMS if not o.systems or any(n.startswith(w) for w in o.systems.split(","))]
    try:
        import zmq  # noqa: F401
    except ImportError:
        print("without pyzmq: no python3-zmq", file=sys.stderr)
        names = [n for n in names if "zmq" not in n]
    runs = {name: [] for name in names}
    for _ in range(o.repeats):
        for name in names:
            runs[name].append(measure(SYSTEMS[name], o.bytes, o.batch, o.seconds))
    runs["the C library"], machine = measure_c(o.bench, o.bytes, o.batch, o.repeats)
    with open(o.json, "w", encoding="utf-8") as f:
        json.dump(content(runs, o.bytes, o.batch, machine), f, indent=1)
    subprocess.run([o.bench, "report", o.json], check=True)
    sys.exit(0 if all(run["records_per_s"] for name in names for run in runs[name]) else 1)


if __name__ == "__main__":
    main()

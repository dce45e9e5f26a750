"""model.py - producers and consumers of one stage on many cores, simulated event by event.

Why a simulation and not a formula: a line that all want is served one core at a time, which a queueing formula can say;
but here who comes too late tries again at the next slot or unit, and how often that happens depends on who waits. So
each process is played: its own work takes time, and the lines that all share come to it one after the other.

Two kinds of lines:
- Most lines have two users at a time (a unit, a payload, a group of an idle list). How many of them a call waits for,
  and how many come beside its work, is counted in the library (lines.json). One that is waited for takes the time of a
  transfer between the two; of the others so many are on their way at the same time.
- Lines that all producers or all consumers of a ring want are played one by one: the slots at the tail, the unit at the
  head, the hints, the slack of the levels. A line goes to one core at a time, in the order in which they asked, takes
  the time from its last owner to the next one, and stays for one locked instruction.

What is left out: caches have no end, the processor's own prefetchers do nothing, a core has one process, and the way
between cores has room for any number of lines.
"""
import heapq
import random

LOCKED_NS = 5  # a compare-and-swap of a line that is here
INSTRUCTION_NS = 0.07  # 952 instructions of a record take one process some 65 ns (conveyor-bench cost)
INSTRUCTIONS = {1: 952, 8: 272, 32: 153}  # of a record from put to ack, by batch: lib/DECISIONS.md
LOOK_AGAIN_NS = 1000  # after an empty get, or a put that was refused
LIMIT = 5000  # records of each source, as in the comparison of the bench

SLOTS = 8  # of a ring in a line
HINT_PERIOD = 16  # positions between two changes of a hint
PASSED_MANY = 4  # positions taken by others, after which a consumer looks at the hint

PLAYED = {"put": set(), "get": {"unit", "hint"}, "ack": set()}
SHARED = {"hint", "slack", "flag", "counter"}  # one line for all, or few
TAIL, HEAD, HINTS, LEVELS = "the ring's tail", "the unit at the head", "hints", "levels"
PRODUCERS, CONSUMERS = "producers' own time", "consumers' own time"
OTHERS = "units that others have leased"


class Machine:
    def __init__(self, described):
        self.complex_cores = described["cores_per_complex"]
        self.socket_cores = self.complex_cores * described["complexes_per_socket"]
        self.cores = self.socket_cores * described["sockets"]
        self.ns, self.in_flight = described["transfer_ns"], described["lines_in_flight"]

    def mean_transfer(self, a, others):
        return sum(self.transfer(a, b) for b in others) / len(others)

    def transfer(self, a, b):
        """Nanoseconds from one core to another."""
        if a == b:
            return 0
        if a // self.complex_cores == b // self.complex_cores:
            return self.ns["complex"]
        return self.ns["socket"] if a // self.socket_cores == b // self.socket_cores else self.ns["other"]


class Line:
    """A cache line that goes from core to core."""

    def __init__(self, owner=None):
        self.owner, self.free_at = owner, 0.0


class Clock:
    """Runs generators that yield the time at which they go on."""

    def __init__(self, machine):
        self.machine, self.now, self.turn, self.due = machine, 0.0, 0, []
        self.busy = {}

    def start(self, process):
        heapq.heappush(self.due, (self.now, self.turn, process))
        self.turn += 1

    def step(self):
        self.now, _, process = heapq.heappop(self.due)
        heapq.heappush(self.due, (next(process), self.turn, process))
        self.turn += 1

    def take(self, line, core, name):
        """The core asks for the line; when it has had it. The time that the line is on its way or in use counts as its
        busy time."""
        start = max(self.now, line.free_at)
        away = line.owner is not None and line.owner != core
        line.free_at = start + LOCKED_NS + (self.machine.transfer(line.owner, core) if away else 0)
        line.owner = core
        self.count(name, line.free_at - start)
        return line.free_at

    def count(self, name, ns):
        self.busy[name] = self.busy.get(name, 0.0) + ns


class Ring:
    """A ring of a stage, with its processes: at first with a few units for each consumer."""

    def __init__(self, producers, consumers, batch):
        self.producers, self.consumers = producers, consumers
        self.room = LIMIT // batch * len(producers)
        self.tail, self.first, self.hint = 0, 0, 0  # first: all units before it are leased
        self.tail_hint, self.head_hint = Line(), Line()
        self.slots, self.units, self.leased = [], [], []
        for i in range(8 * len(consumers)):
            self.enter(producers[i % len(producers)])

    def line_of(self, position):
        while len(self.slots) <= position // SLOTS:
            self.slots.append(Line())
        return self.slots[position // SLOTS]

    def enter(self, core):
        self.units.append(Line(core))
        self.leased.append(False)
        self.tail += 1


class Stage:
    """A stage in one ring or several. Processes have the cores 0, 1, 2 ... in the order producer, consumer, producer
    ...; neighbours share a ring."""

    def __init__(self, machine, counted, cores, batch, rings=1, seed=1):
        self.clock = Clock(machine)
        self.counted, self.batch, self.lots = counted, batch, random.Random(seed)
        self.levels, self.owed, self.left = Line(), {}, 0
        self.cores = cores
        for r in range(rings):
            mine = range(cores * r // rings, cores * (r + 1) // rings)
            ring = Ring([c for c in mine if not c % 2], [c for c in mine if c % 2], batch)
            for core in mine:
                self.clock.start((self.consumer if core % 2 else self.producer)(core, ring))

    def work_ns(self):
        """Of a put, or of a get and an ack, of one unit: half of the instructions each."""
        return INSTRUCTIONS[self.batch] / 2 * self.batch * INSTRUCTION_NS

    def own_ns(self, core, others, calls):
        """The time of a process's own work, with the lines that only two use."""
        transfer = self.clock.machine.mean_transfer(core, others)
        waited = beside = 0.0
        for call in calls:
            for what, moved in self.counted[call].items():
                if what not in PLAYED[call] | SHARED:
                    waited, beside = waited + moved[0], beside + moved[1]
        if "put" in calls:  # one line of slots is played: that of the tail
            waited -= min(1, self.counted["put"].get("slot", (0, 0))[0])
        return max(self.work_ns() + waited * transfer, (waited + beside) * transfer / self.clock.machine.in_flight)

    def own_work(self, core, ns, name):
        ns *= self.lots.uniform(0.8, 1.2)  # else all would march in step
        self.clock.count(name, ns)
        return self.clock.now + ns

    def visits(self, core, call, what):
        """How often this call goes to a shared line that a call goes to 0.1 times, say: each tenth time once."""
        owed = self.owed.get((core, call, what), self.lots.random()) + self.counted[call].get(what, (0, 0))[0]
        self.owed[core, call, what] = owed % 1
        return int(owed)

    def shared_lines(self, core, call, ring):
        for what in sorted(SHARED - PLAYED[call]):
            for _ in range(self.visits(core, call, what)):
                line, name = (ring.tail_hint, HINTS) if what == "hint" else (self.levels, LEVELS)
                yield self.clock.take(line, core, name)

    def producer(self, core, ring):
        own = self.own_ns(core, ring.consumers, ["put"])
        while True:
            yield self.own_work(core, own, PRODUCERS)
            while ring.tail - ring.first >= ring.room:
                yield self.clock.now + LOOK_AGAIN_NS
            yield from self.enter(core, ring)
            yield from self.shared_lines(core, "put", ring)

    def enter(self, core, ring):
        """A look at the slot, then a compare-and-swap. If another has filled the slot between, the line is here at that
        moment and shows which slot is next."""
        yield self.clock.take(ring.line_of(ring.tail), core, TAIL)
        seen = None
        while seen != ring.tail:
            seen = ring.tail
            yield self.clock.take(ring.line_of(seen), core, TAIL)
        ring.enter(core)

    def consumer(self, core, ring):
        own = self.own_ns(core, ring.producers, ["get", "ack"])
        head = 0
        while True:
            head = yield from self.lease(core, ring, head)
            self.left += 1
            yield self.own_work(core, own, CONSUMERS)
            for call in "get", "ack":
                yield from self.shared_lines(core, call, ring)

    def lease(self, core, ring, head):
        """From the consumer's own head on, past what others have leased. The position after the unit that it leases."""
        passed = 0
        while True:
            if head >= ring.tail:
                yield self.clock.now + LOOK_AGAIN_NS
                continue
            if (yield from self.lease_at(core, ring, head)):
                return head + 1
            head, passed = head + 1, passed + 1
            if passed == PASSED_MANY:
                yield self.clock.take(ring.head_hint, core, HINTS)
                head = max(head, ring.hint)

    def lease_at(self, core, ring, position):
        """A look at the unit, then a compare-and-swap. True if it is leased."""
        unit = ring.units[position]
        for _ in "look", "change":
            name = OTHERS if ring.leased[position] else HEAD
            yield self.clock.take(unit, core, name)
            if ring.leased[position]:
                return False
        ring.leased[position] = True
        ring.first = position + 1
        if position % SLOTS == 0:
            self.fetch_units(core, ring, position + SLOTS)
        if ring.first - ring.hint >= HINT_PERIOD:
            ring.hint = ring.first
            yield self.clock.take(ring.head_hint, core, HINTS)
        return True

    def fetch_units(self, core, ring, position):
        """Who leases the first unit of a line of slots fetches the units of the next line, if it is full."""
        if position + SLOTS > ring.tail:
            return
        for unit in ring.units[position:position + SLOTS]:
            unit.owner = core

    def run(self, units):
        """Plays until so many units have left, after a quarter as many to begin with. How long that took, and how many
        it were."""
        while self.left < units // 4:
            self.clock.step()
        start, left = self.clock.now, self.left
        self.clock.busy = {}
        while self.left < left + units:
            self.clock.step()
        return self.clock.now - start, self.left - left


def at_most(machine, cores, batch, rings=1):
    """Million records a second if the tail's line went to each producer's core once for a unit, and nobody came too
    late."""
    mine = range(0, cores // rings, 2)
    mean = sum(machine.mean_transfer(core, mine) for core in mine) / len(mine)
    return rings * batch * 1000 / (mean + LOCKED_NS)


def play(machine, counted, cores, batch, rings=1, units=None):
    """{"million_per_s": records, "wall": what is busiest, "busy": {name: part of the time}}"""
    stage = Stage(machine, counted, cores, batch, rings)
    ns, left = stage.run(units or 2000 + 20 * cores)
    sides = {PRODUCERS: cores // 2, CONSUMERS: cores // 2, TAIL: rings, HEAD: rings, HINTS: 2 * rings}
    busy = {name: min(used / ns / sides.get(name, 1), 1.0) for name, used in stage.clock.busy.items() if name != OTHERS}
    return {"million_per_s": left * batch / ns * 1000, "wall": max(busy, key=busy.get), "busy": busy}

"""What a segment is made with, and what it holds: plain data."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class SizeClass:
    """Cells of one size: the longest payload in bytes, and how many records they hold at least."""

    bytes: int
    count: int


@dataclass(frozen=True)
class Settings:
    """What a segment is made with. Lengths are bytes; thresholds are parts of a limit, 0 to 1."""

    max_total_records: int = 100000
    max_per_stage: int = 10000
    max_per_source: int = 5000
    backpressure_threshold: float = 0.8
    resume_threshold: float = 0.5
    payload_size: int = 1024
    max_stages: int = 16
    max_sources: int = 1024
    max_pipelines: int = 64
    max_handles: int = 64
    max_retries: int = 3
    mode: int = 0o600
    classes: tuple[SizeClass, ...] = ()  # none: the default split
    sealed_stages: int = 0  # not 0: so many stages can be named, and then no other
    header_size: int = 0  # bytes of the longest header, at most 64 KiB; 0: records have none
    retry_delay_ms: int = 0  # what was returned waits so long, twice as long each time
    retry_delay_cap_ms: int = 0  # but no longer; 0: a minute, or retry_delay_ms if that is more

    @classmethod
    def _of(cls, found: dict[str, Any]) -> Settings:
        classes = tuple(SizeClass(*pair) for pair in found.pop("classes"))
        return cls(**found, classes=classes)


class Signal(enum.IntEnum):
    """What a source is told, from the mildest on."""

    NONE = 0
    SLOW_DOWN = 1
    PAUSE = 2


class Backpressure(NamedTuple):
    """A signal, and with SLOW_DOWN how many seconds to wait before the next put."""

    signal: Signal
    delay: float


@dataclass(frozen=True)
class Given:
    """A signal, or the hold of a stage (PAUSE), that somebody has given by hand. `delay` and `age` are seconds; `pid`
    is who gave it, as its own pid namespace has it; `at_ns` is the wall clock."""

    signal: Signal
    delay: float
    pid: int
    at_ns: int
    age: float
    reason: str

    @classmethod
    def _of(cls, found: tuple[int, int, int, int, int, str]) -> Given | None:
        signal, delay_ms, pid, at_ns, age_ns, reason = found
        return cls(Signal(signal), delay_ms / 1000, pid, at_ns, age_ns / 1e9, reason) if signal else None


class Thresholds(NamedTuple):
    """The parts of all limits, 0 to 1, at which a pause begins and ends."""

    backpressure: float
    resume: float


class RetryDelay(NamedTuple):
    """Seconds that a returned record waits: the first time, and at most; twice as long each time."""

    delay: float
    cap: float


class Progress(NamedTuple):
    """How far a source has come with its positions. `accepted`: the highest that was ever put. `settled`: no record at
    or below it is in the segment any more. `live`: how many records are in it."""

    accepted: int
    settled: int
    live: int


class Age(NamedTuple):
    """Seconds since the put of the oldest record that is there, and since the oldest lease began; 0: there is none."""

    record: float
    lease: float


@dataclass(frozen=True)
class Ages:
    """How old the oldest is: of all, by the name of the stage and the source, and by the number of the seat (of what
    its owner has leased)."""

    total: Age
    stages: dict[str, Age]
    sources: dict[str, Age]
    seats: dict[int, Age]


class Waits(NamedTuple):
    """Seconds that records had been in a stage when they were taken, within the last one to two minutes, from a number
    of samples; all 0 if nothing was."""

    samples: int
    p50: float
    p99: float
    max: float


class Totals(NamedTuple):
    """Since the segment was made: processes that died while attached, seats that were put in order after them, pauses
    of stages, sources and the total, and calls of signal()."""

    deaths: int
    recoveries: int
    pauses: int
    signals: int


@dataclass(frozen=True)
class Counts:
    """Monotonic counts of records since the segment was made (and stalled_ns, nanoseconds slept for credits)."""

    accepted: int
    delivered: int
    acked: int
    returned: int
    released: int
    redelivered: int
    forwarded: int
    dead_lettered: int
    refused_stage: int
    refused_source: int
    refused_total: int
    refused_memory: int
    stalled_ns: int
    dead_by_death: int
    pauses: int


@dataclass(frozen=True)
class Records:
    """Records by state. `delayed`: of those queued, how many wait until their time has come (return_after)."""

    queued: int
    leased: int
    reserved: int
    delayed: int = 0


@dataclass(frozen=True)
class Census:
    """Records by state: in all, by the name of the stage and the source, and by the number of the seat."""

    total: Records
    stages: dict[str, Records]
    sources: dict[str, Records]
    seats: dict[int, Records]


class PeerState(enum.IntEnum):
    """How the owner of a seat fares."""

    NONE = 0
    ALIVE = 1
    STOPPED = 2
    DEAD = 3


@dataclass(frozen=True)
class Peer:
    """The owner of a seat: its process id, as its own pid namespace has it, and the seconds since its last call."""

    seat: int
    pid: int
    state: PeerState
    idle: float


@dataclass(frozen=True)
class Audit:
    """What was counted: free + reserved + queued + leased = capacity. Not `exact`: others were at work all the time."""

    capacity: int
    free: int
    reserved: int
    queued: int
    leased: int
    problems: int
    delayed: int
    exact: bool
    first_problem: str


@dataclass(frozen=True)
class StageStat:
    """A stage: records in it, that as a part of max_per_stage, and its counts."""

    name: str
    size: int
    utilization: float
    counts: Counts


@dataclass(frozen=True)
class SourceStat:
    """A source: how many records it may put, what it is told, and its counts."""

    name: str
    credits: int
    backpressure: Backpressure
    counts: Counts


@dataclass(frozen=True)
class Stat:
    """A segment at a glance."""

    name: str
    settings: Settings
    size: int
    utilization: float
    stages: dict[str, StageStat]
    sources: dict[str, SourceStat]


@dataclass(frozen=True)
class Seen:
    """A record that waits: a look at it, not a lease. `payload` may be cut; `length` is the whole, in bytes."""

    stage: str
    source: str
    pipeline: str
    payload: bytes
    length: int
    retry_count: int
    buffered_at_ns: int


@dataclass(frozen=True)
class Found:
    """A segment of this machine, and its size in bytes."""

    name: str
    settings: Settings
    bytes: int

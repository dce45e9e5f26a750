"""Segment, Stage and Source: the interface for programs that wait in place. conveyor.aio has the one for asyncio."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import TYPE_CHECKING

from . import _core
from .errors import Unknown, release_views
from .state import (
    Age,
    Ages,
    Audit,
    Backpressure,
    Census,
    Counts,
    Found,
    Given,
    Peer,
    PeerState,
    Progress,
    Records,
    RetryDelay,
    Seen,
    Settings,
    Signal,
    SourceStat,
    StageStat,
    Stat,
    Thresholds,
    Totals,
    Waits,
)

if TYPE_CHECKING:
    from .aio import AsyncSource, Watches

Buffer = bytes | bytearray | memoryview
_STAGES, _SOURCES, _PIPELINES = range(3)
DEAD_LETTER = "dead-letter"
_LONGEST = 4294967  # seconds of a delay: as milliseconds it has 32 bits
_NEVER, _DEFAULT = 2**32 - 1, 2**32 - 2  # CVB_RETRIES_NEVER, CVB_RETRIES_DEFAULT


def _milliseconds(seconds: float) -> int:
    if not 0 <= seconds <= _LONGEST:
        raise ValueError(f"a delay is 0 to {_LONGEST} seconds")
    return round(seconds * 1000)


def _retries(count: int | None) -> int:
    if count is not None and not 0 <= count <= 254:
        raise ValueError("a number of retries is 0 to 254, or None: no record becomes a dead letter")
    return _NEVER if count is None else count


def _after_fork() -> None:
    _core.after_fork()
    release_views((_core.Batch, _core.Reservation))


os.register_at_fork(after_in_child=_after_fork)


def create(name: str, settings: Settings | None = None) -> Segment:
    """Makes a segment and joins it. Raises Exists, NoSpace, ArgumentError, NameInvalid, Permission, Unsupported."""
    _core.create(name, settings)
    return Segment(name)


def attach(name: str) -> Segment:
    """Joins a segment: takes a seat and recovers dead peers. Raises NotFound, HandlesExhausted, Permission, ..."""
    return Segment(name)


def observe(name: str) -> Segment:
    """For tools that only look: read-only, needs permission to read and no seat. What would change the segment, or
    wait, raises ReadOnly; what dead peers left stays as it is."""
    return Segment(name, observe=True)


def unlink(name: str) -> None:
    """Removes the segment's name; those attached go on. Raises NotFound, NotASegment, Permission."""
    _core.unlink(name)


def memory_needed(settings: Settings | None = None) -> int:
    """Bytes of shared memory that a segment with these settings takes, all of them at once."""
    return _core.memory_needed(settings)


def segments() -> list[Found]:
    """The segments of this machine that this user may open."""
    return [Found(name, Settings._of(settings), size) for name, settings, size in _core.segments()]


class Segment:
    """A seat in a segment: one thread at a time uses it, all others get Busy; wake() and stop() are for any thread.
    A process may have many. In a forked child it raises Forked. A `with` block closes it at its end."""

    def __init__(self, name: str, *, observe: bool = False) -> None:
        self.name = name
        self._handle = _core.Handle(name, observe)
        self._watches: Watches | None = None

    def __repr__(self) -> str:
        return f"<conveyor.Segment {self.name!r}{' closed' if self.closed else ''}>"

    @property
    def closed(self) -> bool:
        """True after close()."""
        return self._handle.closed

    def close(self) -> None:
        """Leaves: open reservations are canceled, leases released. BufferError if a slice of a record is held."""
        if self._watches is not None:
            self._watches.close()
            self._watches = None
        self._handle.close()

    def __enter__(self) -> Segment:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def stage(self, name: str) -> Stage:
        """The stage of that name, made if nobody has named it yet. Raises NameInvalid, NamesExhausted."""
        return Stage(self, name, self._handle.stage(name))

    def source(self, name: str, pipeline: str = "default") -> Source:
        """The source of that name, which puts records of a pipeline. Raises NameInvalid, NamesExhausted."""
        return Source(self, name, pipeline)

    def asource(self, name: str, pipeline: str = "default") -> AsyncSource:
        """As source(), for asyncio: its put is awaited."""
        from .aio import AsyncSource

        return AsyncSource(self, name, pipeline)

    def batches(self, stages: Iterable[Stage | str], size: int = 64, timeout: float | None = None) -> _core.Batches:
        """As Stage.batches, of several stages (at most 64) in turn."""
        return _core.Batches(self._handle, self._ids(stages), size, timeout)

    def abatches(
        self, stages: Iterable[Stage | str], size: int = 64, timeout: float | None = None
    ) -> _core.AsyncBatches:
        """As Stage.abatches, of several stages (at most 64) in turn."""
        from .aio import next_batch

        ids = self._ids(stages)
        return _core.AsyncBatches(self._handle, ids, size, timeout, next_batch(self._watch(), ids, timeout))

    async def aforward(
        self,
        batch: _core.Batch,
        stage: Stage | str,
        payloads: Iterable[Buffer] | None = None,
        *,
        headers: Iterable[bytes | None] | None = None,
    ) -> int:
        """As Batch.forward of all that are open, for asyncio: waits for room in the event loop."""
        from .aio import forward

        return await forward(self, batch, stage, payloads, headers)

    def wait_records(self, stages: Iterable[Stage | str], timeout: float | None = None) -> Stage | None:
        """Sleeps until one of the stages has a record to lease: that stage, or None after `timeout` seconds. Raises
        Interrupted, and what a signal handler raises (KeyboardInterrupt)."""
        known = [stage if isinstance(stage, Stage) else self.stage(stage) for stage in stages]
        index = self._handle.wait_records([stage.id for stage in known], timeout)
        return None if index is None else known[index]

    def wake(self) -> None:
        """Ends the wait that this Segment sleeps in, or the next one: Interrupted. For any thread or signal handler."""
        self._handle.wake()
        if self._watches is not None:
            self._watches.wake()

    def stop(self) -> None:
        """From now on batches() end after the block at hand, and no call waits: Interrupted. From any thread or
        signal handler: what a worker does on SIGTERM."""
        self._handle.stop()
        if self._watches is not None:
            self._watches.wake()

    @property
    def stopped(self) -> bool:
        """True after stop()."""
        return self._handle.stopped

    def settings(self) -> Settings:
        """What the segment was made with."""
        return Settings._of(self._handle.settings())

    def size(self) -> int:
        """Records in all stages: queued, leased and reserved."""
        return self._handle.size()

    def utilization(self) -> float:
        """The same as a part of max_total_records, 0 to 1."""
        return self._handle.utilization()

    def limit(self) -> int:
        """The limit of all records, in records, as it is now."""
        return self._handle.limit(_core.NO_STAGE, _core.NO_SOURCE)

    def set_limit(self, records: int) -> None:
        """Sets it: 1 to what the segment was made for. All processes heed it at once; what is above it stays."""
        self._handle.set_limit(records, _core.NO_STAGE, _core.NO_SOURCE)

    def signal(self, signal: Signal, *, delay: float = 0, reason: str = "") -> None:
        """Gives a signal by hand to all sources, until it is lifted with Signal.NONE, by whichever process: the
        stronger of it and what the limits say counts. It is advice. SLOW_DOWN has a delay of up to 60 seconds (0:
        0.1); the reason has up to 63 bytes. Raises ArgumentError."""
        self._handle.signal(_core.NO_STAGE, _core.NO_SOURCE, signal, _milliseconds(delay), reason)

    def given(self) -> Given | None:
        """The signal that was given by hand to all sources, or None."""
        return Given._of(self._handle.signal_of(_core.NO_STAGE, _core.NO_SOURCE))

    def thresholds(self) -> Thresholds:
        """The parts of all limits at which a pause begins and ends, as they are now."""
        return Thresholds(*self._handle.thresholds())

    def set_thresholds(self, backpressure: float, resume: float) -> None:
        """Sets them: above 0 and at most 1, and 0 or more and below that. Raises ArgumentError."""
        self._handle.set_thresholds(backpressure, resume)

    def max_retries(self) -> int | None:
        """How often a record may fail in stages that have no rule of their own; None: it never is a dead letter."""
        found = self._handle.max_retries(_core.NO_STAGE)
        return None if found == _NEVER else found

    def set_max_retries(self, retries: int | None) -> None:
        """Sets it: 0 to 254, or None: no record becomes a dead letter, however often it fails."""
        self._handle.set_max_retries(_core.NO_STAGE, _retries(retries))

    def retry_delay(self) -> RetryDelay:
        """How long a record waits that was returned, as it is now."""
        return RetryDelay(*(found / 1000 for found in self._handle.retry_delay()))

    def set_retry_delay(self, delay: float, cap: float | None = None) -> None:
        """Sets it, in seconds, to the millisecond: `delay` the first time (0: it is there again at once), then twice as
        long each time, up to `cap` (None: a minute, or `delay` if that is more). Raises ArgumentError."""
        most = max(60, delay) if cap is None else cap
        self._handle.set_retry_delay(_milliseconds(delay), _milliseconds(most))

    def ages(self) -> Ages:
        """How old the oldest record and the oldest lease are. As census(); names by which there is nothing have 0."""
        total, stages, sources, seats = self._handle.ages()
        return Ages(
            Age(*total),
            {name: Age(*stages[i]) for i, name in enumerate(self._names(_STAGES))},
            {name: Age(*sources[place]) for place, name in self._sources()},
            {seat: Age(*found) for seat, found in enumerate(seats) if any(found)},
        )

    def progress(self) -> dict[str, Progress]:
        """How far each source has come, as Source.progress(), by one look at all records for all of them."""
        found = self._handle.progress_all()
        return {name: Progress(*found[place]) for place, name in self._sources()}

    def totals(self) -> Totals:
        """What has happened since the segment was made."""
        return Totals(*self._handle.totals())

    def stage_names(self) -> list[str]:
        """The names of all stages, by their ids."""
        return list(self._names(_STAGES))

    def source_names(self) -> list[str]:
        """The names of all sources, by their places."""
        return [name for _, name in self._sources()]

    def pipeline_names(self) -> list[str]:
        """The names of all pipelines, by their ids."""
        return list(self._names(_PIPELINES))

    def stat(self) -> Stat:
        """The segment at a glance: sizes, signals and counts."""
        stages = {name: self.stage(name).stat() for name in self.stage_names()}
        sources = {name: self.source(name).stat() for name in self.source_names()}
        return Stat(self.name, self.settings(), self.size(), self.utilization(), stages, sources)

    def census(self) -> Census:
        """Records by state, counted in one pass over the segment: milliseconds. Releases the interpreter's lock."""
        total, stages, sources, seats = self._handle.census()
        return Census(
            Records(*total),
            {name: Records(*stages[i]) for i, name in enumerate(self._names(_STAGES))},
            {name: Records(*sources[place]) for place, name in self._sources()},
            {seat: Records(*found) for seat, found in enumerate(seats) if any(found)},
        )

    def peers(self) -> list[Peer]:
        """The owners of the seats that are taken."""
        found = [Peer(seat, *self._peer(seat)) for seat in range(self.settings().max_handles)]
        return [peer for peer in found if peer.state != PeerState.NONE]

    def seat_counts(self, seat: int) -> Counts:
        """What those who had a seat did, one after the other."""
        return Counts(**self._handle.counts(2, seat))

    def audit(self) -> Audit:
        """Counts every record, cell, credit and idle unit. Releases the interpreter's lock."""
        return Audit(**self._handle.audit())

    def recover(self) -> int:
        """Completes what dead peers left (attach, puts, gets and waits do so too); how many seats were freed."""
        return self._handle.recover()

    def repair(self) -> int:
        """Recovers, and mends what overwritten bytes left behind; how many things."""
        return self._handle.repair()

    def is_linked(self) -> bool:
        """False if the segment's name was removed: nobody can join it any more."""
        return self._handle.is_linked()

    def _ids(self, stages: Iterable[Stage | str]) -> list[int]:
        return [stage.id if isinstance(stage, Stage) else self._handle.stage(stage) for stage in stages]

    def _names(self, kind: int) -> Iterator[str]:
        try:
            for number in range(1 << 16):
                yield self._handle.name(kind, number)
        except Unknown:
            return

    def _sources(self) -> Iterator[tuple[int, str]]:
        """Each place that a source has, with its name: places may be empty when names were retired."""
        for place in range(self.settings().max_sources):
            source = self._handle.source_at(place)
            if source is None:
                continue
            try:
                name = self._handle.name(_SOURCES, source)
            except Unknown:  # retired meanwhile
                continue
            yield place, name

    def _peer(self, seat: int) -> tuple[int, PeerState, float]:
        pid, state, idle = self._handle.peer(seat)
        return pid, PeerState(state), idle

    def _watch(self) -> Watches:
        if self._watches is None:
            from .aio import Watches

            self._watches = Watches(self.name)
        return self._watches


class Stage:
    """A stage of a segment, from which records are taken."""

    def __init__(self, segment: Segment, name: str, id: int) -> None:
        self.segment = segment
        self.name = name
        self.id = id
        self._handle = segment._handle

    def __repr__(self) -> str:
        return f"<conveyor.Stage {self.name!r} of {self.segment.name!r}>"

    def get(self, count: int = 64, timeout: float | None = None) -> _core.Batch:
        """Leases up to `count` records in order. Waits for the first, `timeout` seconds at most (None: for ever);
        then the batch is empty. Use it in a `with` block; a batch that is dropped with open leases counts as failed.
        Raises Interrupted, Corrupt, Lost, and what a signal handler raises."""
        batch = self._handle.get(self.id, count)
        while not batch and self._handle.wait_records((self.id,), timeout) is not None:
            batch = self._handle.get(self.id, count)
        return batch

    def get_nowait(self, count: int = 64) -> _core.Batch:
        """As get(), without waiting."""
        return self._handle.get(self.id, count)

    def take(self, count: int = 64) -> list[bytes]:
        """Copies up to `count` payloads, without headers, and acks their records at once: what a crash interrupts then
        is lost. Does not wait."""
        return self._handle.take(self.id, count)

    def batches(self, size: int = 64, timeout: float | None = None) -> _core.Batches:
        """Iterates over batches of up to `size` leases, waiting for them; ends when none came for `timeout` seconds
        (None: never), or by wake() or stop().

        What is left of a batch when its block ends (also by break or return) is acked. What an exception leaves is
        returned, and the logger "conveyor" is told which exception; KeyboardInterrupt, SystemExit, a task's
        cancellation and Interrupted release it instead, for they are no failures of the records. Write the call into
        the `for` statement; an iterator that has a name needs a `with` block to be told about exceptions."""
        return _core.Batches(self._handle, (self.id,), size, timeout)

    def abatches(self, size: int = 64, timeout: float | None = None) -> _core.AsyncBatches:
        """As batches(), for `async for`. Waiting takes a seat and a thread for each stage, not for each call."""
        return self.segment.abatches([self], size, timeout)

    def peek(self, count: int = 10, length: int = 1024) -> list[Seen]:
        """Copies of the first `count` records that wait, each cut after `length` bytes. Takes nothing."""
        return [Seen(*found) for found in self._handle.peek(self.id, count, length)]

    def size(self) -> int:
        """Records in the stage: queued, leased and reserved."""
        return self._handle.size(self.id)

    def utilization(self) -> float:
        """The same as a part of max_per_stage, 0 to 1."""
        return self._handle.utilization(self.id)

    def limit(self) -> int:
        """The limit of the stage, in records, as it is now."""
        return self._handle.limit(self.id, _core.NO_SOURCE)

    def set_limit(self, records: int) -> None:
        """Sets it: 1 to what the segment was made for. All processes heed it at once; what is above it stays."""
        self._handle.set_limit(records, self.id, _core.NO_SOURCE)

    def signal(self, signal: Signal, *, delay: float = 0, reason: str = "") -> None:
        """Gives a signal by hand to all that put into the stage, as Segment.signal()."""
        self._handle.signal(self.id, _core.NO_SOURCE, signal, _milliseconds(delay), reason)

    def given(self) -> Given | None:
        """The signal that was given by hand to those that put into the stage, or None."""
        return Given._of(self._handle.signal_of(self.id, _core.NO_SOURCE))

    def hold(self, reason: str = "") -> None:
        """Stops its deliveries until release(), by whichever process: get() waits, take() gives nothing. What is leased
        may be settled, and puts go in. A get that has begun may still deliver."""
        self._handle.hold(self.id, True, reason)

    def release(self, reason: str = "") -> None:
        """Lets a held stage deliver again."""
        self._handle.hold(self.id, False, reason)

    def held(self) -> Given | None:
        """By whom, since when and why it is held; None: it is not."""
        return Given._of(self._handle.hold_of(self.id))

    def max_retries(self) -> int | None:
        """How often a record of the stage may fail before it is a dead letter; None: it never is."""
        found = self._handle.max_retries(self.id)
        return None if found == _NEVER else found

    def set_max_retries(self, retries: int | None) -> None:
        """Sets it: 0 to 254; None: no record of the stage becomes a dead letter, however often it fails."""
        self._handle.set_max_retries(self.id, _retries(retries))

    def reset_max_retries(self) -> None:
        """The stage goes by Segment.max_retries() again."""
        self._handle.set_max_retries(self.id, _DEFAULT)

    def waits(self) -> Waits:
        """How long records had been in the stage when they were taken, lately."""
        return Waits(*self._handle.waits(self.id))

    def counts(self) -> Counts:
        """What happened in the stage since the segment was made."""
        return Counts(**self._handle.counts(_STAGES, self.id))

    def stat(self) -> StageStat:
        """The stage at a glance."""
        return StageStat(self.name, self.size(), self.utilization(), self.counts())


class Source:
    """A source of records: its name counts against max_per_source, its pipeline goes with each record."""

    def __init__(self, segment: Segment, name: str, pipeline: str = "default") -> None:
        self.segment = segment
        self.name = name
        self.pipeline = pipeline
        self._handle = handle = segment._handle
        self.id = handle.source(name)
        self._pipeline = handle.pipeline(pipeline)
        self._put: Callable[[Stage | str | int, int, int, Buffer, float | None], None] = handle.put

    def __repr__(self) -> str:
        return f"<conveyor.Source {self.name!r} of {self.segment.name!r}>"

    def put(
        self,
        stage: Stage | str,
        payload: Buffer,
        timeout: float | None = None,
        *,
        header: bytes | None = None,
        position: int = 0,
    ) -> None:
        """Puts a record into a stage. Waits for room, `timeout` seconds at most (None: for ever), then raises
        StageFull, SourceFull, TotalFull or MemoryFull. Also Interrupted, TooLong, Unknown. `header`: opaque bytes
        beside the payload, up to the setting header_size, which stay with the record. `position`: above that of the
        record before it, else PositionAccepted; 0: it has none."""
        if header is None and not position:
            self._put(stage, self.id, self._pipeline, payload, timeout)
        else:
            self._handle.put(stage, self.id, self._pipeline, payload, timeout, header, position)

    def put_nowait(self, stage: Stage | str, payload: Buffer) -> None:
        """As put(), without waiting."""
        self._put(stage, self.id, self._pipeline, payload, 0)

    def put_many(
        self,
        stage: Stage | str,
        payloads: Iterable[Buffer],
        timeout: float | None = None,
        *,
        headers: Iterable[bytes | None] | None = None,
        positions: Iterable[int] | None = None,
    ) -> int:
        """Puts all of them, in order, with one call and one copy; returns how many. As put(); the exception's `done`
        says how many went in. `headers` and `positions`: one for each payload, as those of put(), or ValueError; a
        header that is None is none."""
        return self._handle.put_many(stage, self.id, self._pipeline, payloads, timeout, headers, positions)

    def put_many_nowait(
        self,
        stage: Stage | str,
        payloads: Iterable[Buffer],
        *,
        headers: Iterable[bytes | None] | None = None,
        positions: Iterable[int] | None = None,
    ) -> int:
        """As put_many(), without waiting: Full, if not all of them fit."""
        return self._handle.put_many(stage, self.id, self._pipeline, payloads, 0, headers, positions)

    def put_packed(
        self,
        stage: Stage | str,
        data: Buffer,
        lengths: Buffer,
        *,
        header_lengths: Buffer | None = None,
        positions: Buffer | None = None,
        timeout: float | None = None,
    ) -> int:
        """Puts records that lie one behind the other in `data`, each header (if there are any) behind its payload,
        without an object for each; returns how many. `lengths` and `header_lengths` are arrays of 4-byte unsigned
        integers (array.array("I"), numpy.uint32), `positions` of 8-byte ones; the records are as many as `lengths`.
        As put_many(); ValueError for arrays that do not fit each other, ArgumentError if the lengths are of more
        bytes than `data` has."""
        return self._handle.put_packed(
            stage, self.id, self._pipeline, data, lengths, header_lengths, positions, timeout
        )

    def reserve(
        self,
        stage: Stage | str,
        length: int,
        count: int = 1,
        timeout: float | None = None,
        *,
        header_length: int = 0,
    ) -> _core.Reservation:
        """Room for up to `count` records (at least one) of at most `length` bytes, to be written in place, and headers
        of at most `header_length`: a `with` block publishes them at its end, and cancels them if it raises. Waits and
        raises as put()."""
        return self._handle.reserve(stage, self.id, self._pipeline, length, header_length, count, timeout)

    def credits(self) -> int:
        """Records that the source may put before its own limit or the total refuses."""
        return self._handle.credits(self.id)

    def limit(self) -> int:
        """The limit of the source, in records, as it is now."""
        return self._handle.limit(_core.NO_STAGE, self.id)

    def set_limit(self, records: int) -> None:
        """Sets it: 1 to what the segment was made for. All processes heed it at once; what is above it stays."""
        self._handle.set_limit(records, _core.NO_STAGE, self.id)

    def backpressure(self, stage: Stage | str | None = None) -> Backpressure:
        """What the source should do now, because of its own limit, the total's, and the stage's."""
        signal, delay_ms = self._handle.backpressure(self._stage(stage), self.id)
        return Backpressure(Signal(signal), delay_ms / 1000)

    def open(self) -> int:
        """Makes this Segment the one that puts records of the source with positions, until it is closed or its process
        dies; returns the position that it goes on behind, 0 if there is none yet: a connector that starts again neither
        loses nor doubles a record. Raises Busy while another one lives that has it."""
        return self._handle.source_open(self.id)

    def close(self) -> None:
        """Gives up what open() took, so that another Segment may open the source while this one lives."""
        self._handle.source_close(self.id)

    def retire(self) -> None:
        """Gives up the source's name, so that another one has room; what was counted and set for it goes with it. This
        object is of no use after that, nor is any other of the source: calls raise Unknown. Raises Busy while the
        source has records anywhere, dead letters too, or while a Segment has it open."""
        self._handle.source_retire(self.id)

    def progress(self) -> Progress:
        """How far the source has come. What is at or below `settled` may be forgotten where it came from. Reads all
        records: milliseconds. Releases the interpreter's lock."""
        return Progress(*self._handle.source_progress(self.id))

    def wait_settled(self, position: int, timeout: float | None = None) -> bool:
        """Sleeps until all records of the source up to the position have left the segment for good; False if `timeout`
        seconds were over before. Raises Interrupted, and what a signal handler raises."""
        return self._handle.wait_settled(self.id, position, timeout)

    def signal(self, signal: Signal, *, delay: float = 0, reason: str = "") -> None:
        """Gives a signal by hand to the source, as Segment.signal()."""
        self._handle.signal(_core.NO_STAGE, self.id, signal, _milliseconds(delay), reason)

    def given(self) -> Given | None:
        """The signal that was given by hand to the source, or None."""
        return Given._of(self._handle.signal_of(_core.NO_STAGE, self.id))

    def wait_credits(self, stage: Stage | str | None = None, timeout: float | None = None) -> bool:
        """Sleeps until nothing tells the source to pause; False if `timeout` seconds were over before."""
        return self._handle.wait_credits(self._stage(stage), self.id, timeout)

    def counts(self) -> Counts:
        """What happened to the source's records since the segment was made."""
        return Counts(**self._handle.counts(_SOURCES, self.id))

    def stat(self) -> SourceStat:
        """The source at a glance."""
        return SourceStat(self.name, self.credits(), self.backpressure(), self.counts())

    def _stage(self, stage: Stage | str | None) -> int:
        if stage is None:
            return _core.NO_STAGE
        return stage.id if isinstance(stage, Stage) else self._handle.stage(stage)

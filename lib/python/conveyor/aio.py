"""asyncio: waiting in an event loop. A segment has one notifier of the library's in its loop: an eventfd, and behind it
a thread and a seat, for all stages that are awaited and all sources that were refused, whatever the number of calls. It
is made when it is needed first, and ends with Segment.close()."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from . import _core
from .errors import Full, MemoryFull, SourceFull

if TYPE_CHECKING:
    from .segment import Buffer, Segment, Stage

Wanted = tuple[int, int, int, int]  # what, stage, source, and the length of a record that memory has refused


class Watch:
    """What tasks wait for: records of a stage, or credits of a source in one."""

    def __init__(self, id: int) -> None:
        self.id = id
        self.armed = True
        self.waiters: set[asyncio.Future[None]] = set()

    def wake(self) -> None:
        """Lets all tasks look again."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)


class Watches:
    """What one Segment waits with in an event loop: a notifier, which has a thread and a seat, and the watches that it
    serves. A watch that has fired is armed when a task waits for it again."""

    def __init__(self, segment: str) -> None:
        self._segment = segment
        self._loop: asyncio.AbstractEventLoop | None = None
        self._notifier: _core.Notifier | None = None
        self._watches: dict[Wanted, Watch] = {}
        self._failed: Exception | None = None

    def _open(self) -> _core.Notifier:
        """The notifier of the running loop."""
        loop = asyncio.get_running_loop()
        if self._notifier is None or self._loop is not loop:
            self.close()
            self._notifier = _core.Notifier(self._segment)
            self._loop = loop
            loop.add_reader(self._notifier.fileno(), self._fired)
        return self._notifier

    def _fired(self) -> None:
        """Some watches have fired, or the notifier cannot go on: then its descriptor stays readable."""
        assert self._notifier is not None and self._loop is not None
        try:
            ids = set(self._notifier.fired())
        except Exception as error:
            self._failed = error
            self._loop.remove_reader(self._notifier.fileno())
            self._wake_all()
            return
        for watch in self._watches.values():
            if watch.id in ids:
                watch.armed = False
                watch.wake()

    async def wait(self, wanted: Iterable[Wanted], timeout: float | None = None) -> bool:
        """Until there may be one of these; False if the time was over before."""
        notifier = self._open()
        if self._failed:
            raise self._failed
        waiter = asyncio.get_running_loop().create_future()
        watches = [self._armed(notifier, one) for one in wanted]
        for watch in watches:
            watch.waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter, timeout)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            for watch in watches:
                watch.waiters.discard(waiter)

    def _armed(self, notifier: _core.Notifier, wanted: Wanted) -> Watch:
        watch = self._watches.get(wanted)
        if watch is None:
            watch = self._watches[wanted] = Watch(notifier.watch(*wanted))
        elif not watch.armed:
            notifier.arm(watch.id)
            watch.armed = True
        return watch

    def forget(self, wanted: Wanted) -> None:
        """Removes a watch, unless somebody waits for it."""
        watch = self._watches.get(wanted)
        if watch is not None and not watch.waiters and self._notifier is not None:
            self._notifier.unwatch(watch.id)
            del self._watches[wanted]

    def _wake_all(self) -> None:
        for watch in self._watches.values():
            watch.wake()

    def wake(self) -> None:
        """Any thread: all tasks that wait look again."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._wake_all)

    def close(self) -> None:
        """Ends the thread. Waiting tasks look again, and find the segment closed."""
        if self._notifier is None or self._loop is None:
            return
        if not self._loop.is_closed():
            self._loop.remove_reader(self._notifier.fileno())
            self._wake_all()
        self._notifier.close()
        self._notifier = self._failed = None
        self._watches = {}


def next_batch(
    watches: Watches, stages: Sequence[int], timeout: float | None
) -> Callable[[_core.AsyncBatches], Awaitable[_core.Batch]]:
    """What an asynchronous iterator awaits."""
    wanted = [(_core.WATCH_RECORDS, stage, 0, 0) for stage in stages]

    async def wait(batches: _core.AsyncBatches) -> _core.Batch:
        over = False
        while True:
            batch = batches.try_next()  # also when the time is over: who tells may get its turn later than the clock
            if batch is not None:
                return batch
            if over:
                raise StopAsyncIteration
            over = not await watches.wait(wanted, timeout)

    return wait


class AsyncSource:
    """A source whose puts are awaited. Its puts are in the order of their calls."""

    def __init__(self, segment: Segment, name: str, pipeline: str = "default") -> None:
        self.segment = segment
        self.name = name
        self._source = segment.source(name, pipeline)
        self._turn: asyncio.Lock = asyncio.Lock()

    async def put(
        self, stage: Stage | str, payload: Buffer, *, header: bytes | None = None, position: int = 0
    ) -> None:
        """Puts a record, as soon as there are credits and room; header and position as Source.put(). Raises Interrupted
        after stop(), TooLong, Unknown, PositionAccepted."""
        async with self._turn:
            while True:
                try:
                    return self._source.put(stage, payload, 0, header=header, position=position)
                except Full as full:
                    await _room(self.segment, stage, self._source.id, memoryview(payload).nbytes, full)

    async def put_many(
        self,
        stage: Stage | str,
        payloads: Iterable[Buffer],
        *,
        headers: Iterable[bytes | None] | None = None,
        positions: Iterable[int] | None = None,
    ) -> int:
        """Puts all of them, in order; returns how many; headers and positions as Source.put_many(). If it is canceled,
        some may be in: a prefix."""
        left = list(payloads)
        heads = None if headers is None else list(headers)
        numbers = None if positions is None else list(positions)
        done = 0
        async with self._turn:
            while done < len(left):
                try:
                    done += self._source.put_many_nowait(
                        stage, left[done:], headers=heads and heads[done:], positions=numbers and numbers[done:]
                    )
                except Full as full:
                    done += full.done
                    await _room(self.segment, stage, self._source.id, memoryview(left[done]).nbytes, full)
        return done


async def _room(segment: Segment, stage: Stage | str, source: int, length: int, full: Full) -> None:
    (number,) = segment._ids([stage])
    wanted = (_core.WATCH_CREDITS, number, source, max(length, 1) if isinstance(full, MemoryFull) else 0)
    watches = segment._watch()
    await watches.wait([wanted])
    if wanted[-1]:
        watches.forget(wanted)


async def forward(
    segment: Segment,
    batch: _core.Batch,
    stage: Stage | str,
    payloads: Iterable[Buffer] | None,
    headers: Iterable[bytes | None] | None,
) -> int:
    """Behind Segment.aforward."""
    left = None if payloads is None else list(payloads)
    heads = None if headers is None else list(headers)
    count = len(batch.open())
    done = 0
    while done < count:
        try:
            done += batch.forward(
                stage, left[done:] if left else None, headers=heads[done:] if heads else None, timeout=0
            )
        except Full as full:
            done += full.done
            refused = isinstance(full, SourceFull)  # a dead letter takes a credit of its source again
            source = segment.source(batch.open()[0].source).id if refused else _core.NO_SOURCE
            length = 0 if left is None else memoryview(left[done]).nbytes
            await _room(segment, stage, source, length, full)
    return done

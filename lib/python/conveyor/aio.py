"""asyncio: waiting in an event loop. A stage that is awaited has one watch: an eventfd, and behind it a thread and a
seat of the library's; a source that was refused has one thread and seat that wait for its credits. Both are made once,
whatever the number of calls, and end with Segment.close()."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from . import _core
from .errors import Full, Interrupted, MemoryFull, SourceFull

if TYPE_CHECKING:
    from .segment import Buffer, Segment, Stage

_MEMORY_RETRY = 0.01  # seconds until a put that found no free cell is tried again: no watch tells about cells


class Watch:
    """The descriptor of some stages in one event loop, and the tasks that wait for it."""

    def __init__(self, segment: str, stages: Sequence[int], loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiters: set[asyncio.Future[None]] = set()
        self._notifier = _core.Notifier(segment, stages)
        self._armed = True
        loop.add_reader(self._notifier.fileno(), self._fired)

    def _fired(self) -> None:
        """The descriptor stays readable until it is rearmed: it is not looked at before somebody waits again."""
        self.loop.remove_reader(self._notifier.fileno())
        self._armed = False
        self.wake()

    def wake(self) -> None:
        """Lets all tasks look again."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self, timeout: float | None) -> bool:
        """Until there may be records; False if the time was over before."""
        if not self._armed:
            self._notifier.rearm()
            self.loop.add_reader(self._notifier.fileno(), self._fired)
            self._armed = True
        waiter = self.loop.create_future()
        self.waiters.add(waiter)
        try:
            await asyncio.wait_for(waiter, timeout)
            return True
        except asyncio.TimeoutError:
            return False
        finally:
            self.waiters.discard(waiter)

    def close(self) -> None:
        """Waiting tasks look again, and find the segment closed."""
        if self._armed and not self.loop.is_closed():
            self.loop.remove_reader(self._notifier.fileno())
        self._notifier.close()
        if not self.loop.is_closed():
            self.wake()


class Credits:
    """Waits for credits in a thread with a seat of its own, and tells the loop. One for each stage and source."""

    def __init__(self, segment: str, stage: int, source: int, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiters: set[asyncio.Future[None]] = set()
        self._handle = _core.Handle(segment)
        self._wanted = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, args=(stage, source), name="conveyor-credits", daemon=True)
        self._thread.start()

    def _run(self, stage: int, source: int) -> None:
        try:
            while True:
                self._wanted.acquire()
                self._handle.wait_credits(stage, source)
                self.loop.call_soon_threadsafe(self.wake)
        except (Interrupted, RuntimeError):
            pass  # closed, or the loop is
        except Exception:
            self.loop.call_soon_threadsafe(self.wake)  # the next put meets the same
        finally:
            self._handle.close()

    def wake(self) -> None:
        """Lets all tasks try again."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def wait(self) -> None:
        """Until there may be room."""
        waiter = self.loop.create_future()
        self.waiters.add(waiter)
        if len(self.waiters) == 1:
            self._wanted.release()
        try:
            await waiter
        finally:
            self.waiters.discard(waiter)

    def close(self) -> None:
        """Ends the thread."""
        if not self._handle.closed:
            self._handle.stop()
        self._wanted.release()
        self._thread.join()
        if not self.loop.is_closed():
            self.wake()


class Watches:
    """What one Segment waits with."""

    def __init__(self, segment: str) -> None:
        self._segment = segment
        self._stages: dict[tuple[int, ...], Watch] = {}
        self._credits: dict[tuple[int, int], Credits] = {}

    def records(self, stages: Sequence[int]) -> Watch:
        """The watch of these stages in the running loop."""
        key, loop = tuple(stages), asyncio.get_running_loop()
        watch = self._stages.get(key)
        if watch is not None and watch.loop is not loop:
            watch.close()
            watch = None
        if watch is None:
            watch = self._stages[key] = Watch(self._segment, key, loop)
        return watch

    def credits(self, stage: int, source: int) -> Credits:
        """The watch of a source's credits in the running loop."""
        key, loop = (stage, source), asyncio.get_running_loop()
        found = self._credits.get(key)
        if found is not None and found.loop is not loop:
            found.close()
            found = None
        if found is None:
            found = self._credits[key] = Credits(self._segment, stage, source, loop)
        return found

    def _all(self) -> list[Watch | Credits]:
        return [*self._stages.values(), *self._credits.values()]

    def wake(self) -> None:
        """Any thread: all tasks that wait look again."""
        for watch in self._all():
            if not watch.loop.is_closed():
                watch.loop.call_soon_threadsafe(watch.wake)

    def close(self) -> None:
        """Ends all threads."""
        for watch in self._all():
            watch.close()
        self._stages.clear()
        self._credits.clear()


def next_batch(
    watches: Watches, stages: Sequence[int], timeout: float | None
) -> Callable[[_core.AsyncBatches], Awaitable[_core.Batch]]:
    """What an asynchronous iterator awaits."""

    async def wait(batches: _core.AsyncBatches) -> _core.Batch:
        while True:
            batch = batches.try_next()
            if batch is not None:
                return batch
            if not await watches.records(stages).wait(timeout):
                raise StopAsyncIteration

    return wait


class AsyncSource:
    """A source whose puts are awaited. Its puts are in the order of their calls."""

    def __init__(self, segment: Segment, name: str, pipeline: str = "default") -> None:
        self.segment = segment
        self.name = name
        self._source = segment.source(name, pipeline)
        self._turn: asyncio.Lock = asyncio.Lock()

    async def put(self, stage: Stage | str, payload: Buffer) -> None:
        """Puts a record, as soon as there are credits and room. Raises Interrupted after stop(), TooLong, Unknown."""
        await self.put_many(stage, (payload,))

    async def put_many(self, stage: Stage | str, payloads: Iterable[Buffer]) -> int:
        """Puts all of them, in order; returns how many. If it is canceled, some may be in: a prefix."""
        left = list(payloads)
        done = 0
        async with self._turn:
            while done < len(left):
                try:
                    done += self._source.put_many_nowait(stage, left[done:] if done else left)
                except Full as full:
                    done += full.done
                    await self._wait(stage, full)
        return done

    async def _wait(self, stage: Stage | str, full: Full) -> None:
        await _room(self.segment, stage, self._source.id, full)


async def _room(segment: Segment, stage: Stage | str, source: int, full: Full) -> None:
    if isinstance(full, MemoryFull):
        await asyncio.sleep(_MEMORY_RETRY)
        return
    (number,) = segment._ids([stage])
    await segment._watch().credits(number, source).wait()


async def forward(
    segment: Segment, batch: _core.Batch, stage: Stage | str, payloads: Iterable[Buffer] | None = None
) -> int:
    """Behind Segment.aforward."""
    left = None if payloads is None else list(payloads)
    count = len(batch.open())
    done = 0
    while done < count:
        try:
            done += batch.forward(stage, left[done:] if left else None, timeout=0)
        except Full as full:
            done += full.done
            refused = isinstance(full, SourceFull)  # a dead letter takes a credit of its source again
            source = segment.source(batch.open()[0].source).id if refused else _core.NO_SOURCE
            await _room(segment, stage, source, full)
    return done

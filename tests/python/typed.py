"""A program that mypy --strict reads: what the stubs promise to users. It is not run."""

import asyncio

import conveyor


def work(segment: conveyor.Segment) -> list[bytes]:
    source = segment.source("a", pipeline="orders")
    done: int = source.put_many("filter", [b"x", bytearray(b"y"), memoryview(b"z")], timeout=1.5)
    done += source.put_many_nowait("filter", [b"x"], headers=[None], positions=range(1, 2))
    with source.reserve("filter", length=10, header_length=2) as slots:
        for slot in slots:
            slot.payload[:1] = b"x"
            slot.length = done
            slot.header, slot.position = b"h", slot.position + 1
    found: list[bytes] = []
    for batch in segment.stage("filter").batches(64, timeout=0):
        for lease in batch:
            view: memoryview = lease.payload
            found.append(bytes(view) + bytes(lease))
            name: str = lease.source
            if lease.retry_count > 2 or name == "b":
                lease.return_()
        count: int = batch.forward("sink", [b"x"] * len(batch.open()), headers=[None] * len(batch.open()))
        found.append(b"%d" % count)
    signal: conveyor.Signal = source.backpressure("filter").signal
    found.append(signal.name.encode())
    source.signal(conveyor.Signal.PAUSE, delay=0.5, reason="why")
    held: conveyor.Given | None = segment.stage("filter").held()
    progress: conveyor.Progress = source.progress() or segment.progress()["a"]
    retries: int | None = segment.max_retries()
    if source.wait_settled(progress.accepted, timeout=1) and held and retries:
        found.append(held.reason.encode())
    for lease in segment.stage("filter").get():
        lease.return_after(segment.retry_delay().delay)
    oldest: float = segment.ages().stages["filter"].record + segment.stage("filter").waits().p99
    found.append(b"%f" % oldest)
    stat: conveyor.Stat = segment.stat()
    accepted: int = stat.stages["filter"].counts.accepted
    found.append(b"%d" % accepted)
    return found


async def serve(segment: conveyor.Segment) -> None:
    source = segment.asource("b")
    await source.put("filter", b"x", header=b"h", position=1)
    await source.put_many("filter", [b"x", b"y"], headers=[b"h", None], positions=[2, 3])
    async for batch in segment.stage("filter").abatches(16):
        for lease in batch:
            await asyncio.sleep(len(lease) / 1e6)


def refused(error: conveyor.Full) -> int:
    return error.done if isinstance(error, conveyor.StageFull) else error.code

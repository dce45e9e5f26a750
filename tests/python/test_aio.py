"""asyncio: several stages and sources in one loop."""

import asyncio
import os
import threading

import conveyor
import pytest
from conftest import PATIENCE, check_audit, wait_until


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, PATIENCE))


def test_three_stages_and_sources_in_one_loop(segment):
    total = 1000  # more than a source's limit, and than the segment holds

    async def produce(number):
        source = segment.asource("source-%d" % number)
        for i in range(0, total, 10):
            await source.put_many("one", [b"%d-%d" % (number, k) for k in range(i, i + 10)])

    async def move(here, there):
        done = 0
        async for batch in segment.stage(here).abatches(16):
            done += len(batch)
            await segment.aforward(batch, there)
            if done == 3 * total:
                return

    async def consume():
        seen = []
        async for batch in segment.stage("three").abatches(16, timeout=PATIENCE):
            seen += batch.copies()
            if len(seen) == 3 * total:
                return seen

    async def main():
        results = await asyncio.gather(*map(produce, range(3)), move("one", "two"), move("two", "three"), consume())
        return results[-1]

    threads = threading.active_count()
    seen = run(main())
    assert [t for t in seen if t.startswith(b"1-")] == [b"1-%d" % i for i in range(total)]
    assert len(set(seen)) == 3 * total
    assert segment.size() == 0
    assert threading.active_count() == threads  # the notifier's is not Python's
    segment.close()
    assert threading.active_count() == threads


def test_waiting_uses_a_seat_for_a_stage_not_for_a_call(segment):
    async def main():
        for _ in range(20):
            async for _ in segment.stage("filter").abatches(4, timeout=0.001):
                pass
        assert len(segment.peers()) == 2
        tasks = [asyncio.create_task(first_of(segment)) for _ in range(10)]
        await asyncio.sleep(0.05)
        assert len(segment.peers()) == 2
        await segment.asource("a").put_many("filter", [b"%d" % i for i in range(10)])
        return await asyncio.gather(*tasks)

    assert sorted(run(main())) == [b"%d" % i for i in range(10)]


def test_stages_and_sources_of_a_loop_share_a_seat(segment):
    async def main():
        for name in ("a", "b"):
            await segment.asource(name).put_many("full", [b"x"] * 200)
        stages = [segment.stage("stage-%d" % i) for i in range(5)]

        async def first(stage):
            async for batch in stage.abatches(1):
                return bytes(batch[0])

        tasks = [asyncio.create_task(first(stage)) for stage in stages]
        puts = [asyncio.create_task(segment.asource(name).put_many("full", [b"y"] * 300)) for name in ("a", "b")]
        await asyncio.sleep(0.05)
        assert not any(task.done() for task in tasks + puts)
        assert len(segment.peers()) == 2
        for i, stage in enumerate(stages):
            segment.source("c").put(stage, b"%d" % i)
        assert await asyncio.gather(*tasks) == [b"%d" % i for i in range(5)]
        while not all(task.done() for task in puts):
            segment.stage("full").take(100)
            await asyncio.sleep(0.001)
        assert sum(await asyncio.gather(*puts)) == 600

    run(main())
    segment.stage("full").take(1000)


async def first_of(segment):
    async for batch in segment.stage("filter").abatches(1):
        return bytes(batch[0])


def test_a_loop_that_waits_uses_no_processor_time(segment):
    async def main():
        task = asyncio.create_task(first_of(segment))
        segment.source("b").put("other", b"of a stage that nobody reads")
        await asyncio.sleep(0.05)
        before = os.times()
        await asyncio.sleep(1)
        after = os.times()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return after.user + after.system - before.user - before.system

    assert run(main()) < 0.2
    segment.stage("other").take()


def test_put_waits_for_credits(segment):
    source, stage = segment.asource("a"), segment.stage("filter")

    async def main():
        await source.put_many("filter", [b"x"] * 400)
        task = asyncio.create_task(source.put("filter", b"last"))
        await asyncio.sleep(0.05)
        assert not task.done() and stage.size() == 400
        assert len(stage.take(300)) == 300
        await task
        assert stage.size() == 101

    run(main())
    assert stage.take(200)[-1] == b"last"


def test_headers_go_through_a_full_stage(headed):
    headed.stage("two").set_limit(8)

    async def produce():
        source = headed.asource("a")
        for i in range(1, 41):
            await source.put("one", b"%d" % i, header=b"old %d" % i, position=i)

    async def move():
        async for batch in headed.stage("one").abatches(16, timeout=0.1):
            headers = [b"new " + bytes(lease) if lease.position % 2 else None for lease in batch]
            await headed.aforward(batch, "two", headers=headers)

    async def consume():
        seen = []
        async for batch in headed.stage("two").abatches(4):
            seen += [lease.header for lease in batch]
            if len(seen) == 40:
                return seen

    async def main():
        await produce()
        return (await asyncio.gather(move(), consume()))[1]

    assert run(main()) == [b"new %d" % i if i % 2 else b"old %d" % i for i in range(1, 41)]


def test_put_many_goes_on_with_headers_and_positions(headed):
    headed.stage("one").set_limit(12)
    sent = [(b"%d" % i, b"head %d" % i, i) for i in range(1, 41)]

    async def consume():
        seen = []
        async for batch in headed.stage("one").abatches(5):
            seen += [(bytes(lease), lease.header, lease.position) for lease in batch]
            if len(seen) == len(sent):
                return seen

    async def main():
        payloads, headers, positions = zip(*sent)
        put = headed.asource("a").put_many("one", iter(payloads), headers=iter(headers), positions=iter(positions))
        assert await asyncio.gather(put, consume()) == [len(sent), sent]
        with pytest.raises(ValueError, match="0 headers for 1 records"):
            await headed.asource("a").put_many("one", [b"x"], headers=[])

    run(main())


def test_a_put_that_is_canceled_is_a_prefix(segment):
    source, stage = segment.asource("a"), segment.stage("filter")

    async def main():
        sent = [b"%d" % i for i in range(500)]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(source.put_many("filter", sent), 0.05)
        assert stage.take(1000) == sent[:400]
        with pytest.raises(conveyor.TooLong):
            await source.put("filter", b"x" * 5000)

    run(main())


def test_what_becomes_of_a_block(segment, caplog):
    stage = segment.stage("filter")
    segment.source("a").put_many("filter", [b"x"] * 12)

    async def work(action):
        async for batch in stage.abatches(4):
            action()
            await asyncio.sleep(PATIENCE)

    async def main():
        with pytest.raises(KeyError):
            await work(lambda: {}[1])
        assert stage.counts().returned == 4 and "KeyError" in caplog.text
        task = asyncio.create_task(work(lambda: None))
        while stage.counts().delivered < 8:
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert stage.counts().released == 4
        async for _ in stage.abatches(4):
            break
        assert stage.counts().acked == 4

    run(main())
    stage.take(100)


def test_a_record_that_comes_as_the_time_ends(segment, monkeypatch):
    """The thread that tells of it gets its turn later than the clock."""
    comes = [b"x"]

    async def wait(*_):
        if comes:
            segment.source("a").put("filter", comes.pop())
        return False

    async def main():
        batches = segment.stage("filter").abatches(4, timeout=PATIENCE)
        return [bytes(lease) async for batch in batches for lease in batch]

    monkeypatch.setattr("conveyor.aio.Watches.wait", wait)
    assert run(main()) == [b"x"]


def test_stop_and_close_end_what_waits(segment):
    async def drain():
        return [batch async for batch in segment.stage("filter").abatches()]

    async def main():
        task = asyncio.create_task(drain())
        await asyncio.sleep(0.05)
        threading.Thread(target=segment.stop).start()
        assert await task == []
        segment.close()

    run(main())


def test_one_segment_in_one_loop_after_another(segment):
    for i in range(3):
        segment.source("a").put("filter", b"%d" % i)
        assert run(first_of(segment)) == b"%d" % i
    segment.source("a").put_many("filter", [b"x"] * 400)

    async def refused():
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(segment.asource("a").put("filter", b"y"), 0.02)

    run(refused())
    run(refused())
    segment.stage("filter").take(1000)
    segment.close()
    with conveyor.attach(segment.name) as other:
        wait_until(lambda: len(other.peers()) == 1, "only this one is left")
        check_audit(other)

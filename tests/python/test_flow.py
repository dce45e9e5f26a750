"""Putting, taking and settling."""

import array
import gc
import logging
import os
import signal
import threading
import time

import conveyor
import pytest
from conftest import PATIENCE, check_audit, wait_until


def fill(segment, count=10, stage="filter", source="a"):
    segment.source(source).put_many(stage, [b"record %d" % i for i in range(count)])
    return segment.stage(stage)


def test_put_and_get(segment):
    source = segment.source("kafka-1", pipeline="orders")
    source.put("filter", b"one")
    source.put(segment.stage("filter"), bytearray(b"two"))
    assert source.put_many("filter", [b"three", memoryview(b"four"), b""]) == 3
    with segment.stage("filter").get() as batch:
        assert [bytes(lease) for lease in batch] == [b"one", b"two", b"three", b"four", b""]
        lease = batch[0]
        assert (lease.source, lease.pipeline, lease.stage, lease.origin) == ("kafka-1", "orders", "filter", "filter")
        assert (lease.retry_count, len(lease), lease.settled) == (0, 3, False)
        assert abs(lease.buffered_at_ns - time.time_ns()) < PATIENCE * 10**9
        assert batch.copies()[1] == b"two" and bytes(batch.payloads()[2]) == b"three"
    assert segment.size() == 0
    assert segment.stage("filter").counts().acked == 5


def test_views_are_read_only_and_end_with_the_lease(segment):
    stage = fill(segment)
    batch = stage.get()
    first, second = batch[0], batch[1]
    view = first.payload
    assert view.readonly and view == b"record 0" and first.payload is view
    with pytest.raises(TypeError):
        view[0] = 0
    first.ack()
    with pytest.raises(ValueError):
        view[0]
    with pytest.raises(conveyor.Settled):
        first.payload
    with pytest.raises(conveyor.Settled):
        bytes(first)
    assert second.payload == b"record 1"
    views = batch.open()[0].payload, batch[9].payload
    batch.ack()
    for view in views:
        with pytest.raises(ValueError):
            bytes(view)


def test_a_slice_that_is_still_there_refuses_the_settling(segment):
    batch = fill(segment).get()
    part = batch[3].payload[2:5]
    for settle in (batch.ack, batch.return_, batch.release, batch[3].ack, lambda: batch.forward("sink")):
        with pytest.raises(BufferError, match="record 3 is still in use"):
            settle()
    assert part == b"cor" and segment.stage("filter").counts().acked == 0
    with pytest.raises(BufferError):
        segment.close()
    part.release()
    assert batch.ack() == 10


def test_an_array_over_a_payload_refuses_it_too(segment):
    numpy = pytest.importorskip("numpy")
    batch = fill(segment).get()
    array = numpy.frombuffer(batch[0].payload, dtype="u1")
    with pytest.raises(BufferError):
        batch.ack()
    del array
    assert batch.ack() == 10


def test_subsets(segment):
    stage = fill(segment)
    batch = stage.get()
    assert batch.ack([batch[0], batch[5], batch[3]]) == 3
    assert batch.return_([batch[1]]) == 1
    assert batch[2].release() == 1
    with pytest.raises(conveyor.Settled):
        batch.ack([batch[4], batch[0]])
    with pytest.raises(conveyor.Settled):
        batch.ack([batch[4], batch[4]])
    other = stage.get(1)
    with pytest.raises(ValueError):
        batch.ack([other[0]])
    other.release()
    assert [bytes(lease) for lease in batch.open()] == [b"record %d" % i for i in (4, 6, 7, 8, 9)]
    assert batch.ack() == 5 and batch.ack() == 0
    again = {bytes(lease): lease.retry_count for lease in stage.get()}
    assert again == {b"record 1": 1, b"record 2": 0}


def test_limits_of_a_live_segment(segment):
    source, stage = segment.source("a"), segment.stage("filter")
    for limited, refusal in ((source, conveyor.SourceFull), (stage, conveyor.StageFull), (segment, conveyor.TotalFull)):
        made = limited.limit()
        limited.set_limit(5)
        assert limited.limit() == 5
        with pytest.raises(refusal) as refused:
            source.put_many_nowait("filter", [b"x"] * 9)
        assert refused.value.done == 5
        limited.set_limit(made)
        assert limited.limit() == made
        assert stage.get_nowait(9).ack() == 5
        with pytest.raises(conveyor.Error):
            limited.set_limit(0)


def test_refusals_say_which_limit(segment):
    source = segment.source("a")
    assert source.credits() == 400
    with pytest.raises(conveyor.SourceFull, match="put_many: the source's limit") as refused:
        source.put_many_nowait("filter", [b"x"] * 500)
    assert refused.value.done == 400 and isinstance(refused.value, conveyor.Full)
    with pytest.raises(conveyor.SourceFull):
        source.put_nowait("filter", b"x")
    with pytest.raises(conveyor.SourceFull):
        source.put("filter", b"x", timeout=0.01)
    with pytest.raises(conveyor.StageFull):
        segment.source("b").put_many("filter", [b"x"] * 201, timeout=0)
    with pytest.raises(conveyor.TooLong) as refused:
        segment.source("c").put_many("sink", [b"x", b"y" * 2000])
    assert refused.value.done == 1 and isinstance(refused.value, ValueError)
    with pytest.raises(conveyor.Unknown):
        source.put(conveyor.DEAD_LETTER, b"x")
    with pytest.raises(conveyor.NameInvalid):
        segment.stage("")
    with pytest.raises(TypeError):
        source.put("filter", "text")
    with pytest.raises(TypeError):
        source.put_many("filter", [b"x", None])
    assert source.backpressure().signal is conveyor.Signal.PAUSE
    assert source.wait_credits(timeout=0) is False


def test_put_waits_for_room(segment):
    source = segment.source("a")
    source.put_many("filter", [b"x"] * 400)

    def empty():
        with conveyor.attach(segment.name) as other:
            for _ in other.stage("filter").batches(64, timeout=0):
                pass

    thread = threading.Timer(0.05, empty)
    thread.start()
    source.put_many("filter", [b"y"] * 300)
    thread.join()
    assert segment.stage("filter").counts().accepted == 700


def test_reserve(segment):
    source = segment.source("a")
    with source.reserve("filter", 100, 3) as slots:
        assert len(slots) == 3
        for i, slot in enumerate(slots):
            view = slot.payload
            view[:7] = b"slot %02d" % i
            slot.length = 7
        with pytest.raises(ValueError):
            slot.length = 101
    with pytest.raises(ValueError):
        view[0]
    with pytest.raises(conveyor.Settled):
        slots[0].payload
    assert segment.stage("filter").get().copies() == [b"slot 00", b"slot 01", b"slot 02"]
    with pytest.raises(KeyError):
        with source.reserve("filter", 100) as slots:
            raise KeyError
    slots = source.reserve("filter", 10, 2)
    part = slots[0].payload[1:]
    with pytest.raises(BufferError):
        slots.publish()
    del part
    assert slots.cancel([slots[0]]) == 1 and slots.publish() == 1
    del slots
    slots = source.reserve("filter", 10, 2)
    assert segment.census().total.reserved == 2
    del slots
    assert segment.census().total.reserved == 0


def test_forward(segment):
    stage = fill(segment)
    with stage.get() as batch:
        assert batch.forward("sink", leases=[batch[0], batch[2]]) == 2
        assert batch[1].forward("sink", b"new") == 1
        assert batch[3].forward("sink") == 1
        with pytest.raises(ValueError):
            batch.forward("sink", [b"too", b"few"])
        assert batch.forward("sink", [b"result %d" % i for i in range(6)]) == 6
    got = segment.stage("sink").get()
    assert sorted(got.copies()) == sorted(
        [b"record 0", b"record 2", b"new", b"record 3"] + [b"result %d" % i for i in range(6)]
    )
    assert stage.counts().forwarded == 10 and got[0].source == "a"


def test_forward_waits_for_the_next_stage_and_says_how_far_it_came(segment):
    fill(segment, 400, source="b", stage="sink")
    fill(segment, 195, source="c", stage="sink")
    with fill(segment, 10).get() as batch:
        with pytest.raises(conveyor.StageFull) as refused:
            batch.forward("sink", timeout=0)
        assert refused.value.done == 5 and len(batch.open()) == 5
        batch.release()


def test_take(segment):
    stage = fill(segment)
    assert stage.take(3) == [b"record 0", b"record 1", b"record 2"]
    assert len(stage.take()) == 7 and stage.take() == []


def test_get_with_a_timeout_is_empty(segment):
    stage = segment.stage("filter")
    begin = time.monotonic()
    batch = stage.get(timeout=0.05)
    assert not batch and len(batch) == 0 and time.monotonic() - begin >= 0.05
    with pytest.raises(ValueError):
        stage.get(timeout=-1)
    with pytest.raises(ValueError):
        stage.get(0)


def test_loop_acks_what_leaves_well(segment):
    stage = fill(segment, 100)
    seen = []
    for batch in stage.batches(30, timeout=0):
        assert stage.counts().acked == len(seen)
        seen += batch.copies()
    assert len(seen) == 100 and stage.counts().acked == 100


def left_by(segment, action):
    """What becomes of a block of 10 that `action` leaves."""
    stage = fill(segment)
    before = stage.counts()

    def work():
        for batch in stage.batches(10):
            view = batch[0].payload
            action(batch)
            return view

    try:
        work()
    except BaseException as e:
        del e
    after = stage.counts()
    stage.take(1000)
    return after.acked - before.acked, after.returned - before.returned, after.released - before.released


def raising(exception):
    def action(_):
        raise exception

    return action


def test_what_becomes_of_a_block(segment, caplog):
    assert left_by(segment, lambda batch: None) == (10, 0, 0)  # by `return`
    caplog.set_level(logging.INFO, "conveyor")
    assert left_by(segment, raising(KeyError("x"))) == (0, 10, 0)
    assert "returned 10 records of stage 'filter'" in caplog.text and "KeyError at " in caplog.text
    assert "test_flow.py" in caplog.text
    for nobodys_fault in (KeyboardInterrupt(), SystemExit(1), GeneratorExit(), conveyor.Interrupted("stop")):
        assert left_by(segment, raising(nobodys_fault)) == (0, 0, 10)
    assert "released 10 records" in caplog.text
    assert left_by(segment, lambda batch: (batch.ack([batch[0]]), {}[1])) == (1, 9, 0)


def test_break_acks(segment):
    stage = fill(segment)
    for _ in stage.batches(4):
        break
    assert stage.counts().acked == 4
    stage.take()


def test_an_exception_that_is_caught_around_the_loop(segment):
    stage = fill(segment)
    try:
        for _ in stage.batches(4):
            raise ValueError
    except ValueError:
        assert stage.counts().returned == 4
    stage.take(100)


def test_a_generator_that_is_closed_in_the_block_releases(segment):
    stage = fill(segment)

    def records():
        for batch in stage.batches(4):
            yield from batch.copies()

    g = records()
    next(g)
    g.close()
    assert stage.counts().released == 4
    stage.take(100)


def test_an_iterator_with_a_name(segment):
    stage = fill(segment, 8)
    batches = stage.batches(4, timeout=0)
    try:
        for _ in batches:
            raise ValueError
    except ValueError:
        pass
    assert stage.counts().acked + stage.counts().returned == 0  # nobody has told it yet
    del batches
    assert stage.counts().returned == 4
    with pytest.raises(ValueError):
        with stage.batches(4) as batches:
            for _ in batches:
                raise ValueError
    assert stage.counts().returned == 8
    with stage.batches(4) as batches:
        for _ in batches:
            break
    assert stage.counts().acked == 4
    stage.take(100)


def test_a_slice_kept_past_the_block_is_an_error_and_loses_nothing(segment):
    stage = fill(segment)
    kept = []
    with pytest.raises(BufferError):
        for batch in stage.batches(4, timeout=0):
            kept.append(batch[1].payload[1:])
    assert kept[0] == b"ecord 1" and stage.counts().returned == 0
    kept.clear()  # now they can go
    assert stage.counts().returned == 4
    assert len(stage.take(100)) == 10


def test_a_batch_that_is_dropped_counts_as_failed(segment):
    stage = fill(segment)
    batch = stage.get()
    batch.payloads()
    del batch
    assert stage.counts().returned == 10
    assert len(stage.take(100)) == 10


def test_with_block(segment, caplog):
    stage = fill(segment)
    with pytest.raises(ZeroDivisionError):
        with stage.get() as batch:
            view = batch[0].payload
            1 / 0
    assert stage.counts().returned == 10 and "ZeroDivisionError" in caplog.text
    with pytest.raises(ValueError):
        view[0]
    with stage.get() as batch:
        batch[0].return_()
    assert stage.counts().acked == 9
    stage.take()


def test_several_stages_take_turns(segment):
    for stage in ("one", "two", "three"):
        fill(segment, 8, stage)
    order = [batch[0].stage for batch in segment.batches(["one", "two", "three"], 4, timeout=0)]
    assert order == ["one", "two", "three"] * 2
    assert segment.wait_records(["one", "two"], timeout=0) is None
    fill(segment, 1, "two")
    assert segment.wait_records(["one", "two"]).name == "two"
    segment.stage("two").take()


def test_past_max_retries_a_record_is_a_dead_letter(segment):
    stage = fill(segment, 1)
    for i in range(4):
        with stage.get(timeout=0) as batch:
            assert batch[0].retry_count == i
            batch.return_()
    assert not stage.get(timeout=0)
    dead = segment.stage(conveyor.DEAD_LETTER).get()
    assert (dead[0].origin, dead[0].stage, bytes(dead[0])) == ("filter", "dead-letter", b"record 0")
    dead.forward("filter")
    assert stage.take() == [b"record 0"]


def test_closed(segment, name):
    stage = fill(segment)
    batch = stage.get()
    view = batch[0].payload
    other = conveyor.attach(name)
    segment.close()
    segment.close()
    for use in (lambda: batch[0].payload, batch.ack, stage.get, lambda: segment.source("a"), segment.stop):
        with pytest.raises(conveyor.ClosedError):
            use()
    with pytest.raises(ValueError):
        view[0]
    del batch
    assert other.stage("filter").counts().released == 10
    other.close()


def test_a_handle_that_sleeps_in_another_thread(segment):
    stage, got = segment.stage("filter"), []
    dropped = fill(segment, 1, "other")
    batch = dropped.get()
    thread = threading.Thread(target=lambda: got.append(stage.get(timeout=PATIENCE)))
    thread.start()
    with pytest.raises(conveyor.Busy, match="attach once for each thread"):
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            segment.size()
    with pytest.raises(conveyor.Busy):
        segment.close()
    del batch  # cannot be settled now
    with conveyor.attach(segment.name) as other:
        other.source("x").put("filter", b"x")
    thread.join()
    assert got.pop().copies() == [b"x"]
    gc.collect()
    assert segment.size() == 2 and dropped.counts().returned == 1
    dropped.take()
    stage.take()


def test_wake_and_stop(segment):
    stage = segment.stage("filter")
    threading.Timer(0.05, segment.wake).start()
    with pytest.raises(conveyor.Interrupted):
        stage.get()
    segment.wake()
    assert list(stage.batches()) == []
    fill(segment)
    blocks = 0
    for _ in stage.batches(2):
        blocks += 1
        segment.stop()
    assert blocks == 1 and segment.stopped and stage.counts().acked == 2
    with pytest.raises(conveyor.Interrupted):
        segment.source("a").put_many("filter", [b"x"] * 500)
    stage.take(1000)


def test_ctrl_c_ends_a_wait(segment):
    def interrupt():
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    stage = segment.stage("filter")
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.05, interrupt).start()
        stage.get(timeout=PATIENCE)
    segment.source("a").put_many("filter", [b"x"] * 400)
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.05, interrupt).start()
        segment.source("a").put("filter", b"x", timeout=PATIENCE)
    stage.take(1000)


def test_a_handler_that_returns_lets_the_wait_go_on(segment):
    stage, handled = segment.stage("filter"), []

    def handler(*_):
        handled.append(1)
        if len(handled) == 2:
            segment.stop()

    def send_twice():
        for i in range(2):
            wait_until(lambda: len(handled) == i, "the signal before was handled")
            signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        thread = threading.Thread(target=send_twice)
        thread.start()
        assert list(stage.batches(timeout=PATIENCE)) == []
        thread.join()
        assert len(handled) == 2
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_the_lock_of_the_interpreter_is_free_while_waiting(segment):
    counted = 0

    def wake_later():
        nonlocal counted
        counted = sum(1 for _ in range(100000))
        segment.wake()

    threading.Thread(target=wake_later).start()
    with pytest.raises(conveyor.Interrupted):
        segment.stage("filter").get(timeout=PATIENCE)
    assert counted == 100000


def test_settings_reach_the_segment(name):
    settings = conveyor.Settings(
        max_total_records=1000, payload_size=5000, classes=(conveyor.SizeClass(100, 900), conveyor.SizeClass(5000, 100))
    )
    with conveyor.create(name, settings) as segment:
        found = segment.settings()
        assert (found.payload_size, found.max_total_records, found.classes[0].count) == (5000, 1000, 900)
        source = segment.source("a")
        with pytest.raises(conveyor.MemoryFull):
            source.put_many_nowait("filter", [b"x" * 5000] * 900)
        assert conveyor.memory_needed(settings) == next(f.bytes for f in conveyor.segments() if f.name == name)
        check_audit(segment)
    with pytest.raises(conveyor.Exists):
        conveyor.create(name)
    with pytest.raises(conveyor.ArgumentError):
        conveyor.create(name + "-x", conveyor.Settings(resume_threshold=2.0))


def test_the_defaults_are_those_of_the_library():
    from conveyor import _core

    assert conveyor.Settings._of(_core.default_settings()) == conveyor.Settings()


def test_errors_of_segments(name, tmp_path):
    with pytest.raises(conveyor.NotFound, match="no segment of that name") as refused:
        conveyor.attach(name)
    assert isinstance(refused.value, FileNotFoundError) and refused.value.code == -3
    with pytest.raises(conveyor.NotFound):
        conveyor.unlink(name)
    with open("/dev/shm/" + name, "wb") as f:
        f.write(b"x" * 100000)
    with pytest.raises(conveyor.NotASegment):
        conveyor.attach(name)
    import os

    os.unlink("/dev/shm/" + name)
    with conveyor.create(name, conveyor.Settings(max_total_records=10, max_handles=1)):
        with pytest.raises(conveyor.HandlesExhausted, match="max_handles"):
            conveyor.attach(name)


def test_every_code_has_a_class():
    from conveyor import errors

    assert all(errors.class_of(code).code == code for code in range(-31, 0))
    assert errors.class_of(-1) is conveyor.ArgumentError and errors.class_of(-99) is conveyor.Error


def test_state(segment):
    stage = fill(segment, 20)
    batch = stage.get(5)
    census = segment.census()
    assert census.stages["filter"] == conveyor.Records(15, 5, 0) == census.total == census.sources["a"]
    assert [peer.state for peer in segment.peers()] == [conveyor.PeerState.ALIVE]
    seat = segment.peers()[0].seat
    assert census.seats[seat].leased == 5 and segment.seat_counts(seat).accepted == 20
    stat = segment.stat()
    assert stat.stages["filter"].size == 20 and stat.sources["a"].credits == 380 and stat.settings == segment.settings()
    assert stage.utilization() == pytest.approx(20 / 600) and segment.utilization() == pytest.approx(0.02)
    assert segment.source("a").backpressure("filter") == (conveyor.Signal.NONE, 0)
    seen = stage.peek(3, 4)
    assert [s.payload for s in seen] == [b"reco"] * 3 and seen[0].length == 8 and seen[0].source == "a"
    assert segment.is_linked() and segment.recover() == 0 and segment.repair() == 0
    assert segment.pipeline_names() == ["default"] and segment.source_names() == ["a"]
    with conveyor.observe(segment.name) as other:
        assert other.size() == 20
    batch.ack()
    stage.take()


def test_memory_does_not_grow(segment):
    """A million records by all ways leave no objects behind."""
    import tracemalloc

    stage, source = segment.stage("filter"), segment.source("a")
    payloads = [b"x" * 100] * 64

    def turn():
        source.put_many("filter", payloads)
        for batch in stage.batches(64, timeout=0):
            for lease in batch:
                lease.payload[3]
            if len(batch) > 1:
                batch[0].return_()
                batch[1].forward("sink", b"y")
        stage.take()
        segment.stage("sink").take()

    for _ in range(20):
        turn()
    gc.collect()
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for _ in range(200):
        turn()
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert after - before < 20000


def test_headers_and_positions(headed):
    stage, source = headed.stage("filter"), headed.source("kafka-1")
    source.put(stage, b"one", header=b"head\0er", position=7)
    source.put(stage, b"two", header=b"")
    source.put(stage, b"three")
    with pytest.raises(conveyor.PositionAccepted):
        source.put(stage, b"again", position=7)
    with pytest.raises(conveyor.TooLong):
        source.put(stage, b"one", header=b"x" * 65)
    batch = stage.get(10)
    assert [(bytes(lease), lease.header, lease.position) for lease in batch] == [
        (b"one", b"head\0er", 7),
        (b"two", b"", 0),
        (b"three", b"", 0),
    ]
    lease = batch[0]
    batch.forward("enrich", [b"ONE", b"TWO", b"THREE"])
    with pytest.raises(conveyor.Settled):
        _ = lease.header
    with headed.stage("enrich").get(10) as batch:
        kept = [(b"ONE", b"head\0er"), (b"TWO", b""), (b"THREE", b"")]
        assert [(bytes(lease), lease.header) for lease in batch] == kept
    source.put(stage, b"taken", header=b"h" * 64)
    assert stage.take(10) == [b"taken"]


def seen(segment, stage):
    with segment.stage(stage).get(10, timeout=0) as batch:
        return [(bytes(lease), lease.header, lease.position) for lease in batch]


def test_put_many_with_headers_and_positions(headed):
    source, stage = headed.source("a"), headed.stage("a")
    payloads, headers = [b"1", bytearray(b"22"), b""], [b"h" * 64, None, b""]
    assert source.put_many(stage, payloads, headers=headers, positions=[5, 6, 9]) == 3
    assert source.put_many_nowait(stage, [b"4"], headers=iter([b"iter"])) == 1
    assert source.put_many(stage, (b"%d" % i for i in (5, 6)), positions=range(11, 13)) == 2
    rest = [(b"4", b"iter", 0), (b"5", b"", 11), (b"6", b"", 12)]
    assert seen(headed, "a") == [(b"1", b"h" * 64, 5), (b"22", b"", 6), (b"", b"", 9), *rest]
    with pytest.raises(conveyor.PositionAccepted) as told:
        source.put_many(stage, [b"7", b"again"], positions=[13, 13])
    assert told.value.done == 1
    with pytest.raises(conveyor.TooLong) as told:
        source.put_many(stage, [b"8", b"9"], headers=[b"x", b"x" * 65])
    assert told.value.done == 1
    assert seen(headed, "a") == [(b"7", b"", 13), (b"8", b"x", 0)]


def test_put_many_refuses_wrong_headers_and_positions(headed):
    source = headed.source("a")
    for wrong, kind, told in (
        ({"headers": [b"x"]}, ValueError, "1 headers for 2 records"),
        ({"headers": []}, ValueError, "0 headers for 2 records"),
        ({"positions": [1, 2, 3]}, ValueError, "3 positions for 2 records"),
        ({"headers": ["x", b"y"]}, TypeError, ""),
        ({"positions": [1, "2"]}, TypeError, ""),
        ({"positions": [1, -1]}, OverflowError, ""),
        ({"headers": [b"x", b"y"], "positions": 7}, TypeError, ""),
    ):
        with pytest.raises(kind, match=told):
            source.put_many("a", [b"one", b"two"], **wrong)
    assert headed.size() == 0


def test_put_many_goes_on_where_it_was_refused(headed):
    source, stage = headed.source("a"), headed.stage("filter")
    stage.set_limit(100)
    found = []

    def take():
        with conveyor.attach(headed.name) as other:
            while len(found) < 300:
                with other.stage("filter").get(64, timeout=PATIENCE) as batch:
                    found.extend((bytes(lease), lease.header, lease.position) for lease in batch)

    taker = threading.Thread(target=take)
    taker.start()
    wanted = [(b"%d" % i, b"head %d" % i, i) for i in range(1, 301)]
    payloads, headers, positions = zip(*wanted)
    assert source.put_many(stage, payloads, headers=headers, positions=positions) == 300
    taker.join()
    assert found == wanted


def test_forward_with_headers(headed):
    source = headed.source("kafka-1")
    for i in range(1, 4):
        source.put("a", b"%d" % i, header=b"h%d" % i, position=i)
    assert headed.stage("a").get().forward("b", headers=[None, b"", b"new"]) == 3
    batch = headed.stage("b").get()
    assert [(bytes(lease), lease.header) for lease in batch] == [(b"1", b"h1"), (b"2", b""), (b"3", b"new")]
    assert batch[0].forward("c", header=b"one") == 1
    assert batch.forward("c", [b"TWO", b"THREE"], headers=(b"x" * n for n in (64, 3))) == 2
    assert seen(headed, "c") == [(b"1", b"one", 1), (b"TWO", b"x" * 64, 2), (b"THREE", b"xxx", 3)]


def test_forward_refuses_wrong_headers(headed):
    headed.source("a").put_many("a", [b"one", b"two"])
    batch = headed.stage("a").get()
    with pytest.raises(ValueError, match="1 headers for 2 records"):
        batch.forward("b", headers=[b"x"])
    with pytest.raises(TypeError):
        batch.forward("b", [b"x", b"y"], headers=["x", b"y"])
    with pytest.raises(conveyor.TooLong) as told:
        batch.forward("b", headers=[b"x", b"x" * 65])
    assert told.value.done == 1
    batch.ack()
    assert seen(headed, "b") == [(b"one", b"x", 0)]


def test_reserve_with_headers(headed):
    source = headed.source("a")
    with source.reserve("a", 10, count=3, header_length=4) as slots:
        for i, slot in enumerate(slots, 1):
            slot.payload[:2] = b"%d%d" % (i, i)
            slot.length, slot.position = 2, 10 * i
        assert (slots[0].header, slots[0].position) == (b"", 10)
        slots[0].header, slots[1].header = b"head", b"hi"
        assert slots[1].header == b"hi"
        with pytest.raises(ValueError, match="0 to 4 bytes"):
            slots[2].header = b"heads"
        with pytest.raises(TypeError):
            slots[2].header = "text"
        with pytest.raises(AttributeError):
            del slots[2].header
        with pytest.raises(OverflowError):
            slots[2].position = -1
    with pytest.raises(conveyor.Settled):
        slots[0].header = b"late"
    with pytest.raises(conveyor.Settled):
        slots[0].position = 99
    with pytest.raises(conveyor.TooLong):
        source.reserve("a", 10, header_length=65)
    assert seen(headed, "a") == [(b"11", b"head", 10), (b"22", b"hi", 20), (b"33", b"", 30)]


def test_put_packed(headed):
    stage, source = headed.stage("filter"), headed.source("kafka-1")
    lengths, headers = array.array("I", [1, 0, 3]), array.array("I", [2, 0, 0])
    positions = array.array("Q", [4, 5, 9])
    assert source.put_packed(stage, b"aHHccc", lengths, header_lengths=headers, positions=positions) == 3
    with stage.get(10) as batch:
        assert [(bytes(lease), lease.header, lease.position) for lease in batch] == [
            (b"a", b"HH", 4),
            (b"", b"", 5),
            (b"ccc", b"", 9),
        ]
    assert source.put_packed(stage, bytearray(b"abc"), array.array("I", [1, 1, 1])) == 3
    assert source.put_packed(stage, b"", array.array("I")) == 0
    assert stage.take(10) == [b"a", b"b", b"c"]
    with pytest.raises(conveyor.ArgumentError) as told:
        source.put_packed(stage, b"ab", array.array("I", [1, 1, 1]))
    assert told.value.done == 2
    assert stage.take(10) == [b"a", b"b"]
    with pytest.raises(ValueError):
        source.put_packed(stage, b"ab", array.array("B", [1, 1]))
    with pytest.raises(ValueError):
        source.put_packed(stage, b"ab", array.array("I", [1, 1]), positions=array.array("Q", [1]))
    with pytest.raises(TypeError):
        source.put_packed(stage, b"ab", [1, 1])


def test_put_packed_goes_on_where_it_was_refused(segment):
    stage, source = segment.stage("filter"), segment.source("kafka-1")
    lengths = array.array("I", (i % 50 for i in range(900)))
    data = b"".join(bytes([i % 256]) * (i % 50) for i in range(900))
    with pytest.raises(conveyor.SourceFull) as told:
        source.put_packed(stage, data, lengths, timeout=0)
    assert told.value.done == 400
    found = stage.take(400)
    taker = threading.Thread(target=lambda: found.extend(taken_of(segment.name, 900)))
    taker.start()
    assert source.put_packed(stage, data, lengths, timeout=60) == 900
    taker.join()
    wanted = [bytes([i % 256]) * (i % 50) for i in range(900)]
    assert found == wanted[:400] + wanted


def taken_of(name, count):
    """The next records of the stage, as they come."""
    taken = []
    with conveyor.attach(name) as segment:
        while len(taken) < count:
            with segment.stage("filter").get(64, timeout=PATIENCE) as batch:
                taken += [bytes(lease) for lease in batch]
    return taken


def test_return_after(segment):
    stage = fill(segment, 4)
    batch = stage.get(4)
    assert batch.return_after(3600, [batch[0]]) == 1 and batch[1].return_after(3600) == 1
    assert batch[2].return_after(0) == 1
    batch.ack()
    assert segment.census().total == conveyor.Records(queued=3, leased=0, reserved=0, delayed=2)
    assert check_audit(segment).delayed == 2
    at_once = stage.get(4)
    assert at_once.copies() == [b"record 2"] and at_once[0].retry_count == 1
    at_once.ack()


def test_return_after_ends(segment):
    stage = fill(segment, 2)
    batch = stage.get(2)
    began = time.monotonic()
    assert batch.return_after(0.2) == 2
    late = [*stage.get(4, timeout=PATIENCE)]
    while len(late) < 2:
        late += stage.get(4, timeout=PATIENCE)
    assert time.monotonic() - began >= 0.2
    assert [bytes(lease) for lease in late] == [b"record 0", b"record 1"]
    for wrong in (-1, float("nan"), 1e10):
        with pytest.raises(ValueError, match="a delay is"):
            late[0].return_after(wrong)
    for lease in late:
        lease.ack()


def test_retry_delay(name):
    with conveyor.create(name, conveyor.Settings(max_total_records=10, retry_delay_ms=1500)) as segment:
        assert segment.settings().retry_delay_ms == 1500
        assert segment.retry_delay() == (1.5, 60)
        segment.set_retry_delay(0.25, 2)
        assert segment.retry_delay() == conveyor.RetryDelay(delay=0.25, cap=2)
        segment.set_retry_delay(100)
        assert segment.retry_delay() == (100, 100)
        with pytest.raises(conveyor.ArgumentError):
            segment.set_retry_delay(2, 1)
        stage = fill(segment, 1)
        with stage.get() as batch:
            batch.return_()
        assert not stage.get_nowait() and segment.census().stages["filter"].delayed == 1


def test_signals_by_hand(segment):
    source, stage = segment.source("a"), segment.stage("filter")
    for given in (segment, stage, source):
        assert given.given() is None
        given.signal(conveyor.Signal.SLOW_DOWN, delay=0.25, reason="a test")
        found = given.given()
        assert (found.signal, found.delay, found.reason) == (conveyor.Signal.SLOW_DOWN, 0.25, "a test")
        assert found.pid == os.getpid() and 0 <= found.age < PATIENCE
        assert source.backpressure("filter") == (conveyor.Signal.SLOW_DOWN, 0.25)
        given.signal(conveyor.Signal.NONE)
        assert given.given() is None and source.backpressure("filter").signal == conveyor.Signal.NONE
    source.signal(conveyor.Signal.PAUSE)
    assert not source.wait_credits("filter", timeout=0.01)
    source.signal(conveyor.Signal.NONE)
    assert source.wait_credits("filter", timeout=PATIENCE)
    assert segment.totals().signals == 8
    with pytest.raises(conveyor.ArgumentError):
        source.signal(conveyor.Signal.PAUSE, reason="x" * 64)


def test_hold(segment):
    stage = fill(segment, 2)
    assert stage.held() is None
    stage.hold("maintenance")
    assert stage.held().reason == "maintenance"
    assert not stage.get_nowait() and not stage.get(timeout=0.01) and not stage.take()
    with conveyor.attach(segment.name) as other:
        other.stage("filter").release()
    assert stage.held() is None and len(stage.take()) == 2


def test_thresholds_and_retries_of_a_live_segment(segment):
    stage = segment.stage("filter")
    assert segment.thresholds() == (0.8, 0.5)
    segment.set_thresholds(0.5, 0.25)
    assert segment.thresholds() == conveyor.Thresholds(backpressure=0.5, resume=0.25)
    with pytest.raises(conveyor.ArgumentError):
        segment.set_thresholds(0.5, 0.5)
    fill(segment, 200)  # half of what a source may have
    assert segment.source("a").backpressure().signal == conveyor.Signal.PAUSE and segment.totals().pauses == 1
    assert stage.take(200)
    assert (segment.max_retries(), stage.max_retries()) == (3, 3)
    segment.set_max_retries(5)
    stage.set_max_retries(None)
    assert (segment.max_retries(), stage.max_retries(), segment.stage("b").max_retries()) == (5, None, 5)
    stage.reset_max_retries()
    assert stage.max_retries() == 5
    for wrong in (-1, 255):
        with pytest.raises(ValueError, match="0 to 254"):
            stage.set_max_retries(wrong)
    stage.set_max_retries(0)
    fill(segment, 1)
    with stage.get() as batch:
        batch.return_()
    assert not stage.get_nowait() and stage.counts().dead_lettered == 1 and stage.counts().dead_by_death == 0
    assert segment.stage(conveyor.DEAD_LETTER).take() == [b"record 0"]


def test_progress(segment):
    source, stage = segment.source("a"), segment.stage("filter")
    assert source.open() == 0 and source.progress() == (0, 0, 0)
    assert source.wait_settled(0, timeout=0)
    for position in (10, 20, 30):
        source.put(stage, b"x", position=position)
    with pytest.raises(conveyor.PositionAccepted):
        source.put(stage, b"x", position=30)
    progress = source.progress()
    assert (progress.accepted, progress.live) == (30, 3) and progress.settled <= 9
    batch = stage.get(3)
    batch.ack([batch[0], batch[2]])
    assert not source.wait_settled(20, timeout=0.15)
    assert source.wait_settled(19, timeout=PATIENCE)
    with conveyor.attach(segment.name) as other:
        with pytest.raises(conveyor.Busy):
            other.source("a").open()
        threading.Timer(0.05, other.wake).start()
        with pytest.raises(conveyor.Interrupted):
            other.source("a").wait_settled(30)
    batch.ack()
    assert source.wait_settled(30, timeout=PATIENCE)
    assert source.progress() == (30, 30, 0)
    segment.source("b")
    assert segment.progress() == {"a": (30, 30, 0), "b": (0, 0, 0)}
    with conveyor.attach(segment.name) as other:
        segment.close()
        assert other.source("a").open() == 30


def test_ages_and_waits(segment):
    stage = fill(segment, 3)
    batch = stage.get(1)
    wait_until(lambda: segment.ages().total.lease >= 0.05, "the lease grows old")
    ages = segment.ages()
    assert ages.total.record >= ages.total.lease >= 0.05 and ages.stages["filter"].record >= 0.05
    assert ages.stages[conveyor.DEAD_LETTER] == (0, 0) and ages.sources["a"].record >= 0.05
    peer = segment.peers()[0]
    assert ages.seats[peer.seat].lease >= 0.05 and 0 <= peer.idle < PATIENCE
    batch.ack()
    stage.take()
    waits = stage.waits()
    assert waits.samples >= 1 and 0 < waits.p50 <= waits.p99 <= waits.max < PATIENCE
    assert segment.totals().deaths == 0


def test_a_source_is_retired(segment):
    source = segment.source("file-1")
    other = segment.source("file-2")
    source.put("filter", b"one")
    with pytest.raises(conveyor.Busy):
        source.retire()
    assert segment.stage("filter").take()
    source.retire()
    with pytest.raises(conveyor.Unknown):
        source.put("filter", b"two")
    assert segment.source_names() == ["file-2"]
    assert list(segment.census().sources) == list(segment.ages().sources) == list(segment.progress()) == ["file-2"]
    third = segment.source("file-3")
    assert third.id != source.id and segment.source_names() == ["file-3", "file-2"]
    third.put("filter", b"three")
    assert segment.census().sources["file-3"].queued == 1
    with segment.stage("filter").get() as batch:
        assert batch[0].source == "file-3"
    assert third.counts().accepted == 1 and other.counts().accepted == 0

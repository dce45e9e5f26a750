"""Other processes: fork, the ways of multiprocessing, workers that are killed."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading

import conveyor
import pytest
from conftest import PATIENCE, check_audit, wait_until


def child(function):
    """Runs it in a forked child; 0 if it returned, 1 if it raised, or the signal that ended it, negative."""
    pid = os.fork()
    if not pid:
        code = 1
        try:
            function()
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def test_a_handle_in_a_forked_child_raises(segment):
    source, stage = segment.source("a"), segment.stage("filter")
    source.put_many("filter", [b"record 0", b"record 1"])
    batch = stage.get()
    view, part = batch[0].payload, batch[1].payload[2:]

    def look():
        for use in (segment.size, lambda: source.put("filter", b"x"), stage.get, batch.ack, lambda: batch[0].payload):
            with pytest.raises(conveyor.Forked, match="attach anew"):
                use()
        for memory in (view, part):
            with pytest.raises(ValueError):
                bytes(memory)
        segment.close()
        with conveyor.attach(segment.name) as own:
            own.source("child").put("filter", b"of the child")

    assert child(look) == 0
    assert part == b"cord 1"
    part.release()
    assert batch.ack() == 2
    assert stage.take() == [b"of the child"]


def test_fork_while_a_thread_waits(segment):
    thread = threading.Thread(target=lambda: segment.stage("filter").get(timeout=PATIENCE))
    thread.start()

    def look():
        with pytest.raises(conveyor.Forked):
            segment.size()

    assert child(look) == 0
    with conveyor.attach(segment.name) as other:
        other.source("a").put("filter", b"x")
    thread.join()
    segment.stage("filter").take()


def test_a_child_that_exits_with_leases_of_the_parent_changes_nothing(segment):
    stage = segment.stage("filter")
    segment.source("a").put_many("filter", [b"x"] * 10)
    batch = stage.get()

    def drop():
        nonlocal batch
        del batch

    assert child(drop) == 0
    assert segment.census().total.leased == 10 and batch.ack() == 10


def sink(name, seen):
    with conveyor.attach(name) as segment:
        for batch in segment.stage("filter").batches(16, timeout=0.5):
            for text in batch.copies():
                seen.put(text)


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_multiprocessing(segment, method):
    context = multiprocessing.get_context(method)
    seen = context.Queue()
    process = context.Process(target=sink, args=(segment.name, seen))
    sent = [b"%d" % i for i in range(300)]
    segment.source("a").put_many("filter", sent)
    process.start()
    got = [seen.get(timeout=PATIENCE) for _ in sent]
    process.join(PATIENCE)
    assert process.exitcode == 0 and got == sent
    assert os.path.exists("/dev/shm/" + segment.name)  # no resource tracker has taken it away
    assert segment.size() == 0


def test_a_program_that_ends_leaves_the_segment(name):
    """Also one whose resource tracker runs, and which does not close what it has."""
    text = """
        import multiprocessing, sys
        from multiprocessing import shared_memory
        import conveyor
        other = shared_memory.SharedMemory(create=True, size=10)
        segment = conveyor.create(sys.argv[1], conveyor.Settings(max_total_records=100))
        segment.source("a").put_many("filter", [b"x"] * 10)
        batch = segment.stage("filter").get(4)
        view = batch[0].payload
        other.close()
        other.unlink()
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(text), name], capture_output=True, text=True, timeout=PATIENCE
    )
    assert (done.returncode, done.stderr) == (0, "")
    with conveyor.attach(name) as segment:
        assert segment.size() == 10 and check_audit(segment).leased == 0


WORKER = """
    import sys
    import conveyor
    with conveyor.attach(sys.argv[1]) as segment:
        for batch in segment.stage("filter").batches(8):
            print(*(text.decode() for text in batch.copies()), flush=True)
            if sys.argv[2] == "hang":
                import time
                time.sleep(1000)
"""


def worker(segment, how):
    command = [sys.executable, "-c", textwrap.dedent(WORKER), segment.name, how]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_a_killed_worker_s_records_come_again(segment):
    stage = segment.stage("filter")
    segment.source("a").put_many("filter", [b"%d" % i for i in range(100)])
    killed = worker(segment, "hang")
    first = killed.stdout.readline().split()
    assert first == ["%d" % i for i in range(8)] and stage.counts().acked == 0
    killed.kill()
    killed.wait()
    killed.communicate()
    seen = {}
    for batch in stage.batches(64, timeout=PATIENCE):
        for lease in batch:
            seen.setdefault(bytes(lease).decode(), []).append(lease.retry_count)
        if len(seen) == 100:
            break
    assert sorted(seen, key=int) == ["%d" % i for i in range(100)]
    assert all(seen[text] == [1 if text in first else 0] for text in seen)
    assert stage.counts().redelivered == 8 and check_audit(segment).queued == 0


def test_workers_killed_again_and_again_lose_nothing(segment):
    total = 3000
    segment.stage("filter")
    seen, workers = [], [worker(segment, "go") for _ in range(2)]
    source = segment.source("a")
    for begin in range(0, total, 100):
        source.put_many("filter", [b"%d" % i for i in range(begin, begin + 100)])
        if begin % 500 == 400:
            victim = workers.pop(0)
            victim.kill()
            seen += victim.communicate()[0].split()
            workers.append(worker(segment, "go"))
    wait_until(lambda: segment.size() == 0, "all is done")
    alive = conveyor.PeerState.ALIVE
    wait_until(lambda: sum(p.state is alive for p in segment.peers()) == 3, "both are at work")
    for process in workers:
        process.send_signal(signal.SIGINT)
        out, errors = process.communicate(timeout=PATIENCE)
        assert "KeyboardInterrupt" in errors
        seen += out.split()
    assert set(seen) == {"%d" % i for i in range(total)}


def test_ctrl_c_in_a_program_releases_what_it_had(segment):
    segment.source("a").put_many("filter", [b"%d" % i for i in range(8)])
    process = worker(segment, "hang")
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=PATIENCE)[1]
    counts = segment.stage("filter").counts()
    assert (counts.released, counts.returned, counts.redelivered, counts.acked) == (8, 0, 0, 0)
    assert segment.stage("filter").get()[0].retry_count == 0


def test_ctrl_c_in_a_loop_that_waits(segment):
    process = worker(segment, "go")
    wait_until(lambda: len(segment.peers()) == 2, "it has joined")
    process.send_signal(signal.SIGINT)
    assert "KeyboardInterrupt" in process.communicate(timeout=PATIENCE)[1]


def test_a_stopped_process_is_seen(segment):
    process = worker(segment, "go")
    wait_until(lambda: len(segment.peers()) == 2, "it has joined")
    process.send_signal(signal.SIGSTOP)
    wait_until(lambda: any(p.state is conveyor.PeerState.STOPPED for p in segment.peers()), "it is stopped")
    process.kill()
    process.communicate()
    wait_until(lambda: segment.recover() == 0 and len(segment.peers()) == 1, "its seat is free")

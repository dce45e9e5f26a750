"""flaky.py - the worker at the end of a pipeline that calls a service which fails now and then. Each record ends so:
  done        the service has done its work, and the record is acked
  dropped     the service did it before, for a worker that was killed before its ack: acked without a call. The key is
              source and position; the service keeps it with what it did, in a file here (ledger.py)
  returned    the service has failed: the record comes again after a delay, each time twice as long, so that a service
              which is away for some seconds makes no dead letters; past max_retries it is one
  released    the worker was told to stop before it came to it: another one gets it, and nothing counts as failed
usage: flaky.py SEGMENT STAGE FILE, until SIGTERM, on which it ends the record at hand and says what it did"""

import signal
import sys

import conveyor
from ledger import Ledger


class ServiceError(Exception):
    """The service did not do its work."""


class Service:
    """Upper case, but every fourth call fails."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger, self.calls = ledger, 0

    def __call__(self, lease: conveyor.Lease) -> None:
        self.calls += 1
        if self.calls % 4 == 0:
            raise ServiceError
        self.ledger.write(lease, bytes(lease).upper())
        self.ledger.flush()


def work(segment: conveyor.Segment, stage: str, ledger: Ledger) -> str:
    service, done, dropped, returned, released = Service(ledger), 0, 0, 0, 0
    for batch in segment.stage(stage).batches(32):
        for lease in batch:
            if segment.stopped:
                released += batch.release()
                break
            if ledger.knows(lease):
                dropped += lease.ack()
                continue
            try:
                service(lease)
                done += lease.ack()
            except ServiceError:
                returned += lease.return_after(min(0.01 * 2**lease.retry_count, 2))
    return (
        f"done {done} records, dropped {dropped} that were done before, returned {returned} that failed, "
        f"released {released} untried"
    )


def main() -> None:
    name, stage, path = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is a segment to stop
    with conveyor.attach(name) as segment, Ledger(path) as ledger:
        signal.signal(signal.SIGTERM, lambda *_: segment.stop())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        print(work(segment, stage, ledger))


if __name__ == "__main__":
    main()

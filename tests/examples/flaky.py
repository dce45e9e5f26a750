"""flaky.py - a worker between two stages that calls a service which fails now and then. Each record ends in one way:
  forwarded   the service has answered: its answer is in the next stage, and the record settled here, in one step
  returned    the service has failed: the record comes again after a delay, each time twice as long, so that a service
              which is away for some seconds makes no dead letters; past max_retries it is one
  released    the worker was told to stop before it came to it: another one gets it, and nothing counts as failed
usage: flaky.py SEGMENT FROM TO, until SIGTERM, on which it ends the record at hand and says what it did"""

import signal
import sys

import conveyor


class ServiceError(Exception):
    """The service did not answer."""


class Service:
    """Upper case, but every fourth call fails."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, text: bytes) -> bytes:
        self.calls += 1
        if self.calls % 4 == 0:
            raise ServiceError
        return text.upper()


def work(segment: conveyor.Segment, here: str, there: str) -> str:
    service, forwarded, returned = Service(), 0, 0
    try:
        for batch in segment.stage(here).batches(32):
            for lease in batch:
                if segment.stopped:
                    batch.release()
                    break
                try:
                    answer = service(bytes(lease))
                except ServiceError:
                    returned += lease.return_after(min(0.01 * 2**lease.retry_count, 2))
                else:
                    forwarded += lease.forward(there, answer)
    except conveyor.Interrupted:
        pass  # stopped while the next stage was full: the loop has released what was left
    return f"forwarded {forwarded} records, returned {returned}; stopped: what was not tried is back in '{here}'"


def main() -> None:
    name, here, there = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is a segment to stop
    with conveyor.attach(name) as segment:
        signal.signal(signal.SIGTERM, lambda *_: segment.stop())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        print(work(segment, here, there))


if __name__ == "__main__":
    main()

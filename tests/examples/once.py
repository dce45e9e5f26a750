"""once.py - a sink that writes each record once, although a record that was written may come again: a sink that is
killed between the write and the ack has it in its file, and the buffer delivers it once more. The file is its memory
(ledger.py): each line is SOURCE, POSITION and the payload, and when it starts it reads which are there.
usage: once.py SEGMENT STAGE FILE, until SIGTERM; says how many were there already. One at a time a file."""

import signal
import sys

import conveyor
from ledger import Ledger


def work(segment: conveyor.Segment, stage: str, ledger: Ledger) -> str:
    written, doubles = 0, 0
    for batch in segment.stage(stage).batches(32):
        for lease in batch:
            if ledger.knows(lease):
                doubles += 1
            else:
                ledger.write(lease, bytes(lease))
                written += 1
        ledger.flush()  # the end of the block acks: only now that it is written
    return f"wrote {written} records, left out {doubles} that were there already"


def main() -> None:
    name, stage, path = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is a segment to stop
    with conveyor.attach(name) as segment, Ledger(path) as ledger:
        signal.signal(signal.SIGTERM, lambda *_: segment.stop())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        print(work(segment, stage, ledger))


if __name__ == "__main__":
    main()

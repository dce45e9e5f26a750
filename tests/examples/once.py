"""once.py - a sink that writes each record once, although a record that was written may come again: a sink that is
killed between the write and the ack has it in its file, and the buffer delivers it once more. The key is source and
position, which stay with a record wherever it goes. Its file is its memory: each line is SOURCE, POSITION and the
payload, with tabs between, and when it starts it reads which are there. (A database would have a unique key. Keys whose
position is settled, as Source.progress() says, never come again, and may be forgotten.)
usage: once.py SEGMENT STAGE FILE, until SIGTERM; says how many were there already. One at a time a file."""

import signal
import sys
from typing import BinaryIO

import conveyor

Key = tuple[bytes, int]


def remember(file: BinaryIO) -> set[Key]:
    """Reads what is in the file, and cuts off a last line that a kill has left unfinished."""
    file.seek(0)
    lines = file.read().split(b"\n")
    file.truncate(file.tell() - len(lines.pop()))
    return {(source, int(position)) for source, position, _ in (line.split(b"\t", 2) for line in lines)}


def work(segment: conveyor.Segment, stage: str, file: BinaryIO) -> str:
    seen, written, doubles = remember(file), 0, 0
    for batch in segment.stage(stage).batches(32):
        for lease in batch:
            key = (lease.source.encode(), lease.position)
            if lease.position and key in seen:
                doubles += 1
                continue
            seen.add(key)
            file.write(b"%s\t%d\t%s\n" % (*key, bytes(lease)))
            written += 1
        file.flush()  # the end of the block acks: only now that it is written
    return f"wrote {written} records, left out {doubles} that were there already"


def main() -> None:
    name, stage, path = sys.argv[1:]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})  # until there is a segment to stop
    with conveyor.attach(name) as segment, open(path, "ab+") as file:
        signal.signal(signal.SIGTERM, lambda *_: segment.stop())
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})
        print(work(segment, stage, file))


if __name__ == "__main__":
    main()

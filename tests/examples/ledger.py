"""ledger.py - a file that says which records a worker is done with, across its death: the examples once and flaky write
what they do into it. Each line is SOURCE, POSITION and a text, with tabs between. The key is source and position, which
stay with a record wherever it goes; a record without a position has no key. One process at a time has a file. (A
database would have the key as a unique one, in the transaction that does the work.) Keys whose position is settled, as
Source.progress() says, never come again, and may be forgotten."""

from __future__ import annotations

import conveyor


class Ledger:
    """Reads what is in the file, and cuts off a last line that a kill has left unfinished."""

    def __init__(self, path: str) -> None:
        self.file = open(path, "ab+")
        self.file.seek(0)
        lines = self.file.read().split(b"\n")
        self.file.truncate(self.file.tell() - len(lines.pop()))
        keys = (line.split(b"\t", 2)[:2] for line in lines)
        self.seen = {(source.decode(), int(position)) for source, position in keys}

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def knows(self, lease: conveyor.Lease) -> bool:
        """Whether it has the key of the record."""
        return lease.position > 0 and (lease.source, lease.position) in self.seen

    def write(self, lease: conveyor.Lease, text: bytes) -> None:
        """Adds a line for the record: a text without newlines. flush() hands all lines to the system."""
        self.file.write(b"%s\t%d\t%s\n" % (lease.source.encode(), lease.position, text))
        self.seen.add((lease.source, lease.position))

    def flush(self) -> None:
        """The system has all lines then, whatever becomes of the process."""
        self.file.flush()

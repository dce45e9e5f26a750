"""The exceptions of conveyor. All are `Error`, which has `code` (as in conveyor/types.h, negative) and `done`."""

from __future__ import annotations

import gc
import logging
import os
from types import TracebackType

log = logging.getLogger("conveyor")


class Error(Exception):
    """What the library refused. `code` is its number, `done` how many records of the call went through before."""

    code: int = 0
    done: int = 0
    advice: str = ""


class Full(Error):
    """There is no room; nothing of the refused record is left behind. Wait for credits, or give a timeout."""


class StageFull(Full):
    """The stage holds max_per_stage records."""

    code = -16


class SourceFull(Full):
    """The source has max_per_source records in the segment."""

    code = -17


class TotalFull(Full):
    """The segment holds max_total_records records."""

    code = -18


class MemoryFull(Full):
    """No cell that is large enough is free."""

    code = -19
    advice = "make more cells of that size (Settings.classes)"


class ArgumentError(Error, ValueError):
    """An argument is out of its range."""

    code = -1


class ClosedError(ArgumentError):
    """The Segment was closed."""


class NameInvalid(ArgumentError):
    """Not a name: 1 to 63 bytes of UTF-8 without control characters."""

    code = -13


class TooLong(ArgumentError):
    """The record is longer than payload_size bytes."""

    code = -20


class Unknown(ArgumentError, LookupError):
    """No such stage, source or pipeline; or the dead-letter stage, into which only the library puts."""

    code = -15


class NamesExhausted(Error):
    """One name too many: max_stages, max_sources or max_pipelines."""

    code = -14


class Sealed(Error):
    """No stage of that name, and the segment is sealed: no other can be made."""

    code = -29


class PositionAccepted(Error):
    """The record's position is not above that of a record that was accepted before."""

    code = -30


class SegmentError(Error):
    """The segment cannot be made, joined or used."""


class NotFound(SegmentError, FileNotFoundError):
    """No segment of that name."""

    code = -3


class Exists(SegmentError, FileExistsError):
    """A segment of that name is there already."""

    code = -4


class NoSpace(SegmentError):
    """Not enough shared memory for the segment."""

    code = -5
    advice = "make it smaller, or /dev/shm larger; memory_needed() tells the size"


class Permission(SegmentError, PermissionError):
    """The segment's mode does not let this user in, or /dev/shm is read-only."""

    code = -6


class Truncated(SegmentError):
    """The file is shorter than its header says."""

    code = -7


class NotASegment(SegmentError):
    """Not a segment of this library."""

    code = -8


class VersionMismatch(SegmentError):
    """Made by another version of the layout."""

    code = -9


class LayoutMismatch(SegmentError):
    """The same version, other structs: another build."""

    code = -10


class Corrupt(SegmentError):
    """A number in the segment is out of its bounds: its bytes were overwritten."""

    code = -11
    advice = "`conveyor doctor` says what can be saved"


class HandlesExhausted(SegmentError):
    """Every seat is taken: max_handles."""

    code = -12
    advice = "close a Segment that is not needed, or create one with more max_handles"


class HandleError(Error):
    """This Segment object cannot be used, or not by this thread."""


class Forked(HandleError):
    """The Segment belongs to the parent process."""

    code = -23
    advice = "attach anew in this process"


class Lost(HandleError):
    """The handle has lost its seat."""

    code = -25
    advice = "close it, and attach anew"


class Busy(HandleError):
    """Another thread is in a call with this Segment."""

    code = -28
    advice = "attach once for each thread"


class ReadOnly(HandleError):
    """The Segment only observes, and the call would change the segment, or wait."""

    code = -31
    advice = "attach in place of observe"


class LeaseError(Error):
    """The lease or slot cannot be settled."""


class Settled(LeaseError):
    """It was settled before."""

    code = -21


class Foreign(LeaseError):
    """It is of another handle."""

    code = -22


class TimedOut(Error, TimeoutError):
    """The wait's time is over."""

    code = -24


class Interrupted(Error):
    """The wait was ended by wake() or stop(): nobody's fault."""

    code = -26


class SystemFailure(Error):
    """A system call failed; `errno` says why."""

    code = -2
    errno: int = 0


class Unsupported(SystemFailure):
    """The system refuses what the library needs; `errno` says why."""

    code = -27


def _classes(root: type[Error]) -> list[type[Error]]:
    return [root] + [c for child in root.__subclasses__() for c in _classes(child)]


_BY_CODE = {c.code: c for c in reversed(_classes(Error)) if "code" in vars(c)}


def class_of(code: int) -> type[Error]:
    """The class of an error's number."""
    return _BY_CODE.get(code, Error)


def make(code: int, errno: int, what: str, segment: str | None, text: str) -> Error:
    """The exception of an error: what was done, where, what is wrong, and what to do about it."""
    cls = class_of(code)
    where = f"segment '{segment}', {what}" if segment else what
    message = f"{where}: {text}"
    if issubclass(cls, SystemFailure) and errno:
        message += f" ({os.strerror(errno)})"
    if cls.advice:
        message += f"; {cls.advice}"
    error = cls(message)
    error.code = code
    if isinstance(error, SystemFailure):
        error.errno = errno
    return error


_SETTLED = {1: "acked", 2: "returned", 3: "released"}


def log_settled(
    verdict: int, segment: str, stage: str, count: int, kind: type[BaseException] | None, trace: TracebackType | None
) -> None:
    """Says what became of the records of a block that an exception has left."""
    where = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        where = f" at {code.co_filename}:{trace.tb_lineno} in {code.co_name}"
        trace = trace.tb_next
    name = kind.__name__ if kind else "no exception"
    level = logging.WARNING if verdict == 2 else logging.INFO
    text = "%s %d records of stage '%s' of segment '%s': %s%s"
    log.log(level, text, _SETTLED[verdict], count, stage, segment, name, where)


def release_views(kinds: tuple[type, ...]) -> None:
    """In a forked child: slices that were taken of the parent's records must not be read any more."""
    for found in gc.get_objects():
        if type(found) is memoryview:
            try:
                if isinstance(found.obj, kinds):
                    found.release()
            except (ValueError, BufferError):
                pass

"""Fixtures: a segment for each test, of a name that tests/run recognizes and removes if a test was killed."""

import itertools
import os
import signal
import sys
import time

import conveyor
import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
_numbers = itertools.count()
PATIENCE = 60  # seconds that nothing takes unless it hangs

# A test run in the background of a shell ignores these, and so would all that it starts.
for _number in (signal.SIGINT, signal.SIGHUP):
    if signal.getsignal(_number) == signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL)


def new_name():
    return "conveyor-test-%d-python-%d" % (os.getpid(), next(_numbers))


@pytest.fixture
def name():
    name = new_name()
    yield name
    try:
        conveyor.unlink(name)
    except conveyor.NotFound:
        pass


SMALL = conveyor.Settings(max_total_records=1000, max_per_stage=600, max_per_source=400, max_handles=16)


@pytest.fixture
def segment(name):
    with conveyor.create(name, SMALL) as segment:
        yield segment
        if not segment.closed:
            check_audit(segment)


@pytest.fixture
def headed(name):
    with conveyor.create(name, conveyor.Settings(max_total_records=1000, header_size=64)) as segment:
        yield segment
        check_audit(segment)


def check_audit(segment):
    """Every record and credit is accounted for."""
    audit = segment.audit()
    assert audit.exact and audit.problems == 0, audit.first_problem
    assert audit.free + audit.reserved + audit.queued + audit.leased == audit.capacity
    return audit


def wait_until(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.005)

#!/usr/bin/env python3
"""cffi reads the generated plain header as it is, and with it a record goes in and comes out.
usage: plain.py HEADER LIBRARY; exit status 77 if cffi is missing."""
import os
import sys

try:
    import cffi
except ImportError:
    sys.exit(77)

ffi = cffi.FFI()
with open(sys.argv[1], encoding="utf-8") as f:
    ffi.cdef(f.read())
cvb = ffi.dlopen(sys.argv[2])
name = b"conveyor-test-%d-plain" % os.getpid()


def check(result):
    if result < 0:
        sys.exit(ffi.string(cvb.cvb_error_text(result)).decode())
    return result


settings = ffi.new("struct cvb_settings *")
cvb.cvb_settings_init_sized(settings, ffi.sizeof(settings[0]))
settings.max_total_records = settings.max_per_stage = settings.max_per_source = 10
check(cvb.cvb_create_sized(name, settings, ffi.sizeof(settings[0])))
try:
    handle = ffi.new("struct cvb_handle **")
    check(cvb.cvb_attach(name, handle))
    stage, source = ffi.new("uint32_t *"), ffi.new("uint32_t *")
    check(cvb.cvb_stage(handle[0], b"filter", stage))
    check(cvb.cvb_source(handle[0], b"kafka-1", source))
    text = ffi.new("char[]", b"hello")
    record = ffi.new("struct cvb_record *", {"payload": text, "length": 5, "source": source[0]})
    check(cvb.cvb_buffer_for_stage(handle[0], stage[0], record))
    lease = ffi.new("struct cvb_lease *")
    assert check(cvb.cvb_get_batch(handle[0], stage[0], lease, 1)) == 1
    assert ffi.buffer(lease.payload, lease.length)[:] == b"hello" and lease.stage == stage[0]
    audit = ffi.new("struct cvb_audit *")
    check(cvb.cvb_audit_sized(handle[0], audit, ffi.sizeof(audit[0])))
    assert (audit.capacity, audit.leased, audit.exact, audit.problems) == (10, 1, 1, 0)
    check(cvb.cvb_ack(handle[0], lease, 1))
    check(cvb.cvb_detach(handle[0]))
finally:
    cvb.cvb_unlink(name)
assert cvb.cvb_is_full(cvb.CVB_ESTAGE_FULL) == 1 and cvb.CVB_NO_STAGE == 2**32 - 1
assert cvb.cvb_version() == cvb.CVB_VERSION_MAJOR * 65536 + cvb.CVB_VERSION_MINOR * 256 + cvb.CVB_VERSION_PATCH
print("%d bytes of declarations, read as they are" % os.path.getsize(sys.argv[1]))

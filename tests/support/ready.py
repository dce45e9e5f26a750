"""Is a process that was started ready for a signal?"""
import re
import signal


def heeds_sigterm(process):
    """Whether it catches or blocks SIGTERM by now, so that this does not simply kill it."""
    with open("/proc/%d/status" % process.pid, encoding="utf-8") as f:
        masks = re.findall(r"^Sig(?:Cgt|Blk):\s*(\w+)", f.read(), re.M)
    return any(int(mask, 16) >> (signal.SIGTERM - 1) & 1 for mask in masks)

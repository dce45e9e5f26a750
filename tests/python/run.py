"""Runs a module as `python3 -m` does; exit status 77, which is a skipped test, if it is not installed.

usage: run.py MODULE ARGUMENTS...
"""

import importlib.util
import os
import sys

if importlib.util.find_spec(sys.argv[1]) is None:
    print("skipped: no module %s for %s (Debian: python3-%s)" % (sys.argv[1], sys.executable, sys.argv[1]))
    sys.exit(77)
os.execv(sys.executable, [sys.executable, "-m", *sys.argv[1:]])

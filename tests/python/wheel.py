"""Makes a wheel of the module alone, as pip does, against this build's library; unpacks it, and uses it."""

import importlib.util
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile

MISSING = [name for name in ("mesonpy", "build") if not importlib.util.find_spec(name)]
MISSING += [] if shutil.which("patchelf") else ["patchelf"]
USE = """
import sys, conveyor
assert conveyor.__file__.startswith(sys.argv[1]), conveyor.__file__
with conveyor.create(sys.argv[2]) as segment:
    segment.source("a").put("b", b"x")
    assert segment.stage("b").take() == [b"x"]
conveyor.unlink(sys.argv[2])
"""


def main() -> int:
    if MISSING:
        print("skipped:", ", ".join(MISSING), "missing")
        return 77
    root, build = (pathlib.Path(os.environ[name]) for name in ("ROOT", "BUILD"))
    with tempfile.TemporaryDirectory() as folder:
        source, place = pathlib.Path(folder, "source"), pathlib.Path(folder, "place")
        shutil.copytree(root / "lib/python", source)  # meson-python writes into it
        subprocess.run([sys.executable, "-m", "build", "--wheel", "--no-isolation", "-o", folder, source], check=True,
                       env=dict(os.environ, PKG_CONFIG_PATH=str(build / "meson-uninstalled"), PYTHONPATH=""))
        (wheel,) = pathlib.Path(folder).glob("*.whl")
        zipfile.ZipFile(wheel).extractall(place)
        subprocess.run([sys.executable, "-c", USE, place, "conveyor-test-%d-wheel" % os.getpid()], check=True,
                       env=dict(os.environ, LD_LIBRARY_PATH=str(build), PYTHONPATH=str(place)))
    return 0


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env bash
# Installs into an empty prefix, then builds and runs a program with pkg-config alone: shared, static, and as C++.
# Usage: install.sh BUILD
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
prefix=$(mktemp -d)
trap 'rm -rf "$prefix"' EXIT
DESTDIR=$prefix meson install -C "$1" --no-rebuild >/dev/null
base=$(find "$prefix" -name conveyor-buffer.pc -printf '%h\n' | head -1)
lib=$(dirname "$base")
export PKG_CONFIG_SYSROOT_DIR=$prefix PKG_CONFIG_PATH=$base PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1
work=$prefix/work
mkdir "$work"
cp "$here/outside.c" "$work/outside.c"
cp "$here/outside.c" "$work/outside.cc"
cd "$work"
# shellcheck disable=SC2046
cc -std=c11 -Wall -Wextra -Wpedantic -Werror outside.c -o shared $(pkg-config --cflags --libs conveyor-buffer)
LD_LIBRARY_PATH=$lib ./shared
ldd_line=$(LD_LIBRARY_PATH=$lib ldd ./shared | grep libconveyor-buffer)
[[ $ldd_line == *"$lib"* ]] || { echo "not linked with what was installed: $ldd_line"; exit 1; }
cc -std=c11 -Wall -Wextra -Werror outside.c -o static $(pkg-config --cflags conveyor-buffer) \
  "$lib/libconveyor-buffer.a" \
  $(pkg-config --static --libs-only-other --libs-only-l conveyor-buffer | sed 's/-lconveyor-buffer//')
ldd ./static | grep libconveyor-buffer && { echo "the static one is not static"; exit 1; }
./static
if command -v c++ >/dev/null; then
  c++ -Wall -Wextra -Werror outside.cc -o cplusplus $(pkg-config --cflags --libs conveyor-buffer)
  LD_LIBRARY_PATH=$lib ./cplusplus
fi
LD_LIBRARY_PATH=$lib "$(find "$prefix" -path '*/bin/conveyor')" --help >/dev/null

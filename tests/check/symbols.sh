#!/usr/bin/env bash
# The shared library shows the functions of the public headers, all of them and nothing else. Usage: symbols.sh BUILD
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
declared=$(cat "$root"/include/conveyor/*.h | tr '\n' ' ' |
  grep -oE 'CVB_API [^(]*\(' | grep -oE 'cvb_[a-z_]+\(' | tr -d '(' | sort -u)
mapped=$(grep -oE '^ +cvb_[a-z_]+;' "$root/lib/conveyor-buffer.map" | tr -d ' ;' | sort -u)
shown=$(nm -D --defined-only "$1/libconveyor-buffer.so" | awk '$2 != "A" {sub(/@.*/, "", $3); print $3}' | sort -u)
diff <(echo "$declared") <(echo "$mapped") || { echo "lib/conveyor-buffer.map and the headers differ"; exit 1; }
diff <(echo "$declared") <(echo "$shown") || { echo "the shared library and the headers differ"; exit 1; }
nm -D "$1/libconveyor-buffer.so" | grep ' A CONVEYOR_0.1' >/dev/null || { echo "no version node"; exit 1; }
echo "$(echo "$shown" | wc -l) symbols, as declared"

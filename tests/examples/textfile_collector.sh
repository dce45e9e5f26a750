#!/bin/sh
# textfile_collector.sh - writes what `conveyor stat --prometheus` says of segments where the node exporter of
# Prometheus reads it (--collector.textfile.directory). Run it every 15 seconds or so, from a systemd timer or a loop.
# A file is replaced in one step, so that it is never read half; that of a segment that is gone is removed.
# usage: textfile_collector.sh FOLDER SEGMENT...
set -eu
folder=$1
shift
for segment in "$@"; do
    file=$folder/conveyor-$segment.prom
    if conveyor stat "$segment" --prometheus >"$file.$$"; then
        mv "$file.$$" "$file"
    else
        rm -f "$file.$$" "$file"
    fi
done

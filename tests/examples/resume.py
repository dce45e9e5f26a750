"""resume.py - a connector that may be killed at any time and started again: each line of a file goes in once.
  position    of a line: the offset in the file of the byte behind it
  accepted    the segment has all lines up to this position, so it goes on there: nothing is lost or doubled
  settled     they have left the buffer for good, so the file up to there may be forgotten: it says so at the end
usage: resume.py SEGMENT STAGE SOURCE FILE"""

import sys

import conveyor


def pour(source: conveyor.Source, stage: str, path: str) -> int:
    """Returns the position of the last line."""
    position = source.open()  # Busy while another connector of the source lives
    print(f"goes on behind byte {position}", flush=True)
    with open(path, "rb") as file:
        file.seek(position)
        for line in file:
            position += len(line)
            source.put(stage, line.rstrip(b"\n"), position=position)
    return position


def main() -> None:
    name, stage, source_name, path = sys.argv[1:]
    with conveyor.attach(name) as segment:
        source = segment.source(source_name)
        last = pour(source, stage, path)
        source.wait_settled(last)
        print(f"all is settled up to byte {last}")


if __name__ == "__main__":
    main()

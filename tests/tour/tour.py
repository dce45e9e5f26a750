"""Runs the ```console blocks of a document in order, in one shell, and compares what they print with what they show.

usage: tour.py DOCUMENT ROOT DIFFERENCES; CONVEYOR in the environment names the command. Its folder comes first in PATH,
and pkg-config finds the library of that build.

In a console block a line that begins with "$ " is a command, and one that begins with "> " goes on with it. What
follows is its output, standard error among it. Two wildcards: … inside a line stands for any characters but blanks,
and blanks then count as one, however many there are; a line that is … alone stands for any number of lines.

A block whose first line is ```c PATH must stand, as it is, in that file below ROOT. It is also written, under the
file's name, to the folder in which the commands run: so a document can show a whole program, and how it is compiled
and run. One whose first line is ```python NAME is only written.

Prints each difference. Exit status 0 if there are as many as expected: none, but for the test of this program.
"""
import fcntl
import os
import re
import signal
import subprocess
import sys
import tempfile

PATIENCE = int(os.environ.get("PATIENCE", 900))  # seconds; more than a test may take on a slow machine
SEGMENTS = ("readme-tour", "readme-tour-b")


def blocks(text):
    """Yields the information string, the content and the number of the first line of each fenced block."""
    for match in re.finditer(r"^```(\S[^\n]*)\n(.*?)^```$", text, re.M | re.S):
        yield match[1], match[2], text.count("\n", 0, match.start()) + 2


def steps(block, number):
    """The commands of a console block: [line number, command, lines of output]."""
    found = []
    for offset, line in enumerate(block.splitlines()):
        if line.startswith("$ "):
            found.append([number + offset, line[2:], []])
        elif line.startswith("> ") and found and not found[-1][2]:
            found[-1][1] += "\n" + line[2:]
        elif found:
            found[-1][2].append(line)
        else:
            sys.exit("line %d: output before the first command" % (number + offset))
    return found


def line_pattern(line):
    if "…" not in line:
        return re.escape(line)
    words = re.split(r"( +|…)", line)
    return "".join(r"\S+" if w == "…" else " +" if w and not w.strip(" ") else re.escape(w) for w in words)


def pattern(lines):
    return "".join("(?:.*\n)*?" if line.strip() == "…" else line_pattern(line) + "\n" for line in lines)


def surroundings():
    """The environment of the commands: this build's command and library come first."""
    build = os.path.dirname(os.environ["CONVEYOR"])
    environment = dict(os.environ, LC_ALL="C.UTF-8", LD_LIBRARY_PATH=build,
                       PKG_CONFIG_PATH=os.path.join(build, "meson-uninstalled"))
    environment["PATH"] = build + ":" + environment["PATH"] + ":/usr/sbin"  # servers are there
    return environment


def remove_segments():
    """Those that the documents make, if they are there; what is still at work in them ends."""
    for name in SEGMENTS:
        subprocess.run([os.environ["CONVEYOR"], "rm", "--force", name], stderr=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, check=False)


def end_all(session):
    """The shell of a document, and what it left in the background."""
    try:
        os.killpg(session, signal.SIGKILL)
    except ProcessLookupError:
        pass


def run(found, programs):
    """Runs all commands in one shell, in a folder of its own with the programs; what each command printed."""
    mark = "end of step %d, of process %d"
    script = "exec 2>&1\n"
    for i, (_, command, _) in enumerate(found):
        script += command + "\nprintf '%s\\n' '" + mark % (i, os.getpid()) + "'\n"
    with tempfile.TemporaryDirectory() as folder:
        for name, text in programs.items():
            with open(os.path.join(folder, name), "w", encoding="utf-8") as f:
                f.write(text)
        with tempfile.TemporaryFile() as out:
            shell = subprocess.Popen(["bash", "-c", script], cwd=folder, env=surroundings(), stdin=subprocess.DEVNULL,
                                     stdout=out, start_new_session=True)
            try:
                shell.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                print("not within %d s; what was printed until then:" % PATIENCE)
            finally:
                end_all(shell.pid)
                shell.wait()
                remove_segments()
            out.seek(0)
            printed = out.read()
    rest, outputs, ended = printed.decode(errors="replace"), [], True
    for i, (number, command, _) in enumerate(found):
        output, here, rest = rest.partition(mark % (i, os.getpid()) + "\n")
        outputs.append(output)
        if ended and not here:
            print("line %d: this did not end: $ %s" % (number, command))
        ended = bool(here)
    return outputs


def check_console(found, programs):
    wrong = 0
    for (number, command, lines), output in zip(found, run(found, programs)):
        if not re.fullmatch(pattern(lines), output):
            wrong += 1
            print("line %d: $ %s\n--- shown\n%s\n--- printed\n%s---" % (number, command, "\n".join(lines), output))
    return wrong


def check_code(name, block, number, root):
    with open(os.path.join(root, name), encoding="utf-8") as f:
        if block in f.read():
            return 0
    print("line %d: this block does not stand in %s" % (number, name))
    return 1


def main():
    path, root, expected = sys.argv[1:]
    with open(path, encoding="utf-8") as f:
        text = f.read()
    found, programs, wrong = [], {}, 0
    for kind, block, number in blocks(text):
        if kind == "console":
            found += steps(block, number)
        elif kind.startswith("c "):
            wrong += check_code(kind[2:], block, number, root)
            programs[os.path.basename(kind)] = block
        elif kind.startswith("python "):
            programs[kind.split()[1]] = block
    if not found and not programs:
        sys.exit("no block to look at")
    with open(os.path.join(tempfile.gettempdir(), "conveyor-%s-%d.lock" % (SEGMENTS[0], os.getuid())), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one tour at a time: the segment's name is the document's
        remove_segments()
        wrong += check_console(found, programs)
    print("%d commands, %d differences" % (len(found), wrong))
    sys.exit(wrong != int(expected))


main()

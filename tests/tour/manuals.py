"""Checks that the manual pages and the completion name what the headers and the command have, and nothing else."""
import glob
import os
import re
import subprocess
import sys
import unittest

ROOT = sys.argv.pop()
COMMAND = os.environ["CONVEYOR"]
PAGES = os.path.join(ROOT, "lib", "packaging", "man")


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def one_blank(text):
    return re.sub(r"\s+", " ", text).strip()


def declared():
    """Name and declaration of each public function; of one that passes the size of a struct on, what programs call;
    none that is told to be private."""
    for path in sorted(glob.glob(os.path.join(ROOT, "include", "conveyor", "*.h"))):
        text = re.sub(r"^/\* Private: [^/]*\*/\nstatic inline ", "", read(path), flags=re.M)
        for found in re.findall(r"^CVB_API ([^;]+;)", text, re.M) + re.findall(r"^static inline ([^{]+)\{", text, re.M):
            name = re.search(r"(cvb_\w+)\(", found)[1]
            if not name.endswith("_sized"):
                yield name, one_blank(found.rstrip("; \n")) + ";"


def synopses():
    """Name and declaration of each function in a page of section 3."""
    for path in sorted(glob.glob(os.path.join(PAGES, "*.3.scd"))):
        block = re.search(r"^# SYNOPSIS\n\n```\n(.*?)^```", read(path), re.M | re.S)[1]
        for text in re.findall(r"^([^;]+;)", re.sub(r"^#.*\n", "", block, flags=re.M), re.M):
            yield re.search(r"(cvb_\w+)\(", text)[1], one_blank(text)


def help_of(*arguments):
    return subprocess.run([COMMAND, *arguments, "--help"], stdout=subprocess.PIPE, check=True).stdout.decode()


def commands():
    return re.findall(r"^  ([a-z-]+)  ", help_of(), re.M)


def options(command):
    return re.findall(r"^  (--[a-z-]+)", help_of(command), re.M)


def complete(*words):
    """What bash offers for the last of the words."""
    script = """source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _conveyor
                printf '%s\\n' "${COMPREPLY[@]}" """
    environment = dict(os.environ, PATH=os.path.dirname(COMMAND) + ":" + os.environ["PATH"])
    completion = os.path.join(ROOT, "lib", "packaging", "completion", "conveyor")
    done = subprocess.run(["bash", "-c", script, "bash", completion, "conveyor", *words], stdout=subprocess.PIPE,
                          env=environment, check=True)
    return [line for line in done.stdout.decode().split("\n") if line]


class Manuals(unittest.TestCase):
    maxDiff = None

    def test_each_function_has_its_page(self):
        self.assertEqual(dict(synopses()), dict(declared()))

    def test_each_function_is_found_by_its_name(self):
        build = read(os.path.join(ROOT, "lib", "packaging", "meson.build"))
        for name, _ in declared():
            self.assertRegex(build, r"'%s(\.3)?'" % name)

    def test_each_page_names_its_functions(self):
        for path in glob.glob(os.path.join(PAGES, "*.3.scd")):
            text = read(path)
            named = re.search(r"^# NAME\n\n(.*?) - ", text, re.M | re.S)[1].replace("\n", " ").split(", ")
            shown = re.findall(r"(cvb_\w+)\(", re.search(r"^```\n(.*?)^```", text, re.M | re.S)[1])
            self.assertEqual(sorted(named), sorted(shown), path)

    def test_each_error_is_explained(self):
        text = read(os.path.join(PAGES, "cvb_error_text.3.scd"))
        for name in re.findall(r"^    (CVB_E\w+) = ", read(os.path.join(ROOT, "include", "conveyor", "types.h")), re.M):
            self.assertIn("*%s*\n" % name, text)

    def test_the_command_page_has_each_option(self):
        text = read(os.path.join(PAGES, "conveyor.1.scd"))
        synopsis = dict(re.findall(r"^\*conveyor ([a-z-]+)\*(.*?)(?=^\*|^#)", text, re.M | re.S))
        synopsis.pop("--version")
        self.assertEqual(sorted(synopsis), sorted(commands()))
        for command in commands():
            self.assertIn("*%s*\n\t" % command, text)
            if command == "bench":
                continue
            has = set(options(command)) - {"--help"}
            self.assertEqual(set(re.findall(r"\*(--[a-z-]+)\*", synopsis[command])), has, command)
            for option in has:
                self.assertRegex(text, r"\n(\S.*)?\*%s\*.*\n\t" % option)

    def test_completion(self):
        self.assertEqual(sorted(complete("")), sorted(commands() + ["--help", "--version"]))
        self.assertEqual(complete("dead-letter", "x", "re"), ["retry"])
        self.assertEqual(complete("signal", "x", "--stage", "y", "p"), ["pause"])
        self.assertEqual(complete("replay", "x", __file__[:-1]), [__file__])
        self.assertEqual(complete("create", "x", "--config", __file__[:-1]), [__file__])
        for command in commands():
            if command != "bench":
                self.assertEqual(sorted(complete(command, "x", "--")), sorted(options(command)))

    def test_completion_of_names(self):
        segment = "conveyor-completion-%d" % os.getpid()
        subprocess.run([COMMAND, "create", segment, "--max-total-records", "10"], check=True)
        try:
            subprocess.run([COMMAND, "push", segment, "--stage", "filter", "--source", "file-1"], input=b"x\n",
                           stderr=subprocess.DEVNULL, check=True)
            self.assertEqual(complete("pull", segment[:-1]), [segment])
            self.assertEqual(complete("pull", segment, "--stage", "f"), ["filter"])
            self.assertEqual(complete("push", segment, "--source", ""), ["file-1"])
        finally:
            subprocess.run([COMMAND, "rm", segment], check=True)

    def test_a_name_is_offered_as_it_has_to_be_typed_and_never_run(self):
        """Others choose names: what is offered is quoted, and neither a command nor a pattern of files to the shell."""
        segment = "conveyor-completion-$(kill $$)-%d" % os.getpid()
        subprocess.run([COMMAND, "create", segment, "--max-total-records", "10"], check=True)
        try:
            for name in ("two words", "it's", "a:b", "$(kill $$)", "*", 'say "x"', "back\\slash"):
                subprocess.run([COMMAND, "push", segment, "--stage", name, "--source", name], input=b"x\n",
                               stderr=subprocess.DEVNULL, check=True)
            typed = segment.replace("$", "\\$").replace("(", "\\(").replace(")", "\\)").replace(" ", "\\ ")
            self.assertEqual(complete("stat", "conveyor-completion-\\$"), [typed])
            offered = ["two\\ words", "it\\'s", "a:b", "\\$\\(kill\\ \\$\\$\\)", "\\*", 'say\\ \\"x\\"',
                       "back\\\\slash"]
            for option in ("--stage", "--source"):
                found = complete("purge", typed, option, "")
                self.assertEqual([name for name in found if name != "dead-letter"], offered)
            self.assertEqual(complete("pull", typed, "--stage", "two\\ w"), ["two\\ words"])
            self.assertEqual(complete("pull", typed, "--stage", "'two w"), ["two words"])
            self.assertEqual(complete("pull", typed, "--stage", "a", ":"), ["b"])
            self.assertEqual(complete("pull", typed, "--stage", "a", ":", "b"), ["b"])
        finally:
            subprocess.run([COMMAND, "rm", segment, "--force"], check=True)


unittest.main()

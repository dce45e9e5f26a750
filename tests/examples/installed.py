"""Installs into a folder, and builds and runs a program against what is there, as somebody else's project would: with
pkg-config and with CMake, with the shared and with the static library.

usage: installed.py BUILD PREFIX, with MESON naming meson
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

PREFIX, BUILD = sys.argv.pop(), sys.argv.pop()
HERE = os.path.dirname(os.path.abspath(__file__))
SEGMENT = "conveyor-installed-%d" % os.getpid()


def find(root, name):
    for folder, _, files in os.walk(root):
        if name in files:
            return os.path.join(folder, name)
    raise AssertionError("%s was not installed" % name)


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp()
        cls.run_quietly([os.environ["MESON"], "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.folder])
        cls.prefix = cls.folder + PREFIX

    @classmethod
    def tearDownClass(cls):
        subprocess.run([cls.prefix + "/bin/conveyor", "rm", SEGMENT], stderr=subprocess.DEVNULL, check=False)
        shutil.rmtree(cls.folder)

    @staticmethod
    def run_quietly(command, **options):
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
        if done.returncode:
            raise AssertionError("%s\n%s" % (" ".join(command), done.stdout.decode(errors="replace")))
        return done.stdout.decode()

    def flags(self, *what):
        path = os.path.dirname(find(self.prefix, "conveyor-buffer.pc"))
        environment = dict(os.environ, PKG_CONFIG_PATH=path)
        return self.run_quietly(["pkg-config", "--define-variable=prefix=" + self.prefix, "--cflags", "--libs", *what,
                                 "conveyor-buffer"], env=environment).split()

    def check_program(self, path, shared):
        environment = dict(os.environ, LD_LIBRARY_PATH=os.path.dirname(find(self.prefix, "libconveyor-buffer.a")))
        needed = self.run_quietly(["readelf", "-d", path])
        self.assertEqual("[libconveyor-buffer.so.0]" in needed, shared)
        self.run_quietly([path, SEGMENT, "filter", "file-1", "5"], env=environment)
        pulled = self.run_quietly([self.prefix + "/bin/conveyor", "pull", SEGMENT, "--stage", "filter"])
        self.assertTrue(pulled.startswith("record 1\nrecord 2\nrecord 3\nrecord 4\nrecord 5\npulled 5 records"), pulled)

    def build(self, name, *more, source="produce.c"):
        path = os.path.join(self.folder, name)
        self.run_quietly(["cc", "-Wall", "-Wextra", "-Werror", "-o", path, os.path.join(HERE, source), *more])
        return path

    def test_pkg_config_shared(self):
        self.check_program(self.build("shared", *self.flags()), True)

    def test_each_example_needs_only_what_is_installed(self):
        for source in sorted(name for name in os.listdir(HERE) if name.endswith(".c")):
            with open(os.path.join(HERE, source)) as f:
                text = f.read()
            if not re.search(r"^int main\(", text, re.M):
                continue  # a part of others
            parts = [os.path.join(HERE, name + ".c") for name in re.findall(r'^#include "(\w+)\.h"', text, re.M)]
            self.build("example", "-std=c11", "-D_GNU_SOURCE", *parts, *self.flags(), source=source)

    def test_pkg_config_static(self):
        self.check_program(self.build("static", "-static", *self.flags("--static")), False)

    @unittest.skipUnless(shutil.which("cmake"), "no cmake")
    def test_cmake(self):
        source, build = os.path.join(self.folder, "project"), os.path.join(self.folder, "project-build")
        os.mkdir(source)
        shutil.copy(os.path.join(HERE, "produce.c"), source)
        with open(os.path.join(source, "CMakeLists.txt"), "w") as f:
            f.write("cmake_minimum_required(VERSION 3.13)\nproject(outside C)\n"
                    "find_package(conveyor-buffer 0.1 REQUIRED)\n"
                    "add_executable(with-shared produce.c)\n"
                    "target_link_libraries(with-shared conveyor-buffer::conveyor-buffer)\n"
                    "add_executable(with-static produce.c)\n"
                    "target_link_libraries(with-static conveyor-buffer::conveyor-buffer-static)\n"
                    "find_package(conveyor-buffer 99 QUIET)\n"
                    "if(conveyor-buffer_FOUND)\n  message(FATAL_ERROR \"99 is not this version\")\nendif()\n")
        self.run_quietly(["cmake", "-S", source, "-B", build, "-DCMAKE_PREFIX_PATH=" + self.prefix])
        self.run_quietly(["cmake", "--build", build])
        self.check_program(os.path.join(build, "with-shared"), True)
        self.check_program(os.path.join(build, "with-static"), False)

    def test_what_else_is_there(self):
        for name in ("conveyor-bench", "conveyor-bufferConfigVersion.cmake", "buffer.h", "conveyor"):
            find(self.prefix, name)
        self.assertTrue(os.path.exists(self.prefix + "/share/bash-completion/completions/conveyor"))
        if shutil.which("scdoc") and shutil.which("man"):
            self.assertIn("cvb_audit", self.run_quietly(["man", "-M", self.prefix + "/share/man", "cvb_recover"]))


unittest.main()

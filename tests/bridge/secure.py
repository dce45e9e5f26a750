"""TLS and logins: a bridge that is let in carries records, and one that is not says in words what is wrong.

usage: secure.py CONVEYOR [TEST...]
"""
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile

from secrets_of_tests import Authority, Nkey
from server import Server
from supervised import CONVEYOR, Bridges, command, main, read, wait_for

PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../lib/docs/bridges.md")


class Secure(Bridges):
    def setUp(self):
        super().setUp()
        self.folder = tempfile.mkdtemp(prefix="conveyor-test-")
        self.server = None

    def tearDown(self):
        super().tearDown()
        if self.server:
            self.server.close()
        shutil.rmtree(self.folder)

    def file(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        os.chmod(path, 0o600)
        return path

    def into(self, segment, *more):
        return ("bridge", segment, "--from", "nats://%s/IN/C" % self.server.url, "--stage", "filter", "--source", "s",
                "--create", "--option", "timeout_ms=60000", *more)

    def check(self, segment, *more):
        got = command(*self.into(segment, "--check", *more))
        return got.returncode, got.stderr

    def carries(self, segment, *more):
        self.server.make_stream("IN", ["in.>"])
        self.assertEqual(self.check(segment, *more), (0, ""))
        bridge = self.start(*self.into(segment, *more))
        self.server.publish("in.a", self.payloads(10))
        wait_for("all is in", lambda: self.buffered(segment) == 10)
        bridge.end()

    def refused(self, segment, text, *more):
        status, said = self.check(segment, *more)
        self.assertEqual(status, 1, said)
        self.assertIn(text, said)
        self.assertNotIn("secret", said)

    def test_tls(self):
        """Both show certificates of one authority; each thing that does not fit is told by its name."""
        ours, other = Authority(self.folder, "ours"), Authority(self.folder, "other")
        cert, key = ours.sign("server")
        mine, my_key = ours.sign("bridge")
        alien, alien_key = other.sign("alien")
        context = ssl.create_default_context(cafile=ours.pem)
        context.load_cert_chain(mine, my_key)
        self.server = Server('tls { cert_file: "%s", key_file: "%s", ca_file: "%s", verify: true }'
                             % (cert, key, ours.pem), tls=context)
        segment = self.segment()
        known = ("--tls-ca", ours.pem, "--tls-cert", mine, "--tls-key", my_key)
        self.carries(segment, *known)
        self.refused(segment, "it wants TLS")
        self.refused(segment, "its certificate is unknown to --tls-ca", "--tls-ca", other.pem, *known[2:])
        self.refused(segment, "it may want a certificate of this bridge", "--tls-ca", ours.pem)
        self.refused(segment, "it may not know the authority of --tls-cert", "--tls-ca", ours.pem, "--tls-cert",
                     alien, "--tls-key", alien_key)
        self.refused(segment, "names another host", *known, "--option", "tls_host=elsewhere.example")
        got = command(*self.into(segment, "--tls-ca", os.path.join(self.folder, "none")))
        self.assertEqual(got.returncode, 2)
        self.assertIn("cannot use --tls-ca", got.stderr)

    def test_a_server_without_tls(self):
        self.server = Server()
        ours = Authority(self.folder, "ours")
        self.refused(self.segment(), "it does not speak TLS: leave out --tls-ca", "--tls-ca", ours.pem)

    def test_user_and_password(self):
        login = {"user": "me", "pass": "secret-1"}
        self.server = Server("authorization { user: me, password: secret-1 }", login=login)
        segment = self.segment()
        right = self.file("right", "# who this is\nuser=me\npassword=secret-1\n")
        wrong = self.file("wrong", "user=me\npassword=secret-2\n")
        self.carries(segment, "--option-file", right)
        self.assertEqual(self.check(segment, "--credentials", right), (0, ""))
        self.refused(segment, "does not take this user, password or key", "--option-file", wrong)
        self.refused(segment, "give --credentials FILE")
        for more, text in ((("--option", "password=secret-1"), "does not belong on a command line"),
                           (("--option-file", self.file("bad", "user=me\nnonsense\n")), "line 2 is not NAME=VALUE"),
                           (("--option-file", self.file("worse", "no_such=1\n")), "known are"),
                           (("--credentials", "/none"), "cannot read --credentials /none")):
            got = command(*self.into(segment, *more))
            self.assertEqual(got.returncode, 2, got.stderr)
            self.assertIn(text, got.stderr)
            self.assertNotIn("secret", got.stderr)

    def test_a_password_that_changes(self):
        """A bridge that is not let in any more ends and says so, instead of waiting for ever."""
        self.server = Server("authorization { user: me, password: secret-1 }", login={"user": "me", "pass": "secret-1"})
        self.server.make_stream("IN", ["in.>"])
        segment = self.segment()
        right = self.file("right", "user=me\npassword=secret-1\n")
        bridge = subprocess.Popen([CONVEYOR, *self.into(segment, "--option-file", right)],
                                  stderr=subprocess.PIPE, text=True)
        self.server.publish("in.a", self.payloads(10))
        wait_for("all is in", lambda: self.buffered(segment) == 10)
        with open(self.server.config, encoding="utf-8") as f:
            config = f.read()
        with open(self.server.config, "w", encoding="utf-8") as f:
            f.write(config.replace("secret-1", "secret-2"))
        self.server.restart()
        said = bridge.communicate(timeout=120)[1]
        self.assertEqual(bridge.returncode, 1)
        self.assertIn("does not let this bridge in any more", said)

    def permitted(self, *ways):
        """What the page about two machines says: (must, subject) for bridges of these ways."""
        rows = re.findall(r"(?m)^\| ([a-z, ]+) \| (publish|subscribe) \| `([^`]+)` \|", read(PAGE))
        return [(must, subject.replace("WORK", "IN").replace(".b", ".C"))
                for who, must, subject in rows if set(who.split(", ")) & set(ways)]

    def serve_users(self, **users):
        """Each with what it is permitted."""
        lines = []
        for name, all_of in users.items():
            lists = ["%s: { allow: [%s] }" % (must, ", ".join('"%s"' % s for m, s in [*all_of, (must, "nothing")]
                                                              if m == must))  # an empty list permits everything
                     for must in ("publish", "subscribe")]
            lines.append("{ user: %s, password: secret-1, permissions: { %s } }" % (name, ", ".join(lists)))
        self.server = Server("authorization { users = [ { user: test, password: secret-2 }, %s ] }" % ", ".join(lines),
                             login={"user": "test", "pass": "secret-2"})

    def as_user(self, name):
        return ("--option-file", self.file(name, "user=%s\npassword=secret-1\n" % name))

    def test_what_a_bridge_in_must_be_permitted(self):
        """With all of the list it goes on after a restart; without one of it it ends, and says which."""
        everything = self.permitted("in")
        self.assertEqual(len(everything), 7)
        self.serve_users(everything=everything,
                         **{"lacks%d" % i: everything[:i] + everything[i + 1:] for i in range(len(everything))})
        self.server.make_stream("IN", ["in.>"])
        segment = self.segment()
        for i, (_, lacks) in enumerate(everything):
            bridge = self.start(*self.into(segment, *self.as_user("everything")))
            self.server.publish("in.a", self.payloads(10))
            wait_for("all is in", lambda: self.buffered(segment) == 10)
            bridge.end(signal.SIGKILL)
            command("pull", segment, "--stage", "filter")  # so there is something to acknowledge
            got = command(*self.into(segment, *self.as_user("lacks%d" % i), "--option", "timeout_ms=2000"))
            self.assertEqual(got.returncode, 1, got.stderr)
            self.assertRegex(got.stderr, 'Permissions Violation for .* "%s' % re.escape(lacks.strip(">*")))
        bridge = self.start(*self.into(segment, *self.as_user("everything")))
        wait_for("all is acknowledged", lambda: self.server.consumer("IN", "C").get("ack_floor") and
                 self.server.consumer("IN", "C")["ack_floor"]["stream_seq"] == 70)
        bridge.end()

    def test_what_a_bridge_out_must_be_permitted(self):
        checks = self.permitted("out", "check")
        self.serve_users(out=self.permitted("out"), check=checks, no_names=checks[:2] + checks[3:],
                         no_info=checks[:3], no_inbox=checks[1:])
        self.server.make_stream("OUT", ["work.>"])
        segment = self.segment()
        words = ("bridge", segment, "--stage", "sink", "--to", "nats://%s/work.{source}" % self.server.url)
        self.assertEqual(command("push", segment, "--stage", "sink", "--source", "s", input="x\n").returncode, 0)
        for user, more, status, text in (("check", ("--check",), 0, ""), ("out", ("--count", "1"), 0, ""),
                                         ("no_names", ("--check",), 1, '"$JS.API.STREAM.NAMES"'),
                                         ("no_info", ("--check",), 1, '"$JS.API.STREAM.INFO.OUT"'),
                                         ("no_inbox", (), 1, 'for Subscription to "_INBOX')):
            got = command(*words, *self.as_user(user), *more)
            self.assertEqual(got.returncode, status, (user, got.stderr))
            self.assertIn(text, got.stderr)

    def test_nkey(self):
        user, other = Nkey(self.folder, "U"), Nkey(self.folder, "U")
        self.server = Server("authorization { users = [ { nkey: %s }, { user: test, password: secret-1 } ] }"
                             % user.public, login={"user": "test", "pass": "secret-1"})
        segment = self.segment()

        def login(who):
            seed = self.file("seed", who.seed)
            return ("--credentials", self.file("nkey", "nkey=%s\nnkey_seed_file=%s\n" % (who.public, seed)))
        self.carries(segment, *login(user))
        self.refused(segment, "does not take this user, password or key", *login(other))

    def test_credentials_of_nsc(self):
        """A file as nsc writes it: a JWT that an account has signed, and the user's seed."""
        operator, account, system, user = (Nkey(self.folder, k) for k in "OAAU")
        limits = {"subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": True, "conn": -1,
                  "leaf": -1, "mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
        accounts = ["%s: \"%s\"" % (k.public, operator.token(k.public, "an account", type="account", limits=limits))
                    for k, limits in ((account, limits), (system, {"conn": -1}))]
        self.server = Server(
            'operator: "%s"\nsystem_account: %s\nresolver: MEMORY\nresolver_preload: { %s }'
            % (self.file("operator.jwt", operator.token(operator.public, "op", type="operator")), system.public,
               ", ".join(accounts)))

        def creds(who):
            token = account.token(user.public, "u", type="user", subs=-1, data=-1, payload=-1)
            return self.file("creds", "-----BEGIN NATS USER JWT-----\n%s\n------END NATS USER JWT------\n\n"
                             "-----BEGIN USER NKEY SEED-----\n%s\n------END USER NKEY SEED------\n" % (token, who.seed))
        segment = self.segment()
        status, said = self.check(segment, "--credentials", creds(user))
        self.assertIn("a bridge makes no stream", said)  # it is let in, and JetStream answers
        self.refused(segment, "does not take this user, password or key", "--credentials",
                     creds(Nkey(self.folder, "U")))


if __name__ == "__main__":
    main()

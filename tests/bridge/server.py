"""A nats-server of a test's own: started, killed, started again on the same store; and a client of a few lines."""
import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

PATIENCE = 120  # seconds


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, config="", tls=None, login=None, host="127.0.0.1"):
        self.tls, self.login = tls, login or {}
        self.folder = tempfile.mkdtemp(prefix="conveyor-test-nats-")
        self.host = host
        self.process = None
        self.config = os.path.join(self.folder, "server.conf")
        for _ in range(5):  # the port was free a moment ago: somebody else may have got it
            self.choose_port(config)
            if self.answers():
                return
        self.fail()

    def choose_port(self, config):
        self.port = free_port()
        self.url = "%s:%d" % (self.host, self.port)
        with open(self.config, "w", encoding="utf-8") as f:
            f.write('listen: "%s"\njetstream { store_dir: "%s", max_mem: 256M, max_file: 4G }\n%s\n'
                    % (self.url, self.folder, config))

    def answers(self):
        """Starts it; False if it ends at once, as when it cannot have its port."""
        with open(os.path.join(self.folder, "log"), "a", encoding="utf-8") as log:
            self.process = subprocess.Popen([os.environ.get("NATS_SERVER", "nats-server"), "-c", self.config],
                                            stdout=log, stderr=log)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            try:
                socket.create_connection((self.host, self.port), timeout=PATIENCE).close()
                return True
            except OSError:
                time.sleep(0.01)
        return False

    def said(self):
        """The end of its log."""
        with open(os.path.join(self.folder, "log"), encoding="utf-8") as log:
            return log.read()[-500:]

    def fail(self):
        raise AssertionError("nats-server does not answer: " + self.said())

    def start(self):
        """Again, at the same address."""
        end = time.monotonic() + PATIENCE
        while not self.answers():
            self.kill()
            if time.monotonic() > end:
                self.fail()
            time.sleep(0.1)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def close(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self):
        s = socket.create_connection((self.host, self.port), timeout=PATIENCE)
        if self.tls:  # the server's first line comes in the clear
            while s.recv(1) != b"\n":
                pass
            s = self.tls.wrap_socket(s, server_hostname=self.host)
        f = s.makefile("rwb")
        if not self.tls:
            f.readline()
        words = dict({"verbose": False, "headers": True, "no_responders": True}, **self.login)
        f.write(b"CONNECT %s\r\nSUB inbox.> 1\r\n" % json.dumps(words).encode())
        f.flush()
        s.close()  # the file keeps it open
        return f

    @staticmethod
    def read(f):
        """The next message: (subject, bytes)."""
        while True:
            line = f.readline()
            if not line:
                raise OSError("the connection is closed")
            if line.startswith(b"PING"):
                f.write(b"PONG\r\n")
                f.flush()
            elif line.startswith((b"MSG", b"HMSG")):
                words = line.split()
                data = f.read(int(words[-1]) + 2)[:-2]
                return words[1], data[int(words[-2]):] if line.startswith(b"HMSG") else data

    def request(self, subject, payload=b""):
        """A request that JetStream answers; asked again while the server is only just up (503)."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            f = self.connect()
            f.write(b"PUB %s inbox.1 %d\r\n%s\r\n" % (subject.encode(), len(payload), payload))
            f.flush()
            answer = self.read(f)[1]
            f.close()
            said = json.loads(answer) if answer else {"error": {"code": 503}}
            if said.get("error", {}).get("code") != 503:
                return said
            time.sleep(0.05)
        raise AssertionError("nobody answers " + subject)

    def make_stream(self, name, subjects, **changes):
        config = {"name": name, "subjects": subjects, "storage": "file", "retention": "limits", "discard": "new",
                  "num_replicas": 1, "duplicate_window": 120 * 10 ** 9}
        config.update(changes)
        answer = self.request("$JS.API.STREAM.CREATE." + name, json.dumps(config).encode())
        assert "error" not in answer, answer

    def stream(self, name):
        return self.request("$JS.API.STREAM.INFO." + name)["state"]

    def make_consumer(self, stream, name, **config):
        asked = {"stream_name": stream, "config": dict({"durable_name": name, "ack_policy": "all"}, **config)}
        answer = self.request("$JS.API.CONSUMER.DURABLE.CREATE.%s.%s" % (stream, name), json.dumps(asked).encode())
        assert "error" not in answer, answer

    def consumer(self, stream, name):
        return self.request("$JS.API.CONSUMER.INFO.%s.%s" % (stream, name))

    def message(self, stream, number):
        """A message of a stream: its headers as (name, value) pairs, and its body."""
        m = self.request("$JS.API.STREAM.MSG.GET." + stream, b'{"seq":%d}' % number)["message"]
        lines = base64.b64decode(m.get("hdrs", "")).decode().split("\r\n")[1:]
        return [tuple(line.split(":", 1)) for line in lines if line], base64.b64decode(m["data"])

    def publish_with(self, subject, headers, payload):
        """One message with headers, which are (name, value) pairs."""
        head = "NATS/1.0\r\n%s\r\n" % "".join("%s: %s\r\n" % h for h in headers)
        f = self.connect()
        f.write(b"HPUB %s inbox.1 %d %d\r\n%s%s\r\n" % (subject.encode(), len(head), len(head) + len(payload),
                                                        head.encode(), payload))
        f.flush()
        assert b'"seq"' in self.read(f)[1]
        f.close()

    def publish(self, subject, payloads, ahead=1000):
        """Publishes all, and waits until the stream has acknowledged each."""
        f = self.connect()
        owed = 0
        for i, payload in enumerate(payloads):
            f.write(b"PUB %s inbox.%d %d\r\n%s\r\n" % (subject.encode(), i, len(payload), payload))
            owed += 1
            if owed == ahead:
                f.flush()
                while owed:
                    assert b'"seq"' in self.read(f)[1]
                    owed -= 1
        f.flush()
        for _ in range(owed):
            assert b'"seq"' in self.read(f)[1]
        f.close()

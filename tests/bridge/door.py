"""A door in front of a nats-server, which shuts at chosen moments."""
import re
import select
import socket
import threading

TAIL = 200  # bytes of what came before, in which the beginning of a word may be


def request_of(kind):
    """How a request to JetStream begins; libnats names a durable consumer's creation in its own way."""
    return re.compile(rb"\$JS\.API\." + kind.replace("CREATE", "(DURABLE.)?CREATE").replace(".", r"\.").encode() +
                      rb"\.")


class Door:
    """Passes on what comes, both ways. A moment is (kind, when): at the next request of that kind the connection is cut
    "before" the server has it or "after" it was done and before its answer is back; "held": also before, but nothing
    passes until let_go(), and then it is cut. The next moment is looked for then."""

    def __init__(self, server, *moments):
        self.server, self.moments, self.go, self.open = server, list(moments), threading.Event(), set()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        """One connection after the other."""
        while True:
            try:
                client = self.socket.accept()[0]
            except OSError:
                return
            with client:
                self.open.add(client)
                self.pass_on(client)
                self.open.discard(client)

    def pass_on(self, client):
        try:
            with socket.create_connection((self.server.host, self.server.port)) as server:
                seen, asked = {client: b"", server: b""}, False
                while True:
                    for one in select.select([client, server], [], [])[0]:
                        data = one.recv(65536)
                        seen[one] = seen[one][-TAIL:] + data
                        asked |= one is client and self.is_asked(seen[one])
                        if not data or (asked and self.is_time(seen[server])):
                            return
                        (server if one is client else client).sendall(data)
        except OSError:
            return

    def is_asked(self, data):
        return bool(self.moments and request_of(self.moments[0][0]).search(data))

    def is_time(self, answered):
        """The request is there: True if the connection is to be cut now."""
        kind, when = self.moments[0]
        if when == "after" and kind.lower().replace(".", "_").encode() + b"_response" not in answered:
            return False
        if when == "held":
            self.go.wait()
        del self.moments[0]
        return True

    def let_go(self):
        self.go.set()

    def cut(self):
        """The connection that is there."""
        for client in list(self.open):
            try:
                client.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # it has just ended

    def close(self):
        self.let_go()
        self.moments = []
        self.socket.shutdown(socket.SHUT_RDWR)
        self.cut()
        self.thread.join()
        self.socket.close()

"""A test of bridges at a nats-server of its own."""
from server import Server
from supervised import Bridges

PATIENT = ("--option", "timeout_ms=60000")  # to connect: a busy machine may let a server wait for seconds


class AtNats(Bridges):
    def setUp(self):
        super().setUp()
        self.server = Server()

    def tearDown(self):
        super().tearDown()
        self.server.close()

    def url(self, path):
        return "nats://%s/%s" % (self.server.url, path)

    def into(self, segment, path, *more, stage="filter", source="nats"):
        return ("bridge", segment, "--from", self.url(path), "--stage", stage, "--source", source, "--create",
                *PATIENT, *more)

    def out_of(self, segment, path, *more, stage="filter"):
        return ("bridge", segment, "--stage", stage, "--to", self.url(path), *PATIENT, *more)

    def floor(self, stream, name):
        """Up to where all is acknowledged; 0 while a bridge makes the consumer anew."""
        return self.server.consumer(stream, name).get("ack_floor", {}).get("stream_seq", 0)

"""The engines whose bridges are measured: a server, streams in it, and what a client or a bridge is told."""
import json
import subprocess

from machine import Failed

from server import Server, free_port

GROUP = "bench"


class Engine:
    def check(self):
        """Fails if a server is no longer there."""
        for process in self.processes():
            if process.poll() is not None:
                raise Failed("%s: the server ended in the middle, with %d%s" % (self.name, process.returncode,
                                                                               self.said()))

    def said(self):
        return ""


class Nats(Engine):
    """A nats-server with streams on disk; a message goes to a subject that is its stream's name in small letters."""

    name = "NATS"

    def __init__(self, told):
        self.server = Server()
        self.told = told

    def processes(self):
        return [self.server.process]

    def said(self):
        return "; the end of its log:\n" + self.server.said()

    def close(self):
        self.server.close()

    def begin(self, stream, room=-1):
        self.server.make_stream(stream, [stream.lower()], max_msgs=room)

    def end(self, stream):
        self.server.request("$JS.API.STREAM.DELETE." + stream)

    def count(self, stream):
        return self.server.stream(stream)["messages"]

    def bare(self, way, stream):
        if way == "in":
            consumer = {"durable_name": "bare", "ack_policy": "all", "deliver_policy": "all",
                        "max_ack_pending": self.told.room + 2 * self.told.batch}
            made = self.server.request("$JS.API.CONSUMER.DURABLE.CREATE.%s.bare" % stream,
                                       json.dumps({"stream_name": stream, "config": consumer}).encode())
            if "error" in made:
                raise Failed("no consumer: %s" % made["error"])
        return [self.told.bare_nats, way, self.server.url, stream.lower() if way == "out" else stream + "/bare"]

    def into(self, stream):
        return ["--from", "nats://%s/%s/bridge" % (self.server.url, stream), "--create"]

    def out_of(self, stream):
        return ["--to", "nats://%s/%s" % (self.server.url, stream.lower())]

    def blocked(self):
        """Where a bridge out is held: a stream with room for little."""
        self.begin("FULL", self.told.room // 100)
        return self.out_of("FULL")

    @staticmethod
    def is_held(stat):
        """Whether the bridge out has records that the stream does not take."""
        return any(s["leased"] for s in stat["stages"])


class Kafka(Engine):
    """librdkafka's mock cluster, all in memory; a partition holds some megabytes, so there are many, and each topic has
    a cluster of its own."""

    name = "Kafka"
    PARTITIONS = 16
    EVENLY = ("--option", "sticky.partitioning.linger.ms=0")  # else some get more than they keep; the bare client too

    def __init__(self, told):
        self.told = told
        self.clusters = {}

    def processes(self):
        return [cluster for cluster, _ in self.clusters.values()]

    def close(self):
        for topic in list(self.clusters):
            self.end(topic)

    def begin(self, topic):
        cluster = subprocess.Popen([self.told.kafka_mock, "mock", "%s:%d" % (topic, self.PARTITIONS)], text=True,
                                   stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.clusters[topic] = cluster, cluster.stdout.readline().strip()

    def end(self, topic):
        cluster = self.clusters.pop(topic)[0]
        cluster.stdin.close()
        cluster.wait()
        cluster.stdout.close()

    def bare(self, way, topic):
        return [self.told.bare_kafka, way, self.clusters[topic][1], topic]

    def into(self, topic):
        return ["--from", "kafka://%s/%s?group=%s" % (self.clusters[topic][1], topic, GROUP)]

    def out_of(self, topic):
        return ["--to", "kafka://%s/%s" % (self.clusters[topic][1], topic), *self.EVENLY]

    def blocked(self):
        """Where a bridge out is held: brokers that are not there."""
        return ["--to", "kafka://127.0.0.1:%d/away" % free_port()]

    @staticmethod
    def is_held(stat):
        """Whether the bridge out is there: it takes no record before a broker is."""
        return len(stat["handles"]) > 0

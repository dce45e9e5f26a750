"""A network of its own between two machines that are one: each gets a network namespace, with delay and loss between
them by tc. The namespace in which the rest of the system is stays as it is."""
import os
import shutil
import subprocess

NEAR, FAR = "10.99.0.1", "10.99.0.2"  # nobody else is in these namespaces
LOOPBACK = {"host": "127.0.0.1", "near": [], "far": [], "words": "both machines on the loopback interface"}


def run(*words):
    """None, or why it failed."""
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return None if not done.returncode else done.stdout.strip() or "status %d" % done.returncode


class Namespaces:
    """`there` tells what a job needs to know: `host`, where a server on the near machine listens; `near` and `far`,
    with which a command begins to run there; and in `words` what there is, and what is not permitted here."""

    def __init__(self, delay_ms, loss_percent):
        self.names, self.there = [], LOOPBACK
        why = self.open()
        if why:
            self.close()
            self.there = dict(LOOPBACK, words="%s (namespaces are not permitted here: %s)" % (LOOPBACK["words"], why))
            return
        words = "a network namespace for each machine" + self.hold_up(delay_ms, loss_percent)
        self.there = {"host": NEAR, "near": self.enter(0), "far": self.enter(1), "words": words}

    def enter(self, which):
        return ["ip", "netns", "exec", self.names[which]]

    def open(self):
        """None, or why not."""
        if not shutil.which("ip"):
            return "ip (package iproute2) is missing"
        for side in ("near", "far"):
            name = "conveyor-%d-%s" % (os.getpid(), side)
            why = run("ip", "netns", "add", name)
            if why:
                return why
            self.names.append(name)
        steps = [("ip", "link", "add", "link0", "netns", self.names[0], "type", "veth", "peer", "name", "link0",
                  "netns", self.names[1])]
        for which, address in enumerate((NEAR, FAR)):
            steps += [(*self.enter(which), "ip", "addr", "add", address + "/30", "dev", "link0"),
                      (*self.enter(which), "ip", "link", "set", "link0", "up"),
                      (*self.enter(which), "ip", "link", "set", "lo", "up")]
        return next(filter(None, (run(*step) for step in steps)), None)

    def hold_up(self, delay_ms, loss_percent):
        """Delay and loss in each direction; in words."""
        if not delay_ms and not loss_percent:
            return ""
        if not shutil.which("tc"):
            return "; without delay and loss: tc (package iproute2) is missing"
        for which in (0, 1):
            why = run(*self.enter(which), "tc", "qdisc", "add", "dev", "link0", "root", "netem", "delay",
                      "%gms" % delay_ms, "loss", "%g%%" % loss_percent)
            if why:
                return "; without delay and loss, which are not permitted here: tc: " + why.splitlines()[0]
        return "; %g ms delay and %g %% loss each way" % (delay_ms, loss_percent)

    def close(self):
        """The link goes with them."""
        for name in self.names:
            run("ip", "netns", "del", name)
        self.names = []

"""Certificates and keys for the tests of bridges, made by openssl."""
import base64
import hashlib
import json
import os
import subprocess


def openssl(*words, text=None):
    return subprocess.run(["openssl", *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          check=True).stdout


class Authority:
    """Signs certificates, each in a file NAME.pem with its key in NAME.key."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                "-subj", "/CN=" + name, "-keyout", self.file(name + ".key"), "-out", self.file(name + ".pem"))

    def file(self, name):
        return os.path.join(self.folder, name)

    @property
    def pem(self):
        return self.file(self.name + ".pem")

    def sign(self, name, names="IP:127.0.0.1,DNS:localhost"):
        asked, extra = self.file(name + ".csr"), self.file(name + ".ext")
        with open(extra, "w", encoding="utf-8") as f:
            f.write("subjectAltName=%s\n" % names)
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=" + name,
                "-keyout", self.file(name + ".key"), "-out", asked)
        openssl("x509", "-req", "-in", asked, "-CA", self.pem, "-CAkey", self.file(self.name + ".key"),
                "-CAcreateserial", "-days", "2", "-extfile", extra, "-out", self.file(name + ".pem"))
        return self.file(name + ".pem"), self.file(name + ".key")


def check_sum(data):
    """CRC-16 as XMODEM has it: what ends each nkey."""
    crc = 0
    for byte in data:
        crc ^= byte << 8
        for _ in range(8):
            crc = (crc << 1 ^ 0x1021 if crc & 0x8000 else crc << 1) & 0xffff
    return crc.to_bytes(2, "little")


def nkey(prefix, data):
    data = prefix + data
    return base64.b32encode(data + check_sum(data)).decode().rstrip("=")


def unpadded(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


class Nkey:
    """A key pair of NATS: 'O'perator, 'A'ccount or 'U'ser."""

    prefixes = {"O": 14 << 3, "A": 0, "U": 20 << 3}

    def __init__(self, folder, kind):
        self.pem = os.path.join(folder, "nkey-%s-%d.pem" % (kind, len(os.listdir(folder))))
        openssl("genpkey", "-algorithm", "ed25519", "-out", self.pem)
        seed = openssl("pkey", "-in", self.pem, "-outform", "DER")[-32:]
        public = openssl("pkey", "-in", self.pem, "-pubout", "-outform", "DER")[-32:]
        prefix = self.prefixes[kind]
        self.seed = nkey(bytes([18 << 3 | prefix >> 5, (prefix & 31) << 3]), seed)
        self.public = nkey(bytes([prefix]), public)

    def sign(self, data):
        path = self.pem + ".data"
        with open(path, "wb") as f:
            f.write(data)
        return openssl("pkeyutl", "-sign", "-inkey", self.pem, "-rawin", "-in", path)

    def token(self, subject, name, **nats):
        """A JWT about another key, signed by this one."""
        claims = {"iss": self.public, "sub": subject, "name": name, "iat": 1600000000, "nats": dict(nats, version=2)}
        claims["jti"] = base64.b32encode(hashlib.sha256(json.dumps(claims).encode()).digest()).decode().rstrip("=")
        text = "%s.%s" % (unpadded(b'{"typ":"JWT","alg":"ed25519-nkey"}'), unpadded(json.dumps(claims).encode()))
        return "%s.%s" % (text, unpadded(self.sign(text.encode())))

"""A name server that knows localhost alone, and says in the output of a build which other names it was asked for."""

import re
import socket
import struct

ASKED = "pybake: the build asks for "
NAME = re.compile(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+\Z")


class Names:
    """Answers one query at a time, while a build runs."""

    def __init__(self, output):
        self.output = output
        self.asked = set()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self.socket.bind(("127.0.0.1", 53))
        except OSError:  # where low ports are not for everybody, names stay unknown all the same
            self.socket.close()
            self.socket = None

    def close(self):
        if self.socket:
            self.socket.close()

    def answer(self):
        try:
            query, sender = self.socket.recvfrom(4096, socket.MSG_DONTWAIT)
            end, name = question(query)
            self.socket.sendto(reply(query, end, name), sender)
        except (OSError, IndexError):
            return
        if NAME.match(name) and not name.endswith(".arpa") and name not in self.asked and len(self.asked) < 100:
            self.asked.add(name)
            self.output.line(ASKED + name)


def question(query):
    """Where the first question of a DNS query ends, and its name."""
    at, labels = 12, []
    while query[at]:
        labels.append(query[at + 1 : at + 1 + query[at]].decode("ascii", "replace"))
        at += 1 + query[at]
    query[at + 4]  # type and class
    return at + 5, ".".join(labels).lower()


LOCALHOST = {1: b"\x7f\0\0\1", 28: b"\0" * 15 + b"\1"}  # A, AAAA


def reply(query, end, name):
    """Response, recursion desired and available; one question."""
    address = LOCALHOST.get(query[end - 3])
    if name != "localhost":
        return query[:2] + b"\x81\x83" + b"\0\1" + b"\0" * 6 + query[12:end]  # NXDOMAIN
    if not address:
        return query[:2] + b"\x81\x80" + b"\0\1" + b"\0" * 6 + query[12:end]
    record = b"\xc0\x0c" + query[end - 4 : end] + b"\0\0\0\0" + struct.pack(">H", len(address)) + address
    return query[:2] + b"\x81\x80" + b"\0\1\0\1" + b"\0" * 4 + query[12:end] + record

#!/usr/bin/python3
"""Many WebSocket subscribers in one process, as cheap as Python allows: one epoll, frames read by hand.

    ws_subscribers.py READING STALLED

Standard input: {"url": ...}, answered by {"connected": N} when all are; then {"evaluation_id": ...}, answered when
every reading subscriber has heard of the end, or after 300 s, by what they heard. Subscriptions are sent one a
millisecond.

A delay runs from the event's own timestamp, or from the sending of the subscription when the event is older than that,
until this process looks at the message. It includes the time that the message waits for this process.
"""

import base64
import datetime
import json
import os
import resource
import selectors
import socket
import struct
import sys
import time
import urllib.parse

LAST = ("evaluation_completed", "evaluation_failed", "evaluation_cancelled")
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def frame(opcode, payload):
    """A client's frame; the mask of zeros leaves the payload as it is."""
    size = bytes([0x80 | len(payload)]) if len(payload) < 126 else b"\xfe" + struct.pack(">H", len(payload))
    return bytes([0x80 | opcode]) + size + bytes(4) + payload


def connect(url):
    where = urllib.parse.urlsplit(url)
    connection = socket.create_connection((where.hostname, where.port), timeout=30)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    connection.sendall(f"GET {where.path}?{where.query} HTTP/1.1\r\nHost: {where.netloc}\r\nUpgrade: websocket\r\n"
                       f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = connection.recv(4096)
        if not piece:
            sys.exit("the server has closed a handshake")
        answer += piece
    if not answer.startswith(b"HTTP/1.1 101"):
        sys.exit(f"no WebSocket: {answer[:200]!r}")
    connection.setblocking(False)
    return connection, answer.split(b"\r\n\r\n", 1)[1]


class Subscriber:
    """One connection and what it has heard."""

    def __init__(self, url):
        self.socket, self._unread = connect(url)
        self.subscribed = 0.0
        self.done = False

    def subscribe(self, order):
        self.subscribed = time.time()
        self.socket.sendall(frame(TEXT, order))

    def read(self):
        """Yields the text of every message that has come."""
        try:
            piece = self.socket.recv(65536)
        except BlockingIOError:
            return
        if not piece:
            self.done = True
        data = self._unread + piece
        at = 0
        while len(data) - at >= 2:
            size, start = data[at + 1] & 127, at + 2
            if size == 126:
                size, start = int.from_bytes(data[at + 2:at + 4], "big"), at + 4
            elif size == 127:
                size, start = int.from_bytes(data[at + 2:at + 10], "big"), at + 10
            if len(data) < start + size:
                break
            opcode, payload = data[at] & 15, data[start:start + size]
            at = start + size
            if opcode == TEXT:
                yield payload
            elif opcode == PING:
                self.socket.sendall(frame(PONG, payload))
            elif opcode == CLOSE:
                self.done = True
        self._unread = data[at:]


def sent_at(event):
    return datetime.datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).timestamp()


def say(message):
    print(json.dumps(message), flush=True)


def main(reading, stalled):
    url = json.loads(sys.stdin.readline())["url"]
    everybody = [Subscriber(url) for _ in range(reading + stalled)]
    say({"connected": len(everybody)})
    order = json.dumps({"type": "subscribe_evaluation",
                        "evaluation_id": json.loads(sys.stdin.readline())["evaluation_id"]}).encode()
    before = time.process_time()
    # Nobody reads from the stalled ones.
    waiting = everybody[reading:] + everybody[:reading]
    selector = selectors.EpollSelector()
    for one in everybody[:reading]:
        selector.register(one.socket, selectors.EVENT_READ, one)
    delays, kinds, completed, ended = [], {}, 0, 0
    give_up, next_order = time.monotonic() + 300, time.monotonic()
    while ended < reading and time.monotonic() < give_up:
        while waiting and time.monotonic() >= next_order:
            waiting.pop(0).subscribe(order)
            next_order += 0.001
        for key, _ in selector.select(0.001 if waiting else 0.5):
            one = key.data
            for text in one.read():
                now = time.time()
                event = json.loads(text)
                kind = event.get("type", "")
                kinds[kind] = kinds.get(kind, 0) + 1
                if kind.startswith("evaluation_"):
                    delays.append(now - max(sent_at(event), one.subscribed))
                if kind in LAST:
                    completed += kind == LAST[0]
                    one.done = True
            if one.done:
                ended += 1
                selector.unregister(one.socket)
    delays.sort()

    def percentile(p):
        return delays[min(len(delays) - 1, int(len(delays) * p))] * 1000 if delays else None
    say({"completed": completed, "events": kinds, "p50_ms": percentile(0.5), "p99_ms": percentile(0.99),
         "max_ms": percentile(1), "cpu_s": time.process_time() - before})


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    main(int(sys.argv[1]), int(sys.argv[2]))

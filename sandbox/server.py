"""A small asyncio HTTP/1.1 server that can also misbehave on purpose.

Scope: bytes and sockets. It parses requests, keeps connections alive, and delivers an answer in the
way its `Delivery` says: at once, late, slowly, cut short, reset, or never. What to answer is the
application's business (`app.handle`).
"""

import asyncio
import http.client
import json
import socket
import struct
import time
from email.utils import formatdate
from urllib.parse import parse_qsl, unquote

MAX_HEAD = 64 * 1024
MAX_BODY = 64 * 1024 * 1024
SLOW_TICK = 0.05
REASONS = {code: phrase for code, phrase in http.client.responses.items()}


class Request:
    """One parsed request, with the moments it arrived."""

    __slots__ = ("method", "path", "query", "headers", "body", "peer", "arrived", "wall",
                 "keep_alive", "id", "_params")

    def __init__(self, method, target, headers, body, peer, keep_alive):
        path, _, query = target.partition("?")
        self.method = method
        self.path = unquote(path)
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
        self.keep_alive = keep_alive
        self.arrived = time.monotonic()
        self.wall = time.time()
        self.id = None
        self._params = None

    @property
    def params(self):
        """Query parameters in the order given, as (name, value) pairs."""
        if self._params is None:
            self._params = parse_qsl(self.query, keep_blank_values=True)
        return self._params

    @params.setter
    def params(self, pairs):
        self._params = pairs

    def json(self):
        return json.loads(self.body) if self.body.strip() else {}


class Delivery:
    """How an answer goes out. `later` gives the answer of a request that was kept hanging."""

    __slots__ = ("kind", "delay", "after", "rate", "later")

    def __init__(self, kind="normal", delay=0.0, after=None, rate=None, later=None):
        self.kind = kind
        self.delay = delay
        self.after = after
        self.rate = rate
        self.later = later


class Stream:
    """A body made piece by piece, so that a huge answer costs no memory."""

    __slots__ = ("pieces", "length")

    def __init__(self, pieces, length):
        self.pieces = pieces
        self.length = length


class Page:
    """A list answer kept in parts, so that a fault can work on single records."""

    __slots__ = ("prefix", "records", "suffix", "no_more", "yes_more")

    def __init__(self, prefix, records, suffix, no_more=b"", yes_more=b""):
        self.prefix = prefix
        self.records = records
        self.suffix = suffix
        self.no_more = no_more
        self.yes_more = yes_more

    def with_more(self, records=None):
        """This page, or one with other records, that claims to have a next one."""
        records = self.records if records is None else records
        if not self.no_more:
            return Page(self.prefix, records, self.suffix)
        return Page(self.prefix.replace(self.no_more, self.yes_more), records,
                    self.suffix.replace(self.no_more, self.yes_more), self.no_more, self.yes_more)

    def join(self):
        return self.prefix + b",".join(self.records) + self.suffix


class Response:
    __slots__ = ("status", "headers", "_body", "page", "delivery")

    def __init__(self, status=200, body=b"", headers=None, page=None, delivery=None):
        self.status = status
        self.headers = headers if headers is not None else {}
        self._body = body
        self.page = page
        self.delivery = delivery

    @property
    def body(self):
        return self.page.join() if self.page is not None else self._body

    @body.setter
    def body(self, value):
        self.page = None
        self._body = value

    @classmethod
    def of_json(cls, value, status=200, headers=None):
        return cls(status, json.dumps(value, separators=(",", ":")).encode(), headers)


class BadRequest(Exception):
    def __init__(self, status, message):
        super().__init__(message)
        self.status = status


def parse_head(head):
    """Request line and headers (names in lower case); raises BadRequest."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
        raise BadRequest(400, "malformed request line")
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if not colon or not name or name != name.strip():
            raise BadRequest(400, "malformed header")
        name = name.lower()
        value = value.strip()
        headers[name] = headers[name] + ", " + value if name in headers else value
    if parts[2] == "HTTP/1.1" and "host" not in headers:
        raise BadRequest(400, "no Host header")
    wish = headers.get("connection", "").lower()
    keep_alive = "close" not in wish if parts[2] == "HTTP/1.1" else "keep-alive" in wish
    return parts[0], parts[1], headers, keep_alive


def parse_chunks(buffer, start):
    """A chunked body that begins at `start`: (body, end), or None while it is incomplete."""
    body = bytearray()
    at = start
    while True:
        line_end = buffer.find(b"\r\n", at)
        if line_end < 0:
            return None
        try:
            size = int(bytes(buffer[at:line_end]).split(b";")[0], 16)
        except ValueError:
            raise BadRequest(400, "malformed chunk") from None
        at = line_end + 2
        if size == 0:
            end = buffer.find(b"\r\n", at)
            return (bytes(body), end + 2) if end >= 0 else None
        if len(buffer) < at + size + 2:
            return None
        body += buffer[at:at + size]
        at += size + 2


class Connection(asyncio.Protocol):
    """One client connection. Requests that are pipelined wait for the answer before them."""
    def __init__(self, app, loop):
        self.app = app
        self.loop = loop
        self.transport = None
        self.peer = None
        self.buffer = bytearray()
        self.current = None
        self.response = None
        self.timer = None
        self.pieces = None
        self.writable = True

    def connection_made(self, transport):
        self.transport = transport
        self.peer = (transport.get_extra_info("peername") or ("?",))[0]
        self.app.connections.add(self)

    def connection_lost(self, _error):
        self.app.connections.discard(self)
        self.app.hanging.discard(self)
        if self.timer is not None:
            self.timer.cancel()
        if self.current is not None:
            self._finish("client closed")
        self.transport = None

    def data_received(self, data):
        self.buffer += data
        self._serve()

    def pause_writing(self):
        self.writable = False

    def resume_writing(self):
        self.writable = True
        if self.pieces is not None:
            self._pump()

    def _serve(self):
        """Answers what is complete in the buffer, one request after the other."""
        while self.current is None and self.buffer and self.transport is not None:
            try:
                request = self._take()
            except BadRequest as problem:
                response = Response.of_json({"error": {"message": str(problem)}}, problem.status)
                self.transport.write(
                    self._head(response, len(response.body), False) + response.body)
                self.transport.close()
                return
            if request is None:
                return
            self.current = request
            self._begin(self.app.handle(request))

    def _take(self):
        end = self.buffer.find(b"\r\n\r\n")
        if end < 0:
            if len(self.buffer) > MAX_HEAD:
                raise BadRequest(431, "head too large")
            return None
        method, target, headers, keep_alive = parse_head(bytes(self.buffer[:end]))
        start = end + 4
        if headers.get("expect", "").lower() == "100-continue" and len(self.buffer) == start:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if "chunked" in headers.get("transfer-encoding", "").lower():
            found = parse_chunks(self.buffer, start)
            if found is None:
                return None
            body, stop = found
        else:
            length = headers.get("content-length", "0")
            if not length.isdigit() or int(length) > MAX_BODY:
                raise BadRequest(413 if length.isdigit() else 400, "unacceptable Content-Length")
            stop = start + int(length)
            if len(self.buffer) < stop:
                return None
            body = bytes(self.buffer[start:stop])
        del self.buffer[:stop]
        return Request(method, target, headers, body, self.peer, keep_alive)

    def _head(self, response, length, keep_alive):
        lines = [
            f"HTTP/1.1 {response.status} {REASONS.get(response.status, 'Unknown')}",
            f"Date: {formatdate(self.app.clock.now(), usegmt=True)}"
        ]
        if "Content-Type" not in response.headers:
            lines.append("Content-Type: application/json")
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        lines.append(f"Content-Length: {length}")
        lines.append("Connection: keep-alive" if keep_alive else "Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _begin(self, response):
        self.response = response
        delivery = response.delivery
        if delivery is None:
            self._send()
        elif delivery.kind == "hang":
            self.app.hanging.add(self)
        elif delivery.delay:
            self.timer = self.loop.call_later(delivery.delay, self._deliver)
        else:
            self._deliver()

    def release(self, answer):
        """Ends a hang: with the late answer, or by closing without one."""
        self.app.hanging.discard(self)
        if self.transport is None:
            return
        if answer and self.response.delivery.later is not None:
            self._begin(self.response.delivery.later())
            self._serve()
        else:
            self.transport.close()

    def _deliver(self):
        self.timer = None
        delivery = self.response.delivery
        if delivery.kind == "normal":
            self._send()
        elif delivery.kind == "reset":
            self._part(delivery.after or 0)
            self._reset()
        elif delivery.kind == "close":
            self.transport.close()
        elif delivery.kind == "truncate":
            self._part(delivery.after)
            self.transport.close()
        elif delivery.kind == "slow":
            body = self.response.body
            data = self._head(self.response, len(body), self.current.keep_alive) + body
            self._trickle(memoryview(data), max(1, int(delivery.rate * SLOW_TICK)))
        self._serve()

    def _part(self, after):
        """Head with the full length, but only the first bytes of the body; None: half of it."""
        if after == 0:
            return
        body = self.response.body
        after = len(body) // 2 if after is None else after
        self.transport.write(self._head(self.response, len(body), True) + body[:after])

    def _reset(self):
        sock = self.transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def _trickle(self, data, step):
        if self.transport is None:
            return
        self.transport.write(bytes(data[:step]))
        if len(data) > step:
            self.timer = self.loop.call_later(SLOW_TICK, self._trickle, data[step:], step)
        else:
            self._done()
            self._serve()

    def _send(self):
        body = self.response.body
        keep_alive = self.current.keep_alive
        if isinstance(body, Stream):
            self.transport.write(self._head(self.response, body.length, keep_alive))
            self.pieces = iter(body.pieces)
            self._pump()
            return
        head = self._head(self.response, len(body), keep_alive)
        self.transport.write(head if self.current.method == "HEAD" else head + body)
        self._done()

    def _pump(self):
        while self.writable and self.transport is not None:
            piece = next(self.pieces, None)
            if piece is None:
                self.pieces = None
                self._done()
                self._serve()
                return
            self.transport.write(piece)

    def _done(self):
        keep_alive = self.current.keep_alive
        self._finish("sent")
        if not keep_alive:
            self.transport.close()

    def _finish(self, outcome):
        request, self.current, self.response = self.current, None, None
        self.app.finished(request, outcome)


async def serve(app, host, port, ready):
    """Listens until cancelled; `ready` is called with the port once connections are taken."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(app, loop), host, port, backlog=1024)
    ready(server.sockets[0].getsockname()[1])
    async with server:
        await server.serve_forever()

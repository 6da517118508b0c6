"""A small API for rows that need answers made on the spot. Prints its port, then serves until it is told
to stop; every arrival is noted in a file (time, path).

    /s/<n>/<list>?since=..  a poll: mostly nothing; CHANGES of a hundred bring one changed record
    /live/items?since=..    the records that POST /change/<id> changed
    /long/items?page=<n>    a list without end
"""

import asyncio
import json
import random
import sys
import time
from urllib.parse import parse_qs, urlsplit

ROWS = 10


def item(id, updated, **more):
    return {"id": id, "updated": round(updated * 1000), "name": f"record {id}", **more}


class Api:
    def __init__(self, arrivals, changes):
        self.arrivals = open(arrivals, "w", buffering=1 << 16)
        self.share = changes / 100
        self.chance = random.Random(2)
        self.changed = {}

    def answer(self, method, target, now):
        url = urlsplit(target)
        query = parse_qs(url.query)
        self.arrivals.write(f"{now:.6f} {url.path}\n")
        kind, _, rest = url.path[1:].partition("/")
        if kind == "s":
            return self.poll(rest, query, now)
        if kind == "long":
            page = int(query["page"][0])
            return [item(f"{page}_{n}", now) for n in range(ROWS)], True
        if kind == "live":
            since = float(query["since"][0]) / 1000 if "since" in query else 0
            return [item(id, at, changed_at=at, seen_at=now) for id, at in self.changed.items() if at >= since], False
        if kind == "change" and method == "POST":
            self.changed[rest] = now
        self.arrivals.flush()
        return [], False

    def poll(self, path, query, now):
        if "since" not in query:
            return [item(str(n), now) for n in range(ROWS)], False
        if self.chance.random() >= self.share:
            return [], False
        return [item(str(self.chance.randrange(ROWS)), now, value=self.chance.random())], False


class Connection(asyncio.Protocol):
    def __init__(self, api):
        self.api, self.rest = api, b""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        now = time.time()
        self.rest += data
        while (end := self.rest.find(b"\r\n\r\n")) >= 0:
            head, self.rest = self.rest[:end], self.rest[end + 4:]
            method, target, _ = head.split(b"\r\n", 1)[0].decode().split(" ")
            rows, more = self.api.answer(method, target, now)
            body = json.dumps({"data": rows, "has_more": more}).encode()
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


async def main(arrivals, changes):
    api = Api(arrivals, changes)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(api), "127.0.0.1", 0, backlog=1000)
    print(server.sockets[0].getsockname()[1], flush=True)
    while True:
        await asyncio.sleep(0.2)
        api.arrivals.flush()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], float(sys.argv[2])))

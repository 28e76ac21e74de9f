"""The built-in workloads that wait for a server or for a disk."""

import itertools
import json
import os
import socket
import struct
import threading

from .digest import MASK, bits, fill, fold, fold_bytes, key
from .workloads import TAGS, InThreads

# Closing resets the connection: nothing is under way by then, and thousands of trials would fill the machine's ports.
RESET = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


class WrongData(Exception):
    """What came back is not what was sent or asked for."""


class Fetch:
    """A task that gets a body from the fixture "http": over a connection of its own for each thread, and for each task that
    runs at once as a coroutine, which is used again and never waited for."""

    def __init__(self, job, kind, size):
        self.seed = job.seed
        self.host, _, port = job.fixture.rpartition(":")
        self.port = int(port)
        self.path = "/%s/%d/%%d/%d/%d" % (kind, job.seed, size, round(job.seconds("latency") * 1e9))
        self.local = threading.local()

    def __call__(self, i):
        connection = getattr(self.local, "connection", None)
        if connection is None:
            from http.client import HTTPConnection

            connection = self.local.connection = HTTPConnection(self.host, self.port)
            connection.connect()
            connection.sock.setsockopt(*RESET)
        connection.request("GET", self.path % i)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise WrongData("GET %s: status %d: %r" % (self.path % i, response.status, body[:200]))
        return self.digest(key(self.seed, i), body)

    def start_aio(self, workers):
        import asyncio

        self.connect, self.idle = asyncio.open_connection, []

    async def aio(self, i):
        if self.idle:
            reader, writer = self.idle.pop()
        else:
            reader, writer = await self.connect(self.host, self.port)
            writer.get_extra_info("socket").setsockopt(*RESET)
        path = self.path % i
        writer.write(b"GET %s HTTP/1.1\r\nHost: %s:%d\r\n\r\n" % (path.encode(), self.host.encode(), self.port))
        status, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        length = [int(line[15:]) for line in lines if line.lower().startswith("content-length:")]
        if status.split(" ")[1:2] != ["200"] or len(length) != 1:
            raise WrongData("GET %s: %s" % (path, status))
        body = await reader.readexactly(length[0])
        self.idle.append((reader, writer))
        return self.digest(key(self.seed, i), body)


class Http(Fetch):
    def __init__(self, job):
        self.size = job.number("size")
        super().__init__(job, "bytes", self.size)

    def digest(self, k, body):
        if body != fill(k, self.size):
            raise WrongData("the server sent other data than was asked for")
        return fold_bytes(k, body)


class FetchParse(Fetch):
    def __init__(self, job):
        self.records = job.number("records")
        super().__init__(job, "records", self.records)

    def digest(self, k, body):
        records = json.loads(body)["records"]
        if len(records) != self.records:
            raise WrongData("%d records where %d were asked for" % (len(records), self.records))
        ids = names = active = 0
        revenue = dearest = x = y = 0.0
        occurrences, quantities = dict.fromkeys(TAGS, 0), dict.fromkeys(TAGS, 0)
        for r in records:
            quantity, price = r["quantity"], float(r["price"])
            ids += r["id"]
            names += fold_bytes(0, r["name"].encode())
            dearest = max(dearest, price)
            x += r["position"]["x"]
            y += r["position"]["y"]
            if r["active"]:
                active += 1
                revenue += price * quantity
            for tag in r["tags"]:
                occurrences[tag] += 1
                quantities[tag] += quantity
        h = fold(k, ids & MASK, names & MASK, active, bits(revenue), bits(dearest), bits(x), bits(y))
        for tag in TAGS:
            h = fold(h, occurrences[tag], quantities[tag])
        return h


class File(InThreads):
    def __init__(self, job):
        self.seed, self.size, self.sync = job.seed, job.number("size"), job.params["sync"] == "yes"
        if not os.path.isdir(job.fixture):
            raise NotADirectoryError("file needs a directory: %r is none" % job.fixture)
        self.directory, self.count = job.fixture, itertools.count()

    def __call__(self, i):
        k = key(self.seed, i)
        data = fill(k, self.size)
        name = "task-%d-%d-%d" % (os.getpid(), threading.get_ident(), next(self.count))
        path = os.path.join(self.directory, name)
        with open(path, "xb+", buffering=0) as f:
            try:
                written = 0
                while written < self.size:
                    written += f.write(memoryview(data)[written:])
                if self.sync:
                    os.fsync(f.fileno())
                f.seek(0)
                read = f.readall()
            finally:
                os.unlink(path)
        if read != data:
            raise WrongData("the file held other data than was written")
        return fold_bytes(k, read)

"""The built-in workloads, written from docs/workloads.md: each class prepares its tasks from a Job in __init__, outside the
timed region, and computes task i when it is called, in any thread. Its aio method, where there is one, is the same task as
a coroutine."""

import math
import time
from array import array
from collections import deque

from .digest import GOLDEN, MASK, Stream, bits, fill, float_array, floats, fold, fold_all, fold_bytes, key, numbers


class Job:
    """What tasks are made from, in a form that crosses process boundaries."""

    def __init__(self, workload, params, seed, fixture, file):
        self.workload, self.params, self.seed, self.fixture, self.file = workload, params, seed, fixture, file

    def prepare(self):
        make = WORKLOADS.get(self.workload)
        if make is None:
            from .own import Own  # the user's

            return Own(self)
        return make(self)

    def number(self, name):
        return int(self.params[name])

    def seconds(self, name):
        return seconds(self.params[name])


UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "\u00b5s": 1e-6, "ns": 1e-9}


def seconds(text):
    """Reads a duration as Go prints it: 1m30s, 2.5ms, 0s."""
    total, digits, unit = 0.0, "", ""
    for c in text + "0":
        if c in "0123456789.":
            if unit:
                total += float(digits) * UNITS[unit]
                digits, unit = "", ""
            digits += c
        else:
            unit += c
    return total


class Primes:
    def __init__(self, job):
        self.seed, self.limit = job.seed, job.number("limit")

    def __call__(self, i):
        k = key(self.seed, i)
        shift = Stream(k).next() % (self.limit // 64 + 1)
        count = total = 0
        for n in range(2 + shift, self.limit + shift + 1):
            if n % 2 == 0 and n > 2:
                continue
            for d in range(3, math.isqrt(n) + 1, 2):
                if n % d == 0:
                    break
            else:
                count += 1
                total += n
        return fold(k, count, total & MASK)


class Sha256:
    def __init__(self, job):
        from hashlib import sha256

        self.sha256, self.seed, self.rounds = sha256, job.seed, job.number("rounds")

    def __call__(self, i):
        k = key(self.seed, i)
        block = fill(k, 32)
        for _ in range(self.rounds):
            block = self.sha256(block).digest()
        return fold_bytes(k, block)


class Matmul:
    def __init__(self, job):
        self.seed, self.n = job.seed, job.number("n")

    def __call__(self, i):
        k = key(self.seed, i)
        n = self.n
        values = [f - 0.5 for f in floats(k, 2 * n * n)]
        rows = [values[r * n : (r + 1) * n] for r in range(n)]
        columns = [values[n * n + c :: n] for c in range(n)]
        product = array("d")
        for row in rows:
            for column in columns:
                # Not sum() or math.sumprod(): they round otherwise (from Python 3.12 on).
                total = 0.0
                for x, y in zip(row, column):
                    total += x * y
                product.append(total)
        return fold_all(k, memoryview(product).cast("B").cast("Q"))


class Mandelbrot:
    def __init__(self, job):
        self.seed, self.size = job.seed, job.number("size")
        self.rows, self.iterations = job.number("rows"), job.number("iterations")
        if self.size % self.rows:
            raise ValueError("rows must divide size")
        self.bands = self.size // self.rows
        self.stride = (5 * self.bands + 7) // 8
        while math.gcd(self.stride, self.bands) != 1:
            self.stride += 1

    def __call__(self, i):
        k = key(self.seed, i)
        stream = Stream(k)
        dx, dy = stream.float(), stream.float()
        size, limit, step = self.size, self.iterations, 2.5 / self.size
        first = i % self.bands * self.stride % self.bands * self.rows
        escapes = []
        for y in range(first, first + self.rows):
            cy = (y + dy) * step - 1.25
            for x in range(size):
                cx = (x + dx) * step - 2
                zx = zy = 0.0
                for n in range(limit):
                    xx, yy = zx * zx, zy * zy
                    if xx + yy > 4:
                        break
                    zx, zy = xx - yy + cx, 2 * zx * zy + cy
                else:
                    n = limit
                escapes.append(n)
        return fold_all(k, escapes)


class Sort:
    def __init__(self, job):
        self.seed, self.n = job.seed, job.number("n")

    def __call__(self, i):
        k = key(self.seed, i)
        return fold_all(k, sorted(numbers(k, self.n)))


LETTERS = 'abcdefghijklmnopqrstuvwxyz"\\<\n\u00e9\u20ac'
TAGS = ("red", "green", "blue", "small", "large", "new", "used", "rare")


def document(k, records):
    s = Stream(k)

    def record():
        r = {"id": s.next() >> 11}
        r["name"] = "".join([LETTERS[s.next() % 32] for _ in range(4 + s.next() % 12)])
        r["price"] = s.next() % 1000000 / 64
        r["quantity"] = s.next() % 1000
        r["active"] = s.next() % 2 == 1
        r["tags"] = [TAGS[s.next() % 8] for _ in range(s.next() % 4)]
        x = s.float()
        r["position"] = {"x": x, "y": s.float()}
        return r

    return {"records": [record() for _ in range(records)]}


class Json:
    def __init__(self, job):
        import json

        self.dumps, self.loads, self.seed, self.records = json.dumps, json.loads, job.seed, job.number("records")

    def __call__(self, i):
        k = key(self.seed, i)
        records = self.loads(self.dumps(document(k, self.records)))["records"]
        h = k
        for r in records:
            h = fold_bytes(fold(h, r["id"]), r["name"].encode())
            h = fold(h, bits(float(r["price"])), r["quantity"], int(r["active"]))
            for tag in r["tags"]:
                h = fold_bytes(h, tag.encode())
            h = fold(h, len(r["tags"]), bits(float(r["position"]["x"])), bits(float(r["position"]["y"])))
        return fold(h, len(records))


class Triad:
    def __init__(self, job):
        self.seed, self.blocks = job.seed, job.number("blocks")
        m = job.number("bytes") // 24 // self.blocks
        if m < 1:
            raise ValueError("bytes: too few for %d blocks" % self.blocks)
        self.b, self.c = [], []
        for block in range(self.blocks):
            pairs = float_array((self.seed + GOLDEN * (2 * m * block)) & MASK, 2 * m)
            self.b.append(pairs[0::2])
            self.c.append(pairs[1::2])
        self.free = deque(array("d", bytes(8 * m)) for _ in range(self.blocks))

    def __call__(self, i):
        k = key(self.seed, i)
        block, scale = i % self.blocks, 1 + Stream(k).float()
        try:
            a = self.free.popleft()
        except IndexError:
            a = array("d", bytes(8 * len(self.b[block])))
        a[:] = array("d", [x + scale * y for x, y in zip(self.b[block], self.c[block])])
        total = sum(memoryview(a).cast("B").cast("Q"))
        self.free.append(a)
        return fold(k, total & MASK)


class Node:
    __slots__ = ("x", "payload", "left", "right")

    def __init__(self, x, payload):
        self.x, self.payload, self.left, self.right = x, payload, None, None


class Alloc:
    def __init__(self, job):
        self.seed, self.nodes, self.alive = job.seed, job.number("nodes"), [None] * 16

    def __call__(self, i):
        k = key(self.seed, i)
        stream = Stream(k)
        root, dropped = None, 0
        for number in range(self.nodes):
            x = stream.next()
            payload = [(x + j) & MASK for j in range(1 + x % 16)]
            node = Node(x, payload)
            if number % 4:
                dropped += sum(payload)
                node.payload = None
            if root is None:
                root = node
                continue
            at = root
            while True:
                if x < at.x:
                    if at.left is None:
                        at.left = node
                        break
                    at = at.left
                else:
                    if at.right is None:
                        at.right = node
                        break
                    at = at.right
        h, stack = k, [root]
        while stack:
            node = stack.pop()
            h = fold(h, node.x)
            if node.payload is not None:
                h = fold(h, sum(node.payload) & MASK)
            if node.right is not None:
                stack.append(node.right)
            if node.left is not None:
                stack.append(node.left)
        self.alive[i % 16] = root
        return fold(h, dropped & MASK)


class InThreads:
    """What has no asynchronous form, such as files: asyncio itself hands that to threads."""

    def start_aio(self, workers):
        import asyncio
        from concurrent.futures import ThreadPoolExecutor

        self.threads, self.loop = ThreadPoolExecutor(workers), asyncio.get_running_loop

    async def aio(self, i):
        return await self.loop().run_in_executor(self.threads, self, i)


class Sleep:
    def __init__(self, job):
        self.seed, self.duration = job.seed, job.seconds("duration")

    def __call__(self, i):
        time.sleep(self.duration)
        return key(self.seed, i)

    def start_aio(self, workers):
        import asyncio

        self.sleep = asyncio.sleep

    async def aio(self, i):
        await self.sleep(self.duration)
        return key(self.seed, i)


class Spin:
    def __init__(self, job):
        self.seed, self.iterations = job.seed, job.number("iterations")

    def __call__(self, i):
        h = key(self.seed, i)
        for _ in range(self.iterations):
            z = (h + GOLDEN) & MASK
            z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
            z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
            h = z ^ z >> 31
        return h


class Empty:
    def __init__(self, job):
        self.seed = job.seed

    def __call__(self, i):
        return key(self.seed, i)


def waiting(name):
    """The workloads that need sockets or files are loaded by the trials that run them."""

    def make(job):
        from . import waiting

        return getattr(waiting, name)(job)

    return make


WORKLOADS = {
    "primes": Primes,
    "sha256": Sha256,
    "matmul": Matmul,
    "mandelbrot": Mandelbrot,
    "sort": Sort,
    "json": Json,
    "triad": Triad,
    "alloc": Alloc,
    "sleep": Sleep,
    "http": waiting("Http"),
    "file": waiting("File"),
    "fetch-parse": waiting("FetchParse"),
    "spin": Spin,
    "empty": Empty,
}

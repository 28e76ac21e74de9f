#!/usr/bin/env python3
"""Computes the test vectors of parbench's built-in workloads.

Written from docs/workloads.md alone, with nothing but Python's standard library, so that it and the Go implementation
check each other. "vectors.py" prints vectors.json; "vectors.py --markdown" prints the tables of docs/workloads.md.
"""

import functools
import hashlib
import json
import math
import struct
import sys

MASK = (1 << 64) - 1
GOLDEN = 0x9E3779B97F4A7C15


# Numbers


def mix(z):
    z = ((z ^ z >> 30) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & MASK
    return z ^ z >> 31


class Stream:
    def __init__(self, state):
        self.state = state

    def next(self):
        self.state = (self.state + GOLDEN) & MASK
        return mix(self.state)

    def float(self):
        return (self.next() >> 11) * 2.0**-53


def key(seed, i):
    return mix((seed + GOLDEN * (i + 1)) & MASK)


def fold(h, *values):
    for x in values:
        h = mix(((h ^ x) + GOLDEN) & MASK)
    return h


def bits(f):
    return struct.unpack("<Q", struct.pack("<d", f))[0]


def fold_bytes(h, data):
    for at in range(0, len(data), 8):
        h = fold(h, int.from_bytes(data[at : at + 8], "little"))
    return fold(h, len(data))


def fill(k, size):
    s = Stream(k)
    words = b"".join(s.next().to_bytes(8, "little") for _ in range(-(-size // 8)))
    return words[:size]


def combine(batch, i, d):
    return (batch + mix(key(0, i) ^ d)) & MASK


# Workloads: each is a function of its parameters, the seed and the index of the task


def is_prime(n):
    return n >= 2 and all(n % d for d in range(2, math.isqrt(n) + 1))


def primes(p, seed, i):
    k = key(seed, i)
    limit = p["limit"]
    shift = Stream(k).next() % (limit // 64 + 1)
    found = [n for n in range(2 + shift, limit + shift + 1) if is_prime(n)]
    return fold(k, len(found), sum(found))


def sha256(p, seed, i):
    k = key(seed, i)
    block = fill(k, 32)
    for _ in range(p["rounds"]):
        block = hashlib.sha256(block).digest()
    return fold_bytes(k, block)


def matmul(p, seed, i):
    k = key(seed, i)
    n = p["n"]
    s = Stream(k)
    a = [[s.float() - 0.5 for _ in range(n)] for _ in range(n)]
    b = [[s.float() - 0.5 for _ in range(n)] for _ in range(n)]
    h = k
    for row in a:
        for column in zip(*b):
            total = 0.0
            for x, y in zip(row, column):
                total += x * y
            h = fold(h, bits(total))
    return h


def escape(cx, cy, limit):
    zx = zy = 0.0
    for k in range(limit):
        xx, yy = zx * zx, zy * zy
        if xx + yy > 4:
            return k
        zx, zy = xx - yy + cx, 2 * zx * zy + cy
    return limit


def mandelbrot(p, seed, i):
    k = key(seed, i)
    size, rows = p["size"], p["rows"]
    s = Stream(k)
    dx, dy = s.float(), s.float()
    step = 2.5 / size
    bands = size // rows
    stride = (5 * bands + 7) // 8
    while math.gcd(stride, bands) != 1:
        stride += 1
    first = i % bands * stride % bands * rows
    h = k
    for y in range(first, first + rows):
        for x in range(size):
            h = fold(h, escape((x + dx) * step - 2, (y + dy) * step - 1.25, p["iterations"]))
    return h


def sort(p, seed, i):
    k = key(seed, i)
    s = Stream(k)
    return fold(k, *sorted(s.next() for _ in range(p["n"])))


def make_document(k, records):
    s = Stream(k)
    letters = "abcdefghijklmnopqrstuvwxyz\"\\<\n\u00e9\u20ac"
    words = ["red", "green", "blue", "small", "large", "new", "used", "rare"]

    def record():
        r = {"id": s.next() >> 11}
        length = 4 + s.next() % 12
        r["name"] = "".join(letters[s.next() % 32] for _ in range(length))
        r["price"] = (s.next() % 1_000_000) / 64
        r["quantity"] = s.next() % 1000
        r["active"] = s.next() % 2 == 1
        count = s.next() % 4
        r["tags"] = [words[s.next() % 8] for _ in range(count)]
        x = s.float()
        r["position"] = {"x": x, "y": s.float()}
        return r

    return {"records": [record() for _ in range(records)]}


def decoded(k, records):
    return json.loads(json.dumps(make_document(k, records)))["records"]


def json_codec(p, seed, i):
    k = key(seed, i)
    records = decoded(k, p["records"])
    h = k
    for r in records:
        h = fold(h, r["id"])
        h = fold_bytes(h, r["name"].encode())
        h = fold(h, bits(float(r["price"])), r["quantity"], int(r["active"]))
        for tag in r["tags"]:
            h = fold_bytes(h, tag.encode())
        h = fold(h, len(r["tags"]), bits(float(r["position"]["x"])), bits(float(r["position"]["y"])))
    return fold(h, len(records))


def triad(p, seed, i):
    k = key(seed, i)
    blocks = p["blocks"]
    length = p["bytes"] // 24 // blocks
    s = Stream(seed)
    pairs = [(s.float(), s.float()) for _ in range(blocks * length)]
    scale = 1 + Stream(k).float()
    at = i % blocks * length
    total = sum(bits(b + scale * c) for b, c in pairs[at : at + length])
    return fold(k, total & MASK)


def alloc(p, seed, i):
    k = key(seed, i)
    s = Stream(k)
    root = None  # a node is [key, sum of the payload or None, left, right]
    dropped = 0
    for number in range(p["nodes"]):
        x = s.next()
        total = sum((x + j) & MASK for j in range(1 + x % 16)) & MASK
        node = [x, None, None, None]
        if number % 4 == 0:
            node[1] = total
        else:
            dropped = (dropped + total) & MASK
        if root is None:
            root = node
            continue
        at = root
        while True:
            side = 2 if x < at[0] else 3
            if at[side] is None:
                at[side] = node
                break
            at = at[side]

    h = k
    stack = [root]
    while stack:
        node = stack.pop()
        if node is None:
            continue
        h = fold(h, node[0])
        if node[1] is not None:
            h = fold(h, node[1])
        stack += [node[3], node[2]]
    return fold(h, dropped)


def sleep(p, seed, i):
    return key(seed, i)


def data(p, seed, i):
    k = key(seed, i)
    return fold_bytes(k, fill(k, p["size"]))


def fetch_parse(p, seed, i):
    k = key(seed, i)
    words = ["red", "green", "blue", "small", "large", "new", "used", "rare"]
    ids = names = active = 0
    revenue = dearest = x = y = 0.0
    by_tag = {w: [0, 0] for w in words}
    for r in decoded(k, p["records"]):
        ids += r["id"]
        names += fold_bytes(0, r["name"].encode())
        dearest = max(dearest, float(r["price"]))
        x += r["position"]["x"]
        y += r["position"]["y"]
        if r["active"]:
            active += 1
            revenue += r["price"] * r["quantity"]
        for tag in r["tags"]:
            by_tag[tag][0] += 1
            by_tag[tag][1] += r["quantity"]
    h = fold(k, ids & MASK, names & MASK, active, bits(revenue), bits(dearest), bits(x), bits(y))
    for w in words:
        h = fold(h, *by_tag[w])
    return h


def spin(p, seed, i):
    return functools.reduce(fold, [0] * p["iterations"], key(seed, i))


def empty(p, seed, i):
    return key(seed, i)


# Vectors

TOP = MASK  # the largest seed

CASES = [
    (primes, "primes", [({"limit": 2}, 1, 0), ({"limit": 1000}, 7, 3), ({"limit": 50000}, TOP, 1000)]),
    (sha256, "sha256", [({"rounds": 1}, 1, 0), ({"rounds": 100}, 7, 3), ({"rounds": 8000}, TOP, 1000)]),
    (matmul, "matmul", [({"n": 1}, 1, 0), ({"n": 7}, 7, 3), ({"n": 112}, TOP, 1000)]),
    (
        mandelbrot,
        "mandelbrot",
        [
            ({"size": 1, "rows": 1, "iterations": 1}, 1, 0),
            ({"size": 24, "rows": 8, "iterations": 50}, 7, 4),
            ({"size": 256, "rows": 4, "iterations": 1000}, TOP, 1000),
        ],
    ),
    (sort, "sort", [({"n": 1}, 1, 0), ({"n": 100}, 7, 3), ({"n": 16384}, TOP, 1000)]),
    (json_codec, "json", [({"records": 1}, 1, 0), ({"records": 20}, 7, 3), ({"records": 150}, TOP, 1000)]),
    (
        triad,
        "triad",
        [
            ({"bytes": 24, "blocks": 1}, 1, 0),
            ({"bytes": 4096, "blocks": 5}, 7, 8),
            ({"bytes": 1048576, "blocks": 16}, TOP, 1000),
        ],
    ),
    (alloc, "alloc", [({"nodes": 1}, 1, 0), ({"nodes": 100}, 7, 3), ({"nodes": 4096}, TOP, 1000)]),
    (sleep, "sleep", [({"duration": "1ms"}, 1, 0), ({"duration": "2ms"}, 7, 3), ({"duration": "5ms"}, TOP, 1000)]),
    (
        data,
        "http",
        [
            ({"size": 1, "latency": "0s"}, 1, 0),
            ({"size": 100, "latency": "1ms"}, 7, 3),
            ({"size": 1024, "latency": "5ms"}, TOP, 1000),
        ],
    ),
    (
        data,
        "file",
        [
            ({"size": 1, "sync": "no"}, 1, 0),
            ({"size": 100, "sync": "yes"}, 7, 3),
            ({"size": 65536, "sync": "yes"}, TOP, 1000),
        ],
    ),
    (
        fetch_parse,
        "fetch-parse",
        [
            ({"records": 1, "latency": "0s"}, 1, 0),
            ({"records": 20, "latency": "1ms"}, 7, 3),
            ({"records": 150, "latency": "5ms"}, TOP, 1000),
        ],
    ),
    (
        spin,
        "spin",
        [
            ({"grain": "1µs", "iterations": 1}, 1, 0),
            ({"grain": "10µs", "iterations": 100}, 7, 3),
            ({"grain": "100µs", "iterations": 70000}, TOP, 1000),
        ],
    ),
    (empty, "empty", [({}, 1, 0), ({}, 7, 3), ({}, TOP, 1000)]),
]

BATCHES = [  # small ones of workloads that need no fixture
    (empty, "empty", {}, 1, 0),
    (empty, "empty", {}, 1, 1),
    (empty, "empty", {}, 7, 100),
    (primes, "primes", {"limit": 100}, TOP, 16),
]


def text(params):
    return {name: str(value) for name, value in params.items()}


def compute():
    s = Stream(key(7, 3))
    return {
        "mix": [{"in": f"{z:016x}", "out": f"{mix(z):016x}"} for z in (0, 1, GOLDEN, TOP)],
        "stream": {
            "seed": "7",
            "task": 3,
            "next": [f"{s.next():016x}" for _ in range(4)],
            "floats": [f"{bits(s.float()):016x}" for _ in range(4)],
        },
        "tasks": [
            {
                "workload": name,
                "params": text(params),
                "seed": str(seed),
                "task": i,
                "digest": f"{function(params, seed, i):016x}",
            }
            for function, name, cases in CASES
            for params, seed, i in cases
        ],
        "batches": [
            {
                "workload": name,
                "params": text(params),
                "seed": str(seed),
                "tasks": n,
                "digest": f"{functools.reduce(lambda b, i: combine(b, i, function(params, seed, i)), range(n), 0):016x}",
            }
            for function, name, params, seed, n in BATCHES
        ],
    }


def markdown(vectors):
    def params(v):
        return ", ".join(f"{name}={value}" for name, value in v["params"].items()) or "none"

    print("| workload | parameters | seed | task | digest |\n|---|---|---|---|---|")
    for v in vectors["tasks"]:
        print(f"| {v['workload']} | {params(v)} | {v['seed']} | {v['task']} | `{v['digest']}` |")
    print("\n| workload | parameters | seed | tasks | batch digest |\n|---|---|---|---|---|")
    for v in vectors["batches"]:
        print(f"| {v['workload']} | {params(v)} | {v['seed']} | {v['tasks']} | `{v['digest']}` |")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    if "--markdown" in sys.argv[1:]:
        markdown(compute())
    else:
        json.dump(compute(), sys.stdout, indent=1, ensure_ascii=False)
        print()

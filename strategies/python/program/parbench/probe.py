"""Probed batches: they run after the measured ones, and tell when their tasks ran, by the system's monotonic clock."""

import time
from _thread import get_ident

from .digest import MASK

clock = time.monotonic_ns

SHORT = 20000000  # nanoseconds of a probed batch of a single worker: a part of its tasks says the same
SHARE = 0.01  # of the workers' time, which stamping may take
MOST = 65536  # stamps of a batch


class Watched:
    """Calls of a worker's work in this process, each so manyth of them stamped: who, begin and end."""

    def __init__(self, work, every):
        self.work, self.every, self.spans = work, every, []

    def __call__(self, i):
        if i % self.every:
            return self.work(i)
        begin = clock()
        result = self.work(i)
        self.spans.append((get_ident(), begin, clock()))
        return result


class WatchedTasks:
    """The same for coroutines: a worker is a coroutine, too."""

    def __init__(self, tasks, every, current):
        self.tasks, self.every, self.current, self.spans = tasks, every, current, []

    async def aio(self, i):
        if i % self.every:
            return await self.tasks.aio(i)
        begin = clock()
        result = await self.tasks.aio(i)
        self.spans.append((id(self.current()), begin, clock()))
        return result


def gather(results):
    """The digest, the stamps and what messages cost of the results of workers that return all of it."""
    total, spans, messages = 0, [], 0
    for r in results:
        if type(r) is tuple:
            total += r[0]
            spans.append(r[1:4])
            messages += r[4]
        else:
            total += r
    return total & MASK, spans, messages


def costs(crossing):
    """What a stamp costs, and by how much it makes a task seem longer: the middle of several goes."""
    stamps, clocks = [], []
    for _ in range(9):
        w = Watched(int, 1)
        begin = clock()
        for i in range(64):
            w(i)
        took = clock() - begin
        if crossing:
            from pickle import dumps, loads

            begin = clock()
            for i in range(64):
                loads(dumps((MASK, 4711, begin, begin, 4711)))
            took += clock() - begin
        stamps.append(took // 64)
        clocks += [end - begin for _, begin, end in w.spans]
    return max(1, sorted(stamps)[len(stamps) // 2]), sorted(clocks)[len(clocks) // 2]


def records(strategy, n, cores, last, least, digest):
    """Runs probed batches of n tasks until they add up to least nanoseconds; the last measured one took last."""
    stamp, reading = costs(strategy.crossing)
    workers = strategy.capacity()
    room = int(SHARE * last * min(workers, cores) / stamp)
    every = -(-n // min(max(room, 1), MOST))
    whole, total = n, 0
    if workers == 1 and last > SHORT:
        n = max(1, n * SHORT // last)
    while total < least:
        begin = clock()
        got, spans, *messages = strategy.watch(n, every)
        wall = clock() - begin
        if n == whole:
            digest(got)
        total += max(wall, 1)
        yield record(spans, begin, wall, n, workers, stamp, reading, strategy.unseen, *messages)


def record(spans, begin, wall, n, workers, stamp, reading, unseen, messages=0):
    number, who, begins, ends = {}, [], [], []
    for worker, b, e in spans:
        who.append(number.setdefault(worker, len(number)))
        begins.append(min(max(b - begin, 0), wall))
        ends.append(min(max(e - begin, begins[-1]), wall))
    r = {"tasks": n, "workers": workers, "wall_ns": wall, "stamp_ns": stamp, "clock_ns": reading, "begin_ns": begins, "end_ns": ends}
    if len(number) <= workers:
        r["worker"] = who
    if messages:
        r["transfer_ns"] = messages
    if unseen:
        r["unseen"] = [{"what": what, "why": why} for what, why in unseen]
    return r

"""Measures Python's multiprocessing for bench-multiproc: python3 peer.py JOB [CPU].

Prints one JSON object with the figures of the job by name, "" where there is one: a second's count, or seconds. CPU is
where the other process of the job goes; without it the scheduler decides. Needs the standard library only. Every job does what the
job of that name does in multiproc (measure_*.go); what differs is said beside it.
"""

import concurrent.futures
import json
import multiprocessing
import multiprocessing.dummy
import os
import sys
import time
from collections import deque
from multiprocessing import sharedctypes
from statistics import median

FORK = multiprocessing.get_context("fork")
CPU = None

MANY, MAPPED, CHUNKED, LARGE = 20000, 100000, 50000, 64
KIB, MIB = 1 << 10, 1 << 20


def echo(value):
    return value


def nothing():
    pass


def child(target, *args):
    """Starts a process on the other CPU."""
    process = FORK.Process(target=placed, args=(target, args))
    process.start()
    return process


def placed(target, args):
    if CPU is not None:
        os.sched_setaffinity(0, {CPU})
    target(*args)


def timed(call):
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def rate(n, call, least=0.1):
    """Items a second of a call that does n, repeated until the time is up, after the caller has warmed up."""
    items, start = 0, time.perf_counter()
    while True:
        call()
        items += n
        took = time.perf_counter() - start
        if took >= least:
            return items / took


def blobs(n, size):
    """Distinct values: pickle sends a repeated one only once per chunk."""
    return [i.to_bytes(8, "little") + data(size - 8) for i in range(n)]


def data(size):
    """Not zeros: memory that was never written to is one page, which stays in the cache."""
    return b"x" * size


def ints(n):
    return [i % 256 for i in range(n)]


# Start


def start():
    def processes(context, n):
        def one():
            process = context.Process(target=nothing)
            process.start()
            process.join()

        one()
        return median(timed(one) for _ in range(n))

    return {"fork": processes(FORK, 40), "spawn": processes(multiprocessing.get_context("spawn"), 3)}


def pool():
    def one():
        with_two = FORK.Pool(2)
        with_two.map(echo, (1, 2), 1)
        with_two.close()
        with_two.join()

    one()
    return median(timed(one) for _ in range(15))


# Pools: what each of these does with a pool and its inputs


def apply(p, items):
    for x in items:
        p.apply(echo, (x,))


def run_async(p, items):
    for result in [p.apply_async(echo, (x,)) for x in items]:
        result.get()


def map_one(p, items):
    p.map(echo, items, 1)


def map_default(p, items):
    p.map(echo, items)


def unordered(p, items):
    deque(p.imap_unordered(echo, items, 1), maxlen=0)


def imap_chunks(p, items):
    deque(p.imap(echo, items, 100), maxlen=0)


def submit_result(p, items):
    for x in items:
        p.submit(echo, x).result()


def submit_all(p, items):
    for future in [p.submit(echo, x) for x in items]:
        future.result()


def executor_map(p, items):
    deque(p.map(echo, items), maxlen=0)


def on(make, call, items, warm):
    def job():
        values = items()
        with make() as p:
            call(p, values[:warm])
            return rate(len(values), lambda: call(p, values))

    return job


def processes():
    return FORK.Pool(2)


def threads():
    return multiprocessing.dummy.Pool(2)


def executor():
    return concurrent.futures.ProcessPoolExecutor(2)


def idle_apply():
    def one(p):
        time.sleep(0.002)
        return timed(lambda: p.apply(echo, (7,)))

    with processes() as p:
        p.apply(echo, (7,))
        return median(one(p) for _ in range(50))


# Queues and pipes


def fill(send, value, n):
    for _ in range(n):
        send(value)


def drain(receive, n, ready, back):
    ready.put(1)
    receive()
    start = time.perf_counter()
    for _ in range(n - 1):
        receive()
    back.put((n - 1) / (time.perf_counter() - start))


def one_way(make, value, n):
    """From child to child. The number of messages is fixed, because a sender here cannot be killed without harm."""

    def job():
        send, receive = make()
        ready, back = FORK.SimpleQueue(), FORK.SimpleQueue()
        receiver = child(drain, receive, n, ready, back)
        ready.get()
        sender = child(fill, send, value, n)
        v = back.get()
        sender.join()
        receiver.join()
        return v

    return job


def queue():
    q = FORK.Queue()
    return q.put, q.get


def pipe():
    r, w = FORK.Pipe(duplex=False)
    return w.send, r.recv


def bytes_pipe():
    r, w = FORK.Pipe(duplex=False)
    return w.send_bytes, r.recv_bytes


def buffer_pipe():
    r, w = FORK.Pipe(duplex=False)
    buffer = bytearray(MIB)
    return w.send_bytes, lambda: r.recv_bytes_into(buffer)


def reply(a, b):
    while (value := a.get()) is not None:
        b.put(value)


def queue_pingpong():
    a, b = FORK.Queue(), FORK.Queue()
    other = child(reply, a, b)

    def trips(n):
        for _ in range(n):
            a.put(1)
            b.get()

    trips(100)
    v = rate(100, lambda: trips(100))
    a.put(None)
    other.join()
    return v


# Locks and shared memory


def pass_alone(lock, n):
    """Without a with statement, which costs ten times as much here: its methods are Python's, these are not."""
    acquire, release = lock.acquire, lock.release
    for _ in range(n):
        acquire()
        release()


def pass_lock(lock, n):
    for _ in range(n):
        with lock:
            pass


def add(value, n):
    for _ in range(n):
        with value.get_lock():
            value.value += 1


def alone(step, make, n):
    def job():
        shared = make()
        step(shared, n // 10)
        return rate(n, lambda: step(shared, n))

    return job


def both(step, shared, n, go):
    go.wait()
    step(shared, n)


def together(step, make, n):
    """Two children, n each, because they share nothing that could tell the parent cheaply how far they are."""

    def job():
        shared, go = make(), FORK.Barrier(3)
        children = [child(both, step, shared, n, go) for _ in range(2)]
        go.wait()
        start = time.perf_counter()
        for c in children:
            c.join()
        return 2 * n / (time.perf_counter() - start)

    return job


def value():
    return FORK.Value("q", 0)


def waken(ping, pong, at, n):
    for _ in range(n):
        ping.wait()
        at.value = time.monotonic()
        ping.clear()
        pong.set()


def wake():
    ping, pong, at, n = FORK.Event(), FORK.Event(), sharedctypes.RawValue("d", 0), 60
    other = child(waken, ping, pong, at, n + 1)

    def one():
        time.sleep(0.001)
        begun = time.monotonic()
        ping.set()
        pong.wait()
        pong.clear()
        return at.value - begun

    one()
    v = median(one() for _ in range(n))
    other.join()
    return v


def pingpong(own, theirs, make, n=1000):
    def job():
        shared = make()
        other = child(theirs, shared, n + 100)
        own(shared, 100)
        v = n / timed(lambda: own(shared, n))
        other.join()
        return v

    return job


def two_events():
    return FORK.Event(), FORK.Event()


def ask(events, n):
    for _ in range(n):
        events[0].set()
        events[1].wait()
        events[1].clear()


def answer(events, n):
    for _ in range(n):
        events[0].wait()
        events[0].clear()
        events[1].set()


def condition():
    return FORK.Condition(), sharedctypes.RawValue("i", 0)


def swing(me):
    def turns(shared, n):
        cond, turn = shared
        for _ in range(n):
            with cond:
                cond.wait_for(lambda: turn.value == me)
                turn.value = 1 - me
                cond.notify()

    return turns


def barrier():
    return FORK.Barrier(2)


def meet(shared, n):
    for _ in range(n):
        shared.wait()


def array():
    """sum() over a RawArray of 8 MiB; a memoryview of it is not faster."""
    numbers = sharedctypes.RawArray("d", MIB)
    sum(numbers)
    return rate(8 * MIB, lambda: sum(numbers))


# Managers


def with_manager(make, step):
    def job():
        with FORK.Manager() as m:
            shared = make(m)

            def steps(n):
                for i in range(n):
                    step(shared, i)

            steps(100)
            return rate(64, lambda: steps(64))

    return job


def put_get(q, i):
    q.put(i)
    q.get()


def manager_start():
    def one():
        FORK.Manager().shutdown()

    one()
    return median(timed(one) for _ in range(15))


JOBS = {
    "start": start,
    "pool": pool,
    "apply-int": on(processes, apply, lambda: ints(200), 100),
    "apply-1KiB": on(processes, apply, lambda: blobs(200, KIB), 100),
    "apply-1MiB": on(processes, apply, lambda: blobs(4, MIB), 4),
    "apply-idle": idle_apply,
    "async-int": on(processes, run_async, lambda: ints(MANY), 500),
    "async-1KiB": on(processes, run_async, lambda: blobs(MANY, KIB), 500),
    "async-1MiB": on(processes, run_async, lambda: blobs(LARGE, MIB), 4),
    "map-int": on(processes, map_one, lambda: ints(MANY), 500),
    "map-1KiB": on(processes, map_one, lambda: blobs(MANY, KIB), 500),
    "map-1MiB": on(processes, map_default, lambda: blobs(LARGE, MIB), 64),
    "map-default": on(processes, map_default, lambda: ints(MAPPED), MAPPED),
    "unordered-int": on(processes, unordered, lambda: ints(MANY), 500),
    "unordered-1KiB": on(processes, unordered, lambda: blobs(MANY, KIB), 500),
    "imap-100": on(processes, imap_chunks, lambda: ints(CHUNKED), CHUNKED),
    "executor-result": on(executor, submit_result, lambda: ints(200), 100),
    "executor-submit": on(executor, submit_all, lambda: ints(5000), 500),
    "executor-map": on(executor, executor_map, lambda: ints(5000), 500),
    "dummy-apply": on(threads, apply, lambda: ints(200), 100),
    "dummy-async": on(threads, run_async, lambda: ints(MANY), 500),
    "dummy-map": on(threads, map_one, lambda: ints(MANY), 500),
    "dummy-unordered": on(threads, unordered, lambda: ints(MANY), 500),
    "queue-int": one_way(queue, 7, 30000),
    "queue-1KiB": one_way(queue, data(KIB), 30000),
    "queue-pingpong": queue_pingpong,
    "pipe-int": one_way(pipe, 7, 40000),
    "pipe-1KiB": one_way(bytes_pipe, data(KIB), 40000),
    "pipe-1MiB": one_way(bytes_pipe, data(MIB), 100),
    "pipe-1MiB-into": one_way(buffer_pipe, data(MIB), 100),
    "lock-1": alone(pass_alone, FORK.Lock, 200000),
    "lock-2": together(pass_lock, FORK.Lock, 100000),
    "value-1": alone(add, value, 20000),
    "value-2": together(add, value, 40000),
    "wake": wake,
    "event": pingpong(ask, answer, two_events),
    "cond": pingpong(swing(0), swing(1), condition),
    "barrier": pingpong(meet, meet, barrier),
    "array": array,
    "manager-start": manager_start,
    "manager-set": with_manager(lambda m: m.dict(), lambda d, i: d.__setitem__("a", i)),
    "manager-get": with_manager(lambda m: m.dict(a=7), lambda d, i: d["a"]),
    "manager-append": with_manager(lambda m: m.list(), lambda items, i: items.append(i)),
    "manager-queue": with_manager(lambda m: m.Queue(), put_get),
}


def main(job, cpu=None):
    global CPU
    if cpu is not None:
        CPU = int(cpu)
    result = JOBS[job]()
    print(json.dumps(result if isinstance(result, dict) else {"": result}))


if __name__ == "__main__":
    main(*sys.argv[1:])

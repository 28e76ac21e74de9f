"""Claims about queues, pipes and managers: C8 to C11 and C19."""

import multiprocessing
import os
import signal
import time

from .common import PATIENCE, new_pool, outcome


def timed(operation, times):
    start = time.perf_counter()
    for _ in range(times):
        operation()
    return (time.perf_counter() - start) / times


def manager():
    shared = multiprocessing.Value("q", 1)
    plain = multiprocessing.RawValue("q", 1)
    with multiprocessing.Manager() as m:
        d = m.dict(x=1)
        server = m._process.pid
        d["x"]  # connects
        kinds = {"RawValue": (lambda: plain.value, 20000), "Value": (lambda: shared.value, 20000), "Manager().dict()": (lambda: d["x"], 300)}
        reads = [{"kind": name, "seconds": []} for name in kinds]
        for _ in range(9):
            for row in reads:
                row["seconds"].append(timed(*kinds[row["kind"]]))
        out = {"reads": reads, "server": server, "self": os.getpid()}
        os.kill(server, signal.SIGKILL)
        m._process.join(PATIENCE)
        if m._process.exitcode is None:
            raise RuntimeError("the manager's process lived on after SIGKILL")
        out["after"] = [
            outcome("Manager().dict()", lambda: d["x"], want=1, within=3.0),
            outcome("Value", lambda: shared.value, want=1, within=3.0),
        ]
    return out


def sender(orders, pipe, q):
    while True:
        order = orders.recv()
        if order is None:
            return
        kind, size, times = order
        put, message = (pipe.send if kind == "pipe" else q.put), b"x" * size
        for _ in range(times):
            put(message)


def pair(sizes):
    """Seconds for each message from a child to this process through a pipe and through a queue, by turns, for each size."""
    orders_end, orders = multiprocessing.Pipe(False)
    receiving, sending = multiprocessing.Pipe(False)
    q = multiprocessing.Queue()
    child = multiprocessing.Process(target=sender, args=(orders_end, sending, q), daemon=True)
    child.start()
    get = {"pipe": receiving.recv, "queue": q.get}

    def run(kind, size, times):
        start = time.perf_counter()
        orders.send((kind, size, times))
        for _ in range(times):
            get[kind]()
        return (time.perf_counter() - start) / times

    out = []
    for size, times, order in sizes:
        for kind in order:
            run(kind, size, times // 10)
        out.append({kind: run(kind, size, times) for kind in order})
    orders.send(None)
    child.join(PATIENCE)
    return out


def speed():
    """Pairs with a child, a pipe and a queue of their own: how two of them lie in memory would be the same in all others."""
    rows = [{"bytes": size, "messages": times, "pipe": [], "queue": []} for size, times in ((8, 3000), (1 << 10, 3000), (1 << 20, 30))]
    for i in range(15):
        order = (("pipe", "queue"), ("queue", "pipe"))[i % 2]
        for row, seen in zip(rows, pair([(row["bytes"], row["messages"], order) for row in rows])):
            for kind in order:
                row[kind].append(seen[kind])
    return {"sizes": rows}


def polite_reader(lock, end, answers):
    answers.put((os.getpid(), -2))  # ready
    while True:
        with lock:
            v = end.recv()
        answers.put((os.getpid(), v))
        if v == -1:
            return
        time.sleep(0.001)  # the other one's turn


def rude_writer(go, end, letter, size, times):
    go.wait()
    for _ in range(times):
        end.send(letter * size)


def rude_reader(end, answers, times):
    """Counts messages that are as they were sent, until one is not."""
    try:
        for i in range(times):
            m = end.recv()
            if not isinstance(m, bytes) or len(set(m)) != 1:
                answers.put((i, "a message with parts of two"))
                return
            answers.put((i + 1, ""))
    except Exception as e:
        answers.put((-1, type(e).__name__))


def shared_politely():
    """Two children take turns at one end, under a lock."""
    receiving, sending = multiprocessing.Pipe(False)
    lock, answers = multiprocessing.Lock(), multiprocessing.Queue()
    readers = [multiprocessing.Process(target=polite_reader, args=(lock, receiving, answers), daemon=True) for _ in range(2)]
    for r in readers:
        r.start()
    got, by, ended = [], {}, 0
    try:
        for _ in readers:
            answers.get(timeout=PATIENCE)
        for i in range(100):
            sending.send(i)
        for _ in readers:
            sending.send(-1)
        while ended < len(readers):
            pid, v = answers.get(timeout=PATIENCE)
            if v < 0:
                ended += 1
                continue
            got.append(v)
            by[pid] = by.get(pid, 0) + 1
        waiting = 0.0
    except Exception:
        waiting = PATIENCE
    for r in readers:
        r.terminate()
        r.join()
    return {"sent": 100, "intact": len(set(got)), "by": sorted(by.values()), "hung": waiting}


def shared_rudely(size, times, within):
    """Two children write into one end at once, without a lock, and a third one reads."""
    receiving, sending = multiprocessing.Pipe(False)
    go, answers = multiprocessing.Event(), multiprocessing.Queue()
    reader = multiprocessing.Process(target=rude_reader, args=(receiving, answers, 2 * times), daemon=True)
    writers = [multiprocessing.Process(target=rude_writer, args=(go, sending, letter, size, times), daemon=True) for letter in (b"a", b"b")]
    for p in [reader] + writers:
        p.start()
    go.set()
    out = {"sent": 2 * times, "intact": 0}
    while out["intact"] < 2 * times:
        try:
            n, error = answers.get(timeout=within)  # that long without a message is being stuck, not being slow
        except Exception:
            out["hung"] = within
            break
        out["intact"] = max(out["intact"], n)
        if error:
            out["error"] = error
            break
    for p in [reader] + writers:
        p.kill()
        p.join()
    return out


def third_process():
    return {"polite": shared_politely(), "message": 200000, "rude": [shared_rudely(200000, 200, 2.0) for _ in range(3)]}


kept = {}


def keep(q, array):
    kept["queue"], kept["array"] = q, array


def use_kept(i):
    kept["array"][0] = i
    kept["queue"].put(i)
    return i


def use_queue(q):
    q.put(7)
    return 7


def use_array(a):
    a[0] = 7
    return 7


def use_end(c):
    c.send(7)
    return 7


def as_arguments():
    calls = []
    receiving, sending = multiprocessing.Pipe(False)
    with multiprocessing.Pool(2) as pool, multiprocessing.Manager() as m:
        q, array = multiprocessing.Queue(), multiprocessing.Array("i", 1)
        for name, f, v in (("Queue", use_queue, q), ("Array", use_array, array), ("Lock", id_of, multiprocessing.Lock()),
                           ("Manager().Queue", use_queue, m.Queue()), ("Pipe end", use_end, sending)):
            calls.append(outcome(name, lambda f=f, v=v: pool.apply_async(f, (v,)).get(), want=7))
    q, array = multiprocessing.Queue(), multiprocessing.Array("i", 1)
    with multiprocessing.Pool(2, keep, (q, array)) as pool:
        def through():
            pool.apply(use_kept, (5,))
            return [q.get(timeout=PATIENCE), array[0]]

        inherited = outcome("initializer", through, want=[5, 5])
    return {"arguments": calls, "inherited": inherited}


def id_of(lock):
    with lock:
        return 7


def flagging(i, found, at):
    if i == at:
        found.append(i)
    return i


def early_stop():
    """How far the loop gets. Each run has a pool of its own, so that none waits for what another has left in its queue."""
    at, limit, runs, end = 5, 20000, [], time.monotonic() + 12
    with multiprocessing.Manager() as m:
        while len(runs) < 20 and (time.monotonic() < end or len(runs) < 6):
            with new_pool(3) as pool:
                found, i = m.list(), 0
                while len(found) == 0 and i < limit:
                    pool.apply_async(flagging, (i, found, at))
                    i += 1
                runs.append(i)
    return {"match": at, "submitted": runs, "limit": limit}

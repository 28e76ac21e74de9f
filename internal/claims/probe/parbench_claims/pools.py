"""Claims about pools: C1 to C7 and C20."""

import multiprocessing
import multiprocessing.dummy
import os
import queue
import threading
import time

from .common import most_at_once, nap, new_pool, outcome, own_pid, square, status

REPETITIONS = 7


def all_calls(pool):
    three = [1, 2, 3]
    return [
        outcome("apply", pool.apply, square, (3,), want=9),
        outcome("map", pool.map, square, three, want=[1, 4, 9]),
        outcome("imap", lambda: list(pool.imap(square, three)), want=[1, 4, 9]),
        outcome("imap_unordered", lambda: sorted(pool.imap_unordered(square, three)), want=[1, 4, 9]),
        outcome("apply_async", lambda: pool.apply_async(square, (3,)).get(), want=9),
    ]


def returns():
    with multiprocessing.Pool(2) as pool:
        return {"calls": all_calls(pool)}


def running(pool, tasks=3, seconds=0.05):
    """How long the calls take for tasks that sleep, and how many of these were asleep at once."""
    calls = {
        "map": lambda: pool.map(nap, [seconds] * tasks, 1),
        "apply": lambda: [pool.apply(nap, (seconds,)) for _ in range(tasks)],
        "apply_async": lambda: [r.get() for r in [pool.apply_async(nap, (seconds,)) for _ in range(tasks)]],
    }
    out = [{"call": name, "walls": [], "at_once": []} for name in calls]
    for _ in range(REPETITIONS):
        for row in out:
            start = time.perf_counter()
            spans = calls[row["call"]]()
            row["walls"].append(time.perf_counter() - start)
            row["at_once"].append(most_at_once(spans))
    return {"tasks": tasks, "sleep": seconds, "calls": out}


def order_of_running():
    with new_pool(3) as pool:
        return running(pool)


def dummy():
    with multiprocessing.dummy.Pool(3) as pool:
        return {"returned": {"calls": all_calls(pool)}, "running": running(pool)}


def processes():
    from concurrent.futures import ProcessPoolExecutor

    def alive():
        return len(multiprocessing.active_children())

    before = alive()
    pool = multiprocessing.Pool(4)
    out = {"workers": 4, "at_start": alive() - before, "tasks": 1000}
    out["pids"] = len(set(pool.map(own_pid, [0] * 1000, 1)))
    pool.close()
    pool.join()
    pool = multiprocessing.Pool(1, maxtasksperchild=2)
    out["limited"] = {"tasks": 6, "option": "maxtasksperchild=2", "pids": len(set(pool.map(own_pid, [0] * 6, 1)))}
    pool.close()
    pool.join()
    before = alive()
    with ProcessPoolExecutor(4) as executor:
        lazy = {"name": "ProcessPoolExecutor", "workers": 4, "at_start": alive() - before}
        executor.submit(own_pid, 0).result()
        lazy["after_one"] = alive() - before
    out["other"] = lazy
    return out


def brief(i):
    time.sleep(0.001)
    return i


def hunt(match, limit):
    """One thread submits, the other looks for the task that matches, in the order of submission; then the pool is terminated.
    limit bounds the queue between them, 0 does not."""
    pool = new_pool(2)
    results, state, ended = queue.Queue(limit), {"submitted": 0}, threading.Event()
    before = status("VmRSS")

    def submit():
        i = 0
        try:
            while not ended.is_set():
                result = pool.apply_async(brief, (i,))
                i += 1
                state["submitted"] = i
                results.put(result)
        except ValueError:
            pass  # the pool was terminated

    submitter = threading.Thread(target=submit, daemon=True)
    start = time.perf_counter()
    submitter.start()
    for _ in range(match + 1):
        results.get().get()
    seconds = time.perf_counter() - start
    submitted, after = state["submitted"], status("VmRSS")
    pool.terminate()
    ended.set()
    while submitter.is_alive():
        try:
            results.get_nowait()
        except queue.Empty:
            submitter.join(0.001)
    pool.join()
    return {"match": match, "submitted": submitted, "grown": after - before, "seconds": seconds}


def search():
    """The program with an early and a late match and no bound on its queue, and with a bound. Each round begins with what
    makes the process grow most: the first one shows by how much."""
    near, far, limit = 100, 400, 64
    out = {"task": 0.001, "workers": 2, "limit": limit, "near": [], "far": [], "queued": []}
    for _ in range(6):
        for name, match, bound in (("far", far, 0), ("near", near, 0), ("queued", far, limit)):
            out[name].append(hunt(match, bound))
    return out


def join_before_close():
    out = {"calls": [], "after": []}
    for name, make in (("Pool", multiprocessing.Pool), ("dummy.Pool", multiprocessing.dummy.Pool)):
        pool = make(2)
        out["calls"].append(outcome(name, pool.join))
        out["after"].append(outcome(name, pool.apply, square, (3,), want=9))
        pool.terminate()
    return out


def numbered_nap(task):
    index, seconds = task
    time.sleep(seconds)
    return index, time.monotonic()


def order_of_results():
    """The orders in which results came, and when the tasks ended, for delays that fall and for those of the article's
    sample, which rise."""
    out = []
    with new_pool(3) as pool:
        for sample in (False, True):
            tasks = [(i, 0.05 * (i + 1 if sample else 3 - i)) for i in range(3)]
            for _ in range(5):
                row = {"sample": sample}
                for name, call in (("ordered", pool.imap), ("unordered", pool.imap_unordered)):
                    got = list(call(numbered_nap, tasks))
                    row[name] = [i for i, _ in got]
                    row[name + "_ended"] = [end for _, end in sorted(got)]
                out.append(row)
    return {"runs": out}


def get_blocks():
    out = []
    with new_pool(2) as pool:
        for _ in range(REPETITIONS):
            start = time.monotonic()
            result = pool.apply_async(nap, (0.1,))
            row = {"ready": result.ready()}
            try:
                result.get(0.01)
                row["timed"] = "a result"
            except multiprocessing.TimeoutError:
                row["timed"] = "TimeoutError"
            span = result.get()
            row["elapsed"] = time.monotonic() - start
            row["after_end"] = span is not None and time.monotonic() >= span[1]
            out.append(row)
    return {"sleep": 0.1, "runs": out}

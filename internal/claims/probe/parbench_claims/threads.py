"""Claims about threads: C16 and C17."""

import multiprocessing
import multiprocessing.dummy
import socket
import threading
import time

from .common import new_pool, usable_cpus


def compute(n):
    """Arithmetic in the interpreter, on numbers that the task has made itself; returns the CPU seconds of its thread."""
    start = time.thread_time()
    modulus = int("65537")
    x = 1
    for i in range(n):
        x = (x * 31 + i) % modulus
    return time.thread_time() - start


def compute_shared(n):
    """The same with a constant of the function, which is one object for all threads."""
    start = time.thread_time()
    x = 1
    for i in range(n):
        x = (x * 31 + i) % 65537
    return time.thread_time() - start


def calibrated(seconds):
    n = 20000
    while True:
        start = time.perf_counter()
        compute(n)
        took = time.perf_counter() - start
        if took > seconds / 4:
            return max(1, int(n * seconds / took))
        n *= 2


def computing():
    """The same tasks one after another, on threads and in processes, by turns, with the CPU time that each way used."""
    workers = min(4, usable_cpus())
    tasks = [calibrated(0.03)] * (2 * workers)
    with multiprocessing.dummy.Pool(workers) as threads, new_pool(workers) as processes:
        run = {
            "sequential": lambda f: list(map(f, tasks)),
            "threads": lambda f: threads.map(f, tasks, 1),
            "processes": lambda f: processes.map(f, tasks, 1),
        }
        ways = [(name, f, []) for f in (compute, compute_shared) for name in run]
        for i in range(-1, 9):
            for name, f, runs in ways[i % 3:] + ways[:i % 3]:
                start = time.perf_counter()
                cpu = sum(run[name](f))
                if i >= 0:
                    runs.append({"wall": time.perf_counter() - start, "cpu": cpu})
    rows = [{"way": name, "runs": runs} for name, _, runs in ways]
    return {"workers": workers, "tasks": len(tasks), "ways": rows[:3], "shared": rows[3:]}


def serve(listener, delay):
    """Answers each connection after a while."""
    def answer(c):
        with c:
            time.sleep(delay)
            c.sendall(b"x")

    while True:
        c, _ = listener.accept()
        threading.Thread(target=answer, args=(c,), daemon=True).start()


def fetch(port):
    with socket.create_connection(("127.0.0.1", port)) as c:
        return len(c.recv(1))


def waiting():
    """Tasks that sleep and tasks that wait for a server: one after another, on threads and in processes."""
    tasks, delay = 16, 0.03
    listener = socket.create_server(("127.0.0.1", 0), backlog=64)
    port = listener.getsockname()[1]
    server = multiprocessing.Process(target=serve, args=(listener, delay), daemon=True)
    server.start()
    kinds = []
    with multiprocessing.dummy.Pool(tasks) as threads, new_pool(tasks) as processes:
        for kind, f, arg in (("sleep", time.sleep, delay), ("socket", fetch, port)):
            args = [arg] * tasks
            run = {
                "sequential": lambda: list(map(f, args)),
                "threads": lambda: threads.map(f, args, 1),
                "processes": lambda: processes.map(f, args, 1),
            }
            run["threads"]()
            run["processes"]()
            row = {"kind": kind, "sequential": [], "threads": [], "processes": []}
            for _ in range(6):
                for name in run:
                    start = time.perf_counter()
                    run[name]()
                    row[name].append(time.perf_counter() - start)
            kinds.append(row)
    server.terminate()
    server.join()
    return {"tasks": tasks, "delay": delay, "kinds": kinds}

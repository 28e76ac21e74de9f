"""The strategies that hand their tasks to multiprocessing.Pool, its twin with threads, or concurrent.futures."""

import os
import time

from . import session
from .digest import MASK
from .strategies import Strategy, Worker

work = None  # the Worker of this process, or of all threads of it


def run(i):
    return work(i)


class Messages:
    """What the messages of this worker process cost: unpacking calls, packing answers and writing them. multiprocessing
    looks these functions up whenever it needs one, so they can be exchanged for ones that look at the clock, from the first
    probed batch on: the measured ones are over by then."""

    def __init__(self):
        from multiprocessing import connection, queues

        self.cost = 0  # nanoseconds that no result has taken along yet
        self.pickler, write = queues._ForkingPickler, connection.Connection.send_bytes
        queues._ForkingPickler = self
        connection.Connection.send_bytes = lambda *args: self.timed(write, *args)

    def timed(self, f, *args):
        begin = time.monotonic_ns()
        result = f(*args)
        self.cost += time.monotonic_ns() - begin
        return result

    def loads(self, data):
        return self.timed(self.pickler.loads, data)

    def dumps(self, *args):
        return self.timed(self.pickler.dumps, *args)

    def __getattr__(self, name):
        return getattr(self.pickler, name)

    def take(self):
        """What the messages since the last call of this have cost."""
        cost, self.cost = self.cost, 0
        return cost


MESSAGES = 4  # that tell a worker to look, and the most tasks in all of them
MOST = 10000

cost = None  # of messages in this worker process since the last call, once it has been told to look; where it can


def stamped(every):
    """What a worker process makes of a Stamped: it has its messages timed from now on."""
    global cost
    if cost is None:
        try:
            cost = Messages().take
        except (ImportError, AttributeError):  # another version of multiprocessing: they stay unknown
            cost = int
    return Stamped(every)


class Stamped:
    """run with a stamp for each so manyth task: the result is how it leaves a worker process. With each goes what messages
    cost since the last one. With 0 it runs nothing: its message tells the worker to look at the next ones."""

    def __init__(self, every):
        self.every = every

    def __reduce__(self):
        return stamped, (self.every,)

    def __call__(self, i):
        if not self.every:
            return 0
        if i % self.every:
            return work(i)
        spent = cost()
        begin = time.monotonic_ns()
        result = work(i)
        return result, os.getpid(), begin, time.monotonic_ns(), spent


class Shared:
    """Workers that share this process, and so the work of all of them."""

    def watch(self, n, every):
        from .probe import Watched

        global work
        plain, work = work, Watched(work, every)
        try:
            return self.run(n), work.spans
        finally:
            work = plain


class Apart:
    """Workers in processes of their own: stamps come with the results."""

    crossing = True
    told = False

    def watch(self, n, every):
        from .probe import gather

        if not self.told:  # a few messages for each worker; whom none reaches is told by its first task, and late for that one
            self.told = True
            gather(self.terms(Stamped(0), min(MESSAGES * self.workers * max(1, int(self.params["chunk"])), MOST)))
        return gather(self.terms(Stamped(every), n))


class Pooled(Strategy):
    """The five calls of Pool, which its twin with threads has as well."""

    def terms(self, run, n):
        mode, chunk, pool = self.params["mode"], int(self.params["chunk"]), self.pool
        if mode == "map":
            return pool.map(run, range(n), chunk or None)
        if mode == "imap":
            return pool.imap(run, range(n), chunk or 1)
        if mode == "imap-unordered":
            return pool.imap_unordered(run, range(n), chunk or 1)
        if mode == "apply":
            return (pool.apply(run, (i,)) for i in range(n))
        if mode == "apply-async":
            results = [pool.apply_async(run, (i,)) for i in range(n)]
            return (r.get() for r in results)
        raise ValueError("parameter mode: %r is no mode" % mode)

    def run(self, n):
        return sum(self.terms(run, n)) & MASK

    def close(self):
        self.pool.close()
        self.pool.join()


class DummyPool(Shared, Pooled):
    def __init__(self, job, params, workers):
        from multiprocessing.dummy import Pool

        global work
        super().__init__(job, params, workers)
        work = Worker(job.prepare())
        self.pool = Pool(workers)


def executor(job, params, workers):
    return (ProcessExecutor if params["kind"] == "process" else ThreadExecutor)(job, params, workers)


class Executor(Strategy):
    def terms(self, run, n):
        return self.executor.map(run, range(n), chunksize=int(self.params["chunk"]))

    def run(self, n):
        return sum(self.terms(run, n)) & MASK

    def close(self):
        self.executor.shutdown()


class ThreadExecutor(Shared, Executor):
    def __init__(self, job, params, workers):
        from concurrent.futures import ThreadPoolExecutor
        from threading import Barrier

        global work
        super().__init__(job, params, workers)
        work = Worker(job.prepare())
        self.executor = ThreadPoolExecutor(workers)
        met = Barrier(workers)  # it starts a thread only where all others are busy: so they are
        for f in [self.executor.submit(met.wait) for _ in range(workers)]:
            f.result()


class Processes:
    """Worker processes: they prepare the tasks of their own, say so, and end when the harness does."""

    def __init__(self, start):
        import multiprocessing
        from multiprocessing import connection

        self.context = multiprocessing.get_context(start)
        if self.context.get_start_method() == "forkserver":
            one_reader()
        self.patience = 0.0
        if self.context.get_start_method() != "fork" and outlive_harness():
            # Processes that are not forked find semaphores and the server by their names, which would outlive us. This
            # process lets go of them before it ends; the others leave it the time.
            session.tidy, self.patience = self.tidy, 1.0
        self.children, self.wait = multiprocessing.active_children, connection.wait
        self.ready, self.tell = self.context.Pipe(False)
        self.lifeline = connection.Connection(os.dup(3), writable=False)

    def initargs(self, job):
        return (job, self.tell, self.lifeline, os.getpid(), self.patience)

    def settle(self, workers):
        """Waits until all workers are ready, so that set-up holds their start, and watches them from then on."""
        processes = self.children()
        sentinels = [p.sentinel for p in processes]
        heard = 0
        try:
            while heard < workers:
                for r in self.wait([self.ready] + sentinels):
                    if r is not self.ready:
                        raise RuntimeError(dead(processes, "before its first task"))
                    message = self.ready.recv_bytes().decode("utf-8", "replace")
                    if message:
                        raise RuntimeError("a worker process could not prepare its tasks: " + message)
                    heard += 1
        finally:
            self.tidy()
        return [p.pid for p in processes], processes, sentinels

    @staticmethod
    def tidy():
        """Removes now what multiprocessing removes when it ends, and would leave if it were killed: the names of semaphores
        in /dev/shm, and the socket of the server that forks. Nobody opens them any more once all workers run."""
        from multiprocessing import synchronize, util

        removers = (synchronize.SemLock._cleanup, util._remove_temp_dir)
        for finalizer in list(util._finalizer_registry.values()):
            if finalizer._callback in removers:
                finalizer()


def one_reader():
    """Makes looking for the exit status of a process safe with two threads, Pool's and guard's: the server that forks
    writes it once, and who comes second to read it would make 255 of it."""
    import threading
    from multiprocessing import connection, popen_forkserver

    lock, poll = threading.Lock(), popen_forkserver.Popen.poll

    def alone(self, flag=os.WNOHANG):
        if flag != os.WNOHANG:
            connection.wait([self.sentinel])  # not with the lock
        with lock:
            return poll(self)

    popen_forkserver.Popen.poll = alone


def outlive_harness():
    """Takes back the signal with which the kernel would end this process in the same moment as the harness."""
    try:
        import ctypes

        return ctypes.CDLL(None).prctl(1, 0, 0, 0, 0) == 0  # PR_SET_PDEATHSIG
    except (ImportError, OSError, AttributeError):
        return False


def dead(processes, when):
    """Says which of the processes has ended, one at least, and how."""
    until = time.monotonic() + 1
    while time.monotonic() < until and all(p.exitcode is None for p in processes):
        time.sleep(0.001)  # another thread may be reading the exit status just now
    for p in processes:
        if p.exitcode is not None:
            how = "was ended by signal %d" % -p.exitcode if p.exitcode < 0 else "exited with status %d" % p.exitcode
            return "worker process %d %s %s" % (p.pid, how, when)
    return "a worker process ended " + when


def start_worker(job, tell, lifeline, leader, patience):
    """Runs first in every worker process."""
    global work
    session.watch(lifeline.fileno(), leader, after=patience)
    try:
        work = Worker(job.prepare())
        message = ""
    except BaseException as e:
        message = "%s: %s" % (type(e).__name__, e)
    tell.send_bytes(message.encode()[:2000])  # so short that the messages of several workers do not mix


class ProcessPool(Apart, Pooled):
    def __init__(self, job, params, workers):
        import threading

        super().__init__(job, params, workers)
        p = Processes(params.get("start"))
        self.pool = p.context.Pool(workers, start_worker, p.initargs(job))
        self.worker_pids, self.processes, self.sentinels = p.settle(workers)
        self.closing = False
        self.wait = p.wait
        threading.Thread(target=self.guard, daemon=True).start()

    def guard(self):
        """Ends the trial when a worker dies: Pool would start another one and wait for the lost task for ever."""
        self.wait(self.sentinels)
        if not self.closing:
            session.give_up("task", dead(self.processes, "while the pool was waiting for its results; multiprocessing.Pool does not notice"))

    def pids(self):
        return self.worker_pids

    def close(self):
        self.closing = True
        super().close()


gate = None


def start_executor_worker(connection, *initargs):
    global gate
    gate = connection
    start_worker(*initargs)


def pass_gate():
    os.read(gate.fileno(), 1)  # one byte for each: Connection's own calls are not for several readers


class ProcessExecutor(Apart, Executor):
    def __init__(self, job, params, workers):
        from concurrent.futures import ProcessPoolExecutor

        super().__init__(job, params, workers)
        p = Processes(params.get("start"))
        gate, opener = p.context.Pipe(False)
        self.executor = ProcessPoolExecutor(workers, p.context, start_executor_worker, (gate,) + p.initargs(job))
        # It starts a process only where all others are busy: so they wait for each other.
        met = [self.executor.submit(pass_gate) for _ in range(workers)]
        self.worker_pids = p.settle(workers)[0]
        os.write(opener.fileno(), b"." * workers)
        for f in met:
            f.result()

    def pids(self):
        return self.worker_pids

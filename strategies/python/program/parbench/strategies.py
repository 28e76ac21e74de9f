"""The strategies: each class prepares the tasks and starts its workers in __init__, runs n tasks in run(n), which is the timed
region and returns the digest of the batch, and ends what it began in close(). pids() are its worker processes."""

import traceback

from .digest import MASK, term


class TaskFailed(Exception):
    """A task raised something. It crosses process boundaries, so it holds text alone."""

    def __init__(self, index, message, stack):
        super().__init__(index, message, stack)
        self.index, self.message, self.stack = index, message, stack


def failed(i, e):
    text = str(e)
    stack = "".join(traceback.format_exception(type(e), e, e.__traceback__))
    return TaskFailed(i, "task %d: %s" % (i, type(e).__name__ + (": " + text if text else "")), stack[-32768:])


class Worker:
    """What a worker calls: task i's term of the batch digest. Terms are computed where the tasks run, so that those who
    wait for the results have nothing left to do but add them up."""

    __slots__ = ("task",)

    def __init__(self, task):
        self.task = task

    def __call__(self, i):
        try:
            return term(i, self.task(i))
        except BaseException as e:  # sys.exit() in a worker of a Pool would make the caller wait for ever
            raise failed(i, e) from None


class Strategy:
    crossing = False  # whether results cross to another process
    unseen = ()  # what a probe cannot see, and why

    def __init__(self, job, params, workers):
        self.job, self.params, self.workers = job, params, workers

    def pids(self):
        return []

    def capacity(self):
        """How many tasks can run at the same time."""
        return self.workers

    def watch(self, n, every):
        """Runs n tasks as run does, with each so manyth one stamped; returns the digest and the stamps."""
        from .probe import Watched

        plain, self.work = self.work, Watched(self.work, every)
        try:
            return self.run(n), self.work.spans
        finally:
            self.work = plain

    def close(self):
        pass


class Sequential(Strategy):
    def __init__(self, job, params, workers):
        super().__init__(job, params, workers)
        self.work = Worker(job.prepare())

    def capacity(self):
        return 1

    def run(self, n):
        work, total = self.work, 0
        for i in range(n):
            total += work(i)
        return total & MASK


class Threads(Strategy):
    """threading.Thread: they live between batches and take the next task one by one."""

    def __init__(self, job, params, workers):
        import queue
        import threading

        super().__init__(job, params, workers)
        self.work, self.lock = Worker(job.prepare()), threading.Lock()
        self.todo, self.done = queue.SimpleQueue(), queue.SimpleQueue()
        self.threads = [threading.Thread(target=self.live, daemon=True) for _ in range(workers)]
        for t in self.threads:
            t.start()

    def live(self):
        for batch in iter(self.todo.get, None):
            total, failure = 0, None
            try:
                while True:
                    with self.lock:  # next() of a shared iterator is no atomic operation without a global lock
                        i = next(batch, None)
                    if i is None:
                        break
                    total += self.work(i)
            except TaskFailed as e:
                failure = e
                with self.lock:
                    for _ in batch:  # nobody begins another task
                        pass
            self.done.put((total, failure))

    def run(self, n):
        batch = iter(range(n))
        for _ in self.threads:
            self.todo.put(batch)
        results = [self.done.get() for _ in self.threads]
        for _, failure in results:
            if failure is not None:
                raise failure
        return sum(total for total, _ in results) & MASK

    def close(self):
        for _ in self.threads:
            self.todo.put(None)
        for t in self.threads:
            t.join()


class Asyncio(Strategy):
    """As many coroutines as workers on one event loop, each taking the next task when it has finished one."""

    unseen = (("waiting for the event loop", "a coroutine that could go on waits for the others inside of its task"),)

    def __init__(self, job, params, workers):
        import asyncio

        super().__init__(job, params, workers)
        self.gather, self.current, self.loop = asyncio.gather, asyncio.current_task, asyncio.new_event_loop()
        asyncio.set_event_loop(self.loop)
        self.tasks = job.prepare()
        self.tasks.start_aio(workers)

    async def live(self, batch):
        total = 0
        for i in batch:
            try:
                total += term(i, await self.tasks.aio(i))
            except BaseException as e:
                raise failed(i, e) from None
        return total

    async def batch(self, n):
        indices = iter(range(n))
        return sum(await self.gather(*[self.live(indices) for _ in range(self.workers)]))

    def run(self, n):
        return self.loop.run_until_complete(self.batch(n)) & MASK

    def watch(self, n, every):
        from .probe import WatchedTasks

        plain, self.tasks = self.tasks, WatchedTasks(self.tasks, every, self.current)
        try:
            return self.run(n), self.tasks.spans
        finally:
            self.tasks = plain

    def close(self):
        self.loop.close()


def pool(name):
    """The strategies that need multiprocessing are loaded by the trials that use them."""

    def make(job, params, workers):
        from . import pools

        return getattr(pools, name)(job, params, workers)

    return make


STRATEGIES = {
    "py-sequential": Sequential,
    "py-threads": Threads,
    "py-dummy-pool": pool("DummyPool"),
    "py-pool": pool("ProcessPool"),
    "py-executor": pool("executor"),
    "py-asyncio": Asyncio,
}

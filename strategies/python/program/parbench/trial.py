"""Runs one trial, or describes what there is. The program is started as

    python3 -I -S -c "import sys; sys.path.insert(0, DIRECTORY); from parbench.trial import main; main(FILE)"

where FILE is the user's workload, or None. With a file, -I and -S are left out: it may import what is installed."""

import gc
import os
import sys
import time

from . import meter, session
from .digest import MASK
from .session import RECORDS, REQUESTS, Failure, Reader, end, leave, refuse, send, watch
from .strategies import STRATEGIES, TaskFailed, Worker
from .workloads import WORKLOADS, Job

COOKIE = "PARBENCH_TRIAL"
CHUNK = 100000  # most batch times of a record


def main(file=None):
    received = time.monotonic()
    if os.environ.pop(COOKIE, None) != "1":
        sys.exit("this is a program for parbench, which starts it by itself")
    os.set_inheritable(REQUESTS, False)
    os.set_inheritable(RECORDS, False)
    status = 1
    try:
        reader = Reader()
        q = reader.next("describe", "run")
        if q["op"] == "describe":
            from .describe import describe

            send("description", describe(file))
            end("done", {})
        else:
            run = q.get("run") or {}
            watch(REQUESTS, limit=run.get("deadline_ns", 0) / 1e9, spent=time.monotonic() - received)
            end("done", Trial(run, file).measure(reader))
        status = 0
    except Failure as e:
        end("error", e.record)
    except TaskFailed as e:
        end("error", {"kind": "panic", "message": e.message, "task": e.index, "stack": e.stack})
    except BaseException as e:
        import traceback

        end("error", {"kind": "setup", "message": "%s: %s" % (type(e).__name__, e), "stack": traceback.format_exc()[-32768:]})
    finally:
        # Nothing is left to do at exit: the strategy is closed, and the harness ends whatever a failure has left.
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError, AttributeError):
                pass
        leave(status)


def check(q, file):
    """The job and the strategy that a request names."""
    from .own import workload_name

    name, own = q.get("workload"), file and workload_name(file)
    if name not in WORKLOADS and name != own:
        raise refuse("unknown workload %r; ask the program to describe itself" % name)
    if q.get("strategy") not in STRATEGIES:
        raise refuse("unknown strategy %r; ask the program to describe itself" % q.get("strategy"))
    for field, least in (("workers", 1), ("cores", 1), ("tasks", 0 if name == "empty" else 1), ("deadline_ns", 1)):
        if not isinstance(q.get(field), int) or q[field] < least:
            raise refuse("%s: give at least %d" % (field, least))
    return Job(name, q.get("params") or {}, int(q["seed"]), q.get("fixture", ""), file)


class Trial:
    def __init__(self, q, file):
        self.q, self.job, self.untimed = q, check(q, file), 0
        from .describe import defaults

        self.params = defaults(q["strategy"])
        self.params.update(q.get("strategy_params") or {})
        self.digest = None

    def own(self, begin):
        """Counts the time since begin as the program's own."""
        self.untimed += time.monotonic_ns() - begin

    def measure(self, reader):
        q = self.q
        begin = time.monotonic_ns()
        session.phase = "still preparing the tasks and the workers"
        strategy = STRATEGIES[q["strategy"]](self.job, self.params, q["workers"])
        setup = time.monotonic_ns() - begin
        begin = time.monotonic_ns()
        self.tasks = q["tasks"] or self.choose(strategy)
        self.own(begin)
        send("ready", {"pid": os.getpid(), "setup_ns": setup, "tasks": self.tasks})
        reader.next("go")
        session.phase = ""
        self.batches(strategy)
        begin = time.monotonic_ns()
        if q.get("probe_ns", 0) > 0:
            self.probe(strategy)
        reader.nothing_more()
        closing = time.monotonic_ns()
        session.phase = "ending the workers after the last batch, which waits for every thread of theirs that is no daemon"
        strategy.close()
        closing = time.monotonic_ns() - closing
        session.phase = "computing the digests, one task after another"
        if q.get("digests"):
            send("digests", self.digests(q["digests"]))
        self.own(begin)
        return {"untimed_ns": self.untimed, "close_ns": closing}

    def probe(self, strategy):
        from . import probe

        for r in probe.records(strategy, self.tasks, self.q["cores"], self.last, self.q["probe_ns"], self.check):
            send("probe", r)

    @staticmethod
    def choose(strategy):
        """Doubles the number of tasks until a batch takes long enough for the clock."""
        n = 1
        while True:
            begin = time.monotonic_ns()
            strategy.run(n)
            if time.monotonic_ns() - begin >= 10000000:
                return n
            n *= 2

    def batches(self, strategy):
        q = self.q
        self.timed(strategy, "warmup_ns", q.get("warmup_batches", 0), q.get("min_warmup_ns", 0))
        begin = time.monotonic_ns()
        gc.collect()
        self.own(begin)
        before, start = meter.read(strategy.pids()), time.monotonic_ns()
        self.timed(strategy, "wall_ns", max(1, q.get("min_batches", 1)), q.get("min_batch_ns", 0))
        wall, after = time.monotonic_ns() - start, meter.read(strategy.pids())
        begin = time.monotonic_ns()
        usage = {name: after[name] - before[name] for name in after}
        usage.update(meter.memory([os.getpid()] + strategy.pids()), wall_ns=wall)
        send("usage", usage)
        self.own(begin)

    def timed(self, strategy, name, count, least):
        """Runs count batches or more, until their times add up to least nanoseconds, and sends the times."""
        times, total, ran, flushed, clock = [], 0, 0, time.monotonic_ns(), time.monotonic_ns
        run, n = strategy.run, self.tasks
        while ran < count or total < least:
            begin = clock()
            digest = run(n)
            self.last = took = clock() - begin
            total += took
            ran += 1
            times.append(took)
            self.check(digest)
            if clock() - flushed > 1000000000 or len(times) == CHUNK:
                self.flush(name, times)
                flushed = clock()
        if times:
            self.flush(name, times)

    def check(self, digest):
        if self.digest is None:
            self.digest = digest
        if digest != self.digest:
            raise Failure("digest", "a batch gave digest %016x, those before it %016x: a task was lost, doubled or is not "
                          "a pure function of its index" % (digest, self.digest))

    def flush(self, name, times):
        send("batches", {"tasks": self.tasks, name: times, "digest": "%016x" % self.digest})
        times.clear()

    def digests(self, counts):
        """The batch digests of these task counts, one task after another."""
        counts = [n or self.tasks for n in counts]
        work, sums, total = Worker(self.job.prepare()), dict.fromkeys(counts, 0), 0
        for i in range(max(counts)):
            total += work(i)
            if i + 1 in sums:
                sums[i + 1] = total & MASK
        return [{"tasks": n, "digest": "%016x" % sums[n]} for n in counts]

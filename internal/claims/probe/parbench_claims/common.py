"""What the probes share."""

import multiprocessing
import os
import threading
import time

PATIENCE = 10.0  # seconds that a call may take before it counts as waiting for ever


class DoesNotApply(Exception):
    """The claim speaks of something that is not there."""


def described(e):
    return ("%s: %s" % (type(e).__name__, e))[:300]


def numbers(v):
    """A result as a list of integers."""
    if v is None:
        return []
    if isinstance(v, (list, tuple)):
        return [int(x) for x in v]
    return [int(v)]


def outcome(call, f, *args, want=None, within=PATIENCE):
    """One call with a deadline: what it returned or raised, or for how long it had been waiting. The thread of one that
    waits is left behind."""
    seen = {}

    def run():
        try:
            seen["got"] = numbers(f(*args))
        except BaseException as e:
            seen["error"] = described(e)

    t = threading.Thread(target=run, daemon=True)
    t.start()
    t.join(within)
    out = {"call": call, "want": numbers(want)}
    out.update(seen or {"hung": within})
    return out


def most_at_once(spans):
    """How many of the spans (start, end) share a moment."""
    edges = sorted([(start, 1) for start, _ in spans] + [(end, -1) for _, end in spans])
    now = most = 0
    for _, step in edges:
        now += step
        most = max(most, now)
    return most


def usable_cpus():
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def own_pid(delay):
    time.sleep(delay)
    return os.getpid()


def warm(pool, workers):
    """Returns when every worker process has answered, or after ten seconds."""
    end, seen = time.monotonic() + 10, set()
    while len(seen) < workers and time.monotonic() < end:
        seen.update(pool.map(own_pid, [0.005] * (2 * workers), 1))
    return pool


def new_pool(workers, *args):
    return warm(multiprocessing.Pool(workers, *args), workers)


def square(x):
    return x * x


def nap(seconds):
    """Sleeps; the moments are on a clock that all processes share."""
    start = time.monotonic()
    time.sleep(seconds)
    return start, time.monotonic()


def status(field):
    """A size of this process in bytes, from /proc."""
    with open("/proc/self/status") as f:
        for line in f:
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
    raise OSError("/proc/self/status has no " + field)

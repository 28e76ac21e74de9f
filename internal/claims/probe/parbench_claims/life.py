"""Claims about the life of processes: C12 to C15 and C18."""

import atexit
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time

from .common import PATIENCE, DoesNotApply, new_pool

CHILD = [sys.executable, "-I", "-S"]


def leave_seven():
    sys.exit(7)


def no_target():
    out = []
    for call, p, want in (("Process()", multiprocessing.Process(), 0),
                          ("Process(target=f)", multiprocessing.Process(target=leave_seven), 7),
                          ("Process(args=())", multiprocessing.Process(args=()), 0)):
        row = {"call": call, "want": want}
        try:
            p.start()
            p.join(PATIENCE)
            row["exit"] = p.exitcode
        except Exception as e:
            row["error"] = type(e).__name__
        out.append(row)
    return {"calls": out}


def mark(path):
    with open(path, "w") as f:
        f.write("x")


def resident(place, stay):
    atexit.register(mark, place + "/atexit")
    try:
        if stay:
            program = subprocess.Popen(CHILD + ["-c", "import time; time.sleep(100)"])
            kin = multiprocessing.Process(target=time.sleep, args=(100,))
            kin.start()
            with open(place + "/new", "w") as f:
                f.write("%d %d" % (program.pid, kin.pid))
            os.rename(place + "/new", place + "/grandchildren")
            time.sleep(100)
    finally:
        mark(place + "/finally")


def parent_of(pid):
    """The parent of a living process, 0 for one that is not there or a zombie."""
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return 0 if fields[0] in "ZX" else int(fields[1])
    except OSError:
        return 0


def ended(stay):
    with tempfile.TemporaryDirectory() as place:
        p = multiprocessing.Process(target=resident, args=(place, stay))
        p.start()
        row, program, kin = {}, 0, 0
        if stay:
            until = time.monotonic() + 2 * PATIENCE
            while not os.path.exists(place + "/grandchildren") and time.monotonic() < until:
                time.sleep(0.002)
            with open(place + "/grandchildren") as f:
                program, kin = map(int, f.read().split())
            row["was_child"] = parent_of(program) == p.pid
            row["was_kin"] = parent_of(kin) != 0
            p.terminate()
        until = time.monotonic() + PATIENCE
        while p.exitcode is None and time.monotonic() < until:
            time.sleep(0.001)  # join() would wait for the grandchildren, too: forked ones hold what it waits at
        row["exit"] = p.exitcode or 0  # None: it was not terminated
        if stay:
            time.sleep(0.1)  # for what would die with its parent
            row["parent"] = parent_of(program)
            row["orphan"] = row["parent"] not in (0, p.pid)
            row["kin"] = parent_of(kin) != 0
            for pid in (program, kin):
                if parent_of(pid) != 0:
                    os.kill(pid, signal.SIGKILL)
        row["atexit"] = os.path.exists(place + "/atexit")
        row["finally"] = os.path.exists(place + "/finally")
        return row


def terminate():
    if not os.path.exists("/proc/self/stat"):
        raise NotImplementedError("there is no /proc here to see a grandchild's parent in")
    return {"runs": [ended(True) for _ in range(5)], "normal": ended(False), "package": "multiprocessing"}


def brief_or_killed(i):
    time.sleep(0.05)
    if i == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return i


def crash():
    """In pools and executors of two workers the first of six tasks kills its worker; a plain process is killed beside another."""
    from concurrent.futures import ProcessPoolExecutor

    n, within, sides = 6, 3.0, 3
    pools = [new_pool(2) for _ in range(sides)]
    begun = [[p.apply_async(brief_or_killed, (i,)) for i in range(n)] for p in pools]
    end = time.monotonic() + within
    pool_rows = []
    for results in begun:
        row = {"others": n - 1, "finished": 0, "errors": 0, "victim": ""}
        for i, r in list(enumerate(results))[1:] + [(0, results[0])]:
            try:
                r.get(max(0.001, end - time.monotonic()))
                row["finished"] += 1
            except multiprocessing.TimeoutError:
                if i == 0:
                    row["hung"] = within
            except Exception as e:
                if i == 0:
                    row["victim"] = type(e).__name__
                else:
                    row["errors"] += 1
                    row["other"] = type(e).__name__
        pool_rows.append(row)
    for p in pools:
        p.terminate()
    executor_rows = []
    for _ in range(sides):
        with ProcessPoolExecutor(2) as executor:
            row = {"others": n - 1, "finished": 0, "errors": 0, "victim": ""}
            futures = []
            try:
                for i in range(n):
                    futures.append(executor.submit(brief_or_killed, i))
            except Exception as e:
                row["errors"] += n - len(futures)
                row["other"] = type(e).__name__
            for i, f in enumerate(futures):
                try:
                    f.result(within)
                    row["finished"] += 1
                except Exception as e:
                    if i == 0:
                        row["victim"] = type(e).__name__
                    else:
                        row["errors"] += 1
                        row["other"] = type(e).__name__
            executor_rows.append(row)
    plain = []
    for _ in range(sides):
        victim = multiprocessing.Process(target=brief_or_killed, args=(0,))
        sibling = multiprocessing.Process(target=brief_or_killed, args=(1,))
        sibling.start()
        victim.start()
        victim.join(PATIENCE)
        sibling.join(PATIENCE)
        plain.append({"victim": victim.exitcode, "sibling": sibling.exitcode if sibling.exitcode is not None else 999})
    return {"pools": pool_rows, "executors": executor_rows, "plain": plain}


def private_bytes():
    total = 0
    with open("/proc/self/smaps_rollup") as f:
        for line in f:
            if line.startswith(("Private_Clean:", "Private_Dirty:")):
                total += int(line.split()[1]) * 1024
    return total


def need_fork():
    if not hasattr(os, "fork"):
        raise DoesNotApply("a claim about fork does not apply where there is none: this Python has no os.fork")


def in_child(f):
    """Runs f in a forked child and returns what it returned, by way of JSON."""
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(w, json.dumps(f()).encode())
        finally:
            os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.waitpid(pid, 0)
    return json.loads(text)


def fork_copies():
    need_fork()
    try:
        private_bytes()
    except OSError as e:
        raise NotImplementedError("/proc/self/smaps_rollup cannot be read here (%s)" % e.strerror)
    size, page = 64 << 20, 4096
    block = bytearray(size)
    for i in range(0, size, page):
        block[i] = 1

    def look():
        row = {"private": private_bytes(), "threads": len(os.listdir("/proc/self/task"))}
        row["same"] = sum(block[::page]) == size // page
        row["private_read"] = private_bytes()
        for i in range(0, size, page):
            block[i] = 2
        row["private_written"] = private_bytes()
        return row

    runs = []
    for _ in range(6):
        row = in_child(look)
        row["unchanged"] = block[0] == 1
        runs.append(row)
    return {"bytes": size, "threads": len(os.listdir("/proc/self/task")), "runs": runs}


PRINTS = """
import os, sys
print("before")
if os.fork() == 0:
    sys.exit(0)
os.wait()
"""


def printed(flags, terminal):
    """How often the line from before the fork arrives."""
    if not terminal:
        out = subprocess.run(CHILD + flags + ["-c", PRINTS], stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=2 * PATIENCE).stdout
        return out.count(b"before")
    import pty

    ours, theirs = pty.openpty()
    try:
        try:
            subprocess.run(CHILD + flags + ["-c", PRINTS], stdout=theirs, stdin=subprocess.DEVNULL, timeout=2 * PATIENCE)
        finally:
            os.close(theirs)
        out = b""
        while True:
            try:
                more = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed, and all has been read
                more = b""
            if not more:
                return out.count(b"before")
            out += more
    finally:
        os.close(ours)


def text_twice():
    need_fork()
    out = []
    for name, flags, terminal in (("a pipe", [], False), ("a pipe without buffering (-u)", ["-u"], False), ("a terminal", [], True)):
        row = {"to": name, "times": []}
        try:
            row["times"] = [printed(flags, terminal) for _ in range(3)]
        except (OSError, ImportError) as e:
            row["error"] = str(e)
        out.append(row)
    return {"outputs": out}

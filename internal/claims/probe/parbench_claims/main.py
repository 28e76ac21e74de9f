"""Runs one probe and writes what it observed, as one line of JSON, on descriptor 4.

Descriptor 3 is the lifeline: when parbench is gone, the whole process group ends itself.
"""

import importlib.util
import json
import os
import py_compile
import select
import signal
import sys
import threading

from .common import DoesNotApply

IN, OUT = 3, 4

PROBES = {
    "C1": "pools.returns", "C2": "pools.order_of_running", "C3": "pools.dummy", "C4": "pools.processes", "C5": "pools.search",
    "C6": "pools.join_before_close", "C7": "pools.order_of_results", "C8": "messages.manager", "C9": "messages.speed",
    "C10": "messages.third_process", "C11": "messages.as_arguments", "C12": "life.no_target", "C13": "life.terminate",
    "C14": "life.crash", "C15": "life.fork_copies", "C16": "threads.computing", "C17": "threads.waiting", "C18": "life.text_twice",
    "C19": "messages.early_stop", "C20": "pools.get_blocks",
}


def lifeline():
    ends = select.poll()
    ends.register(IN, 0)
    while True:
        for _, event in ends.poll():
            if event & (select.POLLHUP | select.POLLERR | select.POLLNVAL):
                os.kill(0, signal.SIGKILL)


def loaded(name):
    """Imports a module from its bytecode the first time, too, as programs find theirs. Compiled while it is imported, CPython
    3.13t gives its constants reference counts, which threads then contend for: measured, 0.78 times as fast on two threads."""
    source = importlib.util.find_spec(name).origin
    cached = importlib.util.cache_from_source(source)
    if not os.path.exists(cached):
        py_compile.compile(source, cached, doraise=True)
    return importlib.import_module(name)


def observe(name):
    """What the probe saw, or why it could not look."""
    try:
        module, function = PROBES[name].split(".")
        module = loaded("parbench_claims." + module)
        import multiprocessing.synchronize  # a build without semaphores says so here

        return {"observed": getattr(module, function)()}
    except DoesNotApply as e:
        return {"inapplicable": str(e)}
    except (ImportError, NotImplementedError) as e:
        return {"unavailable": "%s: %s" % (type(e).__name__, e)}
    except Exception as e:
        line = e.__traceback__
        while line.tb_next is not None:
            line = line.tb_next
        where = "%s, line %d" % (os.path.basename(line.tb_frame.f_code.co_filename), line.tb_lineno)
        return {"failed": "%s: %s (%s)" % (type(e).__name__, e, where)}


def start_method():
    try:
        import multiprocessing

        return multiprocessing.get_start_method()
    except ImportError:
        return ""


def main():
    for end in (IN, OUT):
        os.set_inheritable(end, False)
    threading.Thread(target=lifeline, daemon=True).start()
    answer = observe(sys.argv[2])
    answer["gil"] = getattr(sys, "_is_gil_enabled", lambda: True)()
    answer["start_method"] = start_method()
    os.write(OUT, (json.dumps(answer) + "\n").encode())

"""The conversation with the harness: requests on descriptor 3, whose end is the lifeline, and records on descriptor 4."""

import _thread
import json
import os
import select
import signal
import time

VERSION = 1
REQUESTS, RECORDS = 3, 4
LONGEST = 8 << 20

lock = _thread.allocate_lock()  # of records: after the last one there is no other
over = False
dying = False  # a thread ends this process with its group
phase = ""  # what a trial is at that is past its deadline, where that is not its batches
tidy = None  # what removes the traces that would outlive the process, if there are any


class Failure(Exception):
    """Ends the trial with an error record."""

    def __init__(self, kind, message, **more):
        super().__init__(message)
        self.record = dict(kind=kind, message=message[:65536], **more)


def refuse(message):
    return Failure("request", message)


def write(record):
    data = json.dumps(record, separators=(",", ":")).encode() + b"\n"
    try:
        while data:
            data = data[os.write(RECORDS, data) :]
    except OSError:
        die()  # whoever cannot be written to is gone


def send(kind, value, name=None):
    with lock:
        if not over:
            write({"type": kind, name or kind: value})


def end(kind, value):
    """Sends the last record; only the first call has an effect."""
    global over
    with lock:
        if not over:
            over = True
            write({"type": kind, kind: value})


def give_up(kind, message):
    """Ends the trial from any thread, with all processes of its group where it leads one."""
    end("error", {"kind": kind, "message": message})
    die()


def die(leader=None):
    """Ends this process at once, and with it its group, if that is the trial's own."""
    global dying
    dying = True
    if tidy is not None and leader is None:
        done = _thread.allocate_lock()
        done.acquire()

        def clear():
            try:
                tidy()
            except Exception:
                pass  # there is no time for anything else
            done.release()

        try:
            _thread.start_new_thread(clear, ())
            done.acquire(timeout=1)  # it takes locks of multiprocessing's, and whoever has one may never give it back
        except RuntimeError:
            pass  # no more threads
    if os.getpgrp() == (leader or os.getpid()):
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def leave(status):
    """Ends this process alone, unless another thread is about to end it with its group: what that takes away meanwhile, such
    as the names that processes find each other by, must not make this one leave the group behind."""
    if dying:
        time.sleep(10)
    os._exit(status)


def watch(fd, leader=None, limit=None, spent=0.0, after=0.0):
    """Ends everything when the lifeline ends, so many seconds after, and the trial at its limit, in seconds, of which some
    are spent."""

    def live():
        poll = select.poll()
        poll.register(fd, 0)  # the end alone: what arrives is for others to read
        if poll.poll(None if limit is None else max(0, (limit - spent) * 1000)):
            if not over:
                time.sleep(after)
                die(leader)
        else:
            give_up("deadline", "%snot finished within %g s" % (phase and phase + ": ", limit))

    _thread.start_new_thread(live, ())


class Reader:
    """Reads requests, one line each."""

    def __init__(self):
        self.rest = b""

    def next(self, *ops):
        while b"\n" not in self.rest:
            data = os.read(REQUESTS, 65536)
            if not data:
                die()
            self.rest += data
            if len(self.rest) > LONGEST:
                raise refuse("a request longer than %d bytes" % LONGEST)
        line, self.rest = self.rest.split(b"\n", 1)
        try:
            q = json.loads(line)
        except ValueError as e:
            raise refuse("request not understood: %s; send one JSON object per line" % e) from None
        if not isinstance(q, dict) or q.get("protocol") != VERSION:
            raise refuse("this program speaks version %d of the protocol" % VERSION)
        if q.get("op") not in ops:
            raise refuse("operation %r: expected one of %s" % (q.get("op"), ", ".join(ops)))
        return q

    def nothing_more(self):
        ready = select.poll()
        ready.register(REQUESTS, select.POLLIN)
        if self.rest or any(event & select.POLLIN for _, event in ready.poll(0)):
            raise refuse("more requests than the protocol allows: send one, then \"go\" after \"ready\"")

"""The user's own workload: a file with a function task(i, params), and the digest of whatever it returns."""

import math
import os
import sys
import types

from .digest import MASK, bits, fold, fold_bytes, key
from .workloads import WORKLOADS, InThreads

KINDS = ("cpu", "memory", "io", "mixed")


class Unusable(Exception):
    """Says what is wrong with the file, and the remedy."""


def load(path):
    """Runs the file as a module of its own. It may import its neighbours."""
    name = os.path.basename(path)
    try:
        with open(path, "rb") as f:
            source = f.read()
    except OSError as e:
        raise Unusable("%s cannot be read: %s; check --python-workload" % (name, e.strerror or e)) from None
    module = types.ModuleType("parbench_workload")
    module.__file__ = path
    sys.modules[module.__name__] = module  # so that what it defines can be pickled
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    try:
        exec(compile(source, path, "exec"), module.__dict__)
    except SyntaxError as e:
        where = name if e.filename == path else os.path.basename(e.filename or "?")
        raise Unusable("%s, line %s: %s; correct it for this Python" % (where, e.lineno, e.msg)) from None
    except ImportError as e:
        raise Unusable("%s: %s; install it for %s, or choose another interpreter with --python" % (at(e, path), e, sys.executable)) from None
    except BaseException as e:
        raise Unusable("%s: %s while it was loaded; correct it" % (at(e, path), said(e))) from None
    if not callable(getattr(module, "task", None)):
        raise Unusable("%s has no function task(i, params); add one" % name)
    return module


def check(module):
    """Refuses a task that cannot be called as it will be. Only describe asks: inspect takes a trial's set-up too long."""
    import inspect

    name, task = os.path.basename(module.__file__), module.task
    for f in (task, getattr(type(task), "__call__", None)):  # an object whose class says how it is called
        if inspect.iscoroutinefunction(f) or inspect.isasyncgenfunction(f):
            raise Unusable("%s: task is async, and what it returns would never run; make it def task(i, params), with asyncio.run inside" % name)
        if inspect.isgeneratorfunction(f):
            raise Unusable("%s: task yields, and a generator that nobody reads does nothing; return the result instead" % name)
    try:
        signature = inspect.signature(task)
    except (TypeError, ValueError):
        return  # some that are written in C do not tell
    try:
        signature.bind(0, {})
    except TypeError as e:
        raise Unusable("%s: task%s cannot be called as task(i, params): %s; make it def task(i, params)" % (name, signature, e)) from None


def said(e):
    text = str(e)
    return type(e).__name__ + (": " + text if text else "")


def at(e, path):
    """The last line of the user's file on the way to the exception."""
    line, frame = 0, e.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == path:
            line = frame.tb_lineno
        frame = frame.tb_next
    return "%s, line %d" % (os.path.basename(path), line)


def parameters(module):
    """Describes PARAMS in the protocol's terms, with a function for each that reads its text."""
    given = getattr(module, "PARAMS", {})
    name = os.path.basename(module.__file__)
    if not isinstance(given, dict):
        raise Unusable("%s: PARAMS is not a dictionary of names and defaults; make it one" % name)
    described, readers = [], {}
    for k, v in given.items():
        if not isinstance(k, str) or not all(map(plain, k)) or k[:1] in ("", "-", "_") or k == "seed":
            raise Unusable("%s: PARAMS has a name %r; use ASCII letters, digits, - and _, begin with a letter or digit, and leave out seed" % (name, k))
        p = {"name": k, "doc": "from PARAMS of " + name}
        if isinstance(v, bool):
            p.update(type="choice", choices=["yes", "no"], default="yes" if v else "no")
            readers[k] = "yes".__eq__
        elif isinstance(v, int) and -(2**63) <= v < 2**63:
            p.update(type="int", default=str(v))
            readers[k] = int
        elif isinstance(v, float) and math.isfinite(v):
            p.update(type="float", default=repr(v))
            readers[k] = float
        elif isinstance(v, (tuple, list)) and v and all(isinstance(x, str) and x.isidentifier() for x in v):
            p.update(type="choice", choices=list(v), default=v[0])
            readers[k] = str
        else:
            raise Unusable("%s: PARAMS[%r] is neither a number, a bool nor a list of words to choose from; write one of these" % (name, k))
        described.append(p)
    return described, readers


def plain(c):
    """Whether names may have that character, as internal/harness checks them."""
    return c.isascii() and c.isalnum() or c in "-_"


def workload_name(path):
    stem = os.path.splitext(os.path.basename(path))[0]
    name = "".join(c if plain(c) else "-" for c in stem).lstrip("-_") or "workload"
    return name + "-py" if name in WORKLOADS else name


def describe(path):
    """The workload of the file in the protocol's terms, unavailable with the reason where it cannot run."""
    w = {"name": workload_name(path), "kind": "cpu", "doc": "task(i, params) of " + os.path.basename(path)}
    try:
        module = load(path)
        check(module)
        kind = getattr(module, "KIND", "cpu")
        if kind not in KINDS:
            raise Unusable("%s: KIND is %r; write one of %s" % (os.path.basename(path), kind, ", ".join(KINDS)))
        w["kind"] = kind
        w["params"] = parameters(module)[0]
        doc = (module.task.__doc__ or module.__doc__ or "").strip()
        if doc:
            w["doc"] = doc.splitlines()[0][:200]
    except Unusable as e:
        w["unavailable"] = str(e)
    return w


class Own(InThreads):
    def __init__(self, job):
        module = load(job.file)
        readers = parameters(module)[1]
        self.task, self.seed = module.task, job.seed
        self.params = {k: readers[k](text) for k, text in job.params.items()}
        self.params["seed"] = job.seed

    def __call__(self, i):
        return digest(key(self.seed, i), self.task(i, self.params))


# What a value begins with in the digest, so that 1, True, 1.0 and "1" differ.
NONE, BOOL, INT, FLOAT, STR, BYTES, LIST, DICT, SET = range(9)


def digest(h, value):
    """Folds a task's result into h, as docs/python.md defines it."""
    if value is None:
        return fold(h, NONE)
    if isinstance(value, bool):
        return fold(h, BOOL, value)
    if isinstance(value, float):
        return fold(h, FLOAT, 0x7FF8000000000000 if value != value else bits(value))
    if isinstance(value, str):
        return fold_bytes(fold(h, STR), value.encode("utf-8", "surrogatepass"))
    if isinstance(value, (bytes, bytearray, memoryview)):
        return fold_bytes(fold(h, BYTES), bytes(value))
    if isinstance(value, (list, tuple)):
        h = fold(h, LIST, len(value))
        for v in value:
            h = digest(h, v)
        return h
    if isinstance(value, dict):
        h = fold(h, DICT, len(value))
        for k, v in value.items():
            h = digest(digest(h, k), v)
        return h
    if isinstance(value, (set, frozenset)):
        return fold(h, SET, len(value), sum(digest(0, v) for v in value) & MASK)
    try:
        n = value.__index__()  # numpy's integers have it, too
    except (AttributeError, TypeError):
        raise TypeError(
            "task returned a %s, which has no digest: return None, numbers, text, bytes, or lists, tuples, sets and "
            "dictionaries of these (of an array, for instance, its tobytes())" % type(value).__name__
        ) from None
    return fold_bytes(fold(h, INT), n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True))

"""What this Python offers: offer.json, with what it lacks."""

import json
import os
import sys


def offer():
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "offer.json"), encoding="utf-8") as f:
        return json.load(f)


def defaults(strategy):
    """The strategy's parameters where they were not given."""
    for s in offer()["strategies"]:
        if s["name"] == strategy:
            # That of "start" is the interpreter's own.
            return {p["name"]: p["default"] for p in s.get("params", []) if p["name"] != "start"}
    return {}


def locked():
    """Whether one thread at a time runs Python code."""
    return getattr(sys, "_is_gil_enabled", lambda: True)()


def runtime():
    """Version, build and the state of the global interpreter lock in one line."""
    name = {"cpython": "CPython"}.get(sys.implementation.name, sys.implementation.name)
    facts = [name + " " + sys.version.split()[0]]
    if "t" in getattr(sys, "abiflags", ""):
        facts.append("free-threaded build")
    facts.append("GIL on" if locked() else "GIL off")
    for opening, closing in ("()", "[]"):  # such as (main, May  9 2026, 07:35:25) and [GCC 12.2.0]
        text = sys.version.partition(opening)[2].partition(closing)[0]
        if text:
            facts.append(" ".join(text.split()))
    return ", ".join(facts + [sys.platform])


def lacks(e):
    return "%s (%s: %s); use another build of Python with --python" % (
        "this Python cannot start worker processes", type(e).__name__, e)


def describe(file):
    d = offer()
    d.update(protocol=1, program="parbench's Python program", runtime="")
    if file:
        from .own import describe as describe_own

        d["workloads"].append(describe_own(file))
    d["runtime"] = runtime()  # after the user's file, which may have brought the lock back
    strategies = {s["name"]: s for s in d["strategies"]}
    for name in ("py-threads", "py-dummy-pool"):
        strategies[name]["serial"] = locked()
    choices = {p["name"]: p for p in strategies["py-executor"]["params"]}
    try:
        import multiprocessing

        multiprocessing.get_context().Lock()
    except Exception as e:
        strategies["py-pool"]["unavailable"] = lacks(e)
        choices["kind"]["unavailable"] = {"process": lacks(e)}
    else:
        methods = multiprocessing.get_all_start_methods()
        for s in ("py-pool", "py-executor"):
            for p in strategies[s]["params"]:
                if p["name"] == "start":
                    p["default"] = methods[0]
                    p["unavailable"] = {m: "this Python has no start method %s; it has %s" % (m, ", ".join(methods))
                                        for m in p["choices"] if m not in methods}
    for name, module in (("py-dummy-pool", "multiprocessing.dummy"), ("py-asyncio", "asyncio")):
        try:
            __import__(module)
        except Exception as e:
            strategies[name]["unavailable"] = "this Python cannot import %s (%s); use another build with --python" % (module, e)
    from . import pools, waiting  # noqa: F401, so that their bytecode is there before the first trial

    return d

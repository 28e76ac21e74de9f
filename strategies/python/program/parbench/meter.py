"""What a trial costs: CPU time, context switches, page faults, memory and collections. What cannot be read stays 0."""

import gc
import os
import time

FIELDS = ("cpu_ns", "ctx_voluntary", "ctx_forced", "faults_minor", "faults_major", "gc_cycles")


def read(pids):
    """Sums up what only ever grows, over this process, its workers and the children that ended."""
    cpu = time.process_time_ns()
    sums = [0] * 4
    try:
        from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
    except ImportError:
        pass
    else:
        for who in (RUSAGE_SELF, RUSAGE_CHILDREN):
            r = getrusage(who)
            for k, x in enumerate((r.ru_nvcsw, r.ru_nivcsw, r.ru_minflt, r.ru_majflt)):
                sums[k] += x
        cpu += round((r.ru_utime + r.ru_stime) * 1e9)
    for pid in pids:
        try:
            # The CPU clock of another process, as clock_getcpuclockid(3) makes its number.
            cpu += time.clock_gettime_ns(~pid << 3 | 2)
            with open("/proc/%d/stat" % pid, "rb") as f:
                fields = f.read().rpartition(b")")[2].split()
            sums[2] += int(fields[7])
            sums[3] += int(fields[9])
            for thread in os.listdir("/proc/%d/task" % pid):
                status = fields_of("/proc/%d/task/%s/status" % (pid, thread))
                sums[0] += status.get(b"voluntary_ctxt_switches", 0)
                sums[1] += status.get(b"nonvoluntary_ctxt_switches", 0)
        except OSError:
            pass  # it has ended, or there is no /proc
    return dict(zip(FIELDS, [cpu] + sums + [sum(g["collections"] for g in gc.get_stats())]))


def fields_of(path):
    """The numbers of a file of lines like "name: 12 kB"."""
    out = {}
    with open(path, "rb") as f:
        for line in f:
            name, _, rest = line.partition(b":")
            number = rest.split()[:1]
            if number and number[0].isdigit():
                out[name] = int(number[0])
    return out


def memory(pids):
    """The sum of the processes' own high-water marks, and of their proportional shares now, in bytes."""
    peak = pss = 0
    for pid in pids:
        try:
            peak += fields_of("/proc/%d/status" % pid).get(b"VmHWM", 0) << 10
            pss += fields_of("/proc/%d/smaps_rollup" % pid).get(b"Pss", 0) << 10
        except OSError:
            pass
    return {"peak_bytes": peak, "pss_bytes": pss, "processes": len(pids)}

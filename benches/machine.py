"""What was measured on, and how quiet it was meanwhile."""

import os
import platform
import re
import subprocess
import sys
import time

HZ = os.sysconf("SC_CLK_TCK")
DISTURBED = 0.10  # share of all CPUs that others may take before a round is repeated


def _first_line(command):
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return "unknown"


def _cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            found = re.search(r"^(?:model name|Hardware|cpu model)\s*:\s*(.+)$", f.read(), re.M)
    except OSError:
        found = None
    return found.group(1) if found else platform.machine()


def describe(root):
    """Everything a reader needs to judge the figures, as name: value."""
    hypervisor = "unknown"
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as f:
            hypervisor = "yes" if re.search(r"^flags.*\bhypervisor\b", f.read(), re.M) else "no"
    except OSError:
        pass
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cpu": _cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "virtual machine": hypervisor,
        "kernel": platform.release(),
        "rustc": _first_line(["rustc", "--version"]),
        "gcc": _first_line(["gcc", "--version"]),
        "p2pnet": _first_line(["git", "-C", root, "describe", "--always", "--dirty", "--tags"]),
    }


def seconds_of(pid):
    """CPU seconds that a process has used so far."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / HZ


class Spinners:
    """One process of the idle class per CPU: it keeps the CPU from going to sleep, and gives way to everything."""

    LOOP = "import os\nos.sched_setaffinity(0,{%d})\nos.nice(19)\n" \
           "os.sched_setscheduler(0,os.SCHED_IDLE,os.sched_param(0))\nppid=os.getppid()\n" \
           "while os.getppid()==ppid:\n for _ in range(1000000): pass\n"

    def __init__(self, cpus):
        self.processes = [subprocess.Popen([sys.executable, "-c", self.LOOP % cpu]) for cpu in cpus]

    def seconds(self):
        """CPU seconds they have used so far."""
        return sum(seconds_of(p.pid) for p in self.processes)

    def stop(self):
        for p in self.processes:
            p.terminate()
            p.wait()


class Load:
    """The share of the CPUs that others took, from its making to `others()`. Ours is what has ended, and what is `running`."""

    def __init__(self, spinners, running=()):
        self.spinners = spinners
        self.running = list(running)
        self.start = self._now()

    def _now(self):
        with open("/proc/stat", encoding="utf-8") as f:
            # user nice system idle iowait irq softirq steal; guest times are part of user and nice
            ticks = [int(n) for n in f.readline().split()[1:9]]
        t = os.times()
        ours = t.user + t.system + t.children_user + t.children_system + sum(map(seconds_of, self.running))
        return sum(ticks) / HZ, (ticks[3] + ticks[4]) / HZ, ticks[7] / HZ, ours, self.spinners.seconds()

    def others(self):
        """(other processes' share, the hypervisor's share), 0 to 1."""
        total, idle, steal, ours, spun = (b - a for a, b in zip(self.start, self._now()))
        if total <= 0:
            return 0.0, 0.0
        return max(0.0, (total - idle - steal - ours - spun) / total), steal / total

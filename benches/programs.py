"""Starting the programs that are measured, and reading what they say."""

import os
import subprocess

WATCHDOG = 100  # seconds; a program that takes longer hangs


class Failed(Exception):
    pass


def start(path, cpu, nice, **args):
    """A program, or a command of several words, with these arguments."""
    def prepare():
        if cpu is not None:
            os.sched_setaffinity(0, {cpu})
        if nice:
            os.nice(nice)

    command = [*([path] if isinstance(path, str) else path), *(f"{k}={v}" for k, v in args.items())]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=prepare)


def finish(process, what):
    """Waits for its end: {name: value} of what it has said."""
    try:
        out, err = process.communicate(timeout=WATCHDOG)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise Failed(f"{what} hung") from None
    if process.returncode != 0:
        raise Failed(f"{what} ended with {process.returncode}: {err.strip()}")
    return {name: float(value) for name, value in (line.split() for line in out.splitlines())}

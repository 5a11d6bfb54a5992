"""Start a program that ends with its parent, however the parent ends.

Run by path, with nothing but the standard library, before the program itself:
`python -I -S tether.py PARENT SIGNAL UID GID -- PROGRAM ARG…` (-1: keep the user).
The process becomes the program; on Linux the kernel sends SIGNAL when the parent dies.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> int:  # returns only where it could not become the program
    parent, death_signal, uid, gid = (int(argument) for argument in arguments[:4])
    command = arguments[5:]
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if not sys.platform.startswith("linux"):
        return guard(parent, death_signal, command)
    # after the change of user, which would undo it
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal)
    if os.getppid() == parent:
        os.execv(command[0], command)
    return 1


def guard(parent: int, death_signal: int, command: list[str]) -> int:
    """Where no kernel does it: stay beside the program and pass signals on."""
    child = subprocess.Popen(command)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda received, _: child.send_signal(received))
    while child.poll() is None:
        if os.getppid() != parent:
            child.send_signal(death_signal)
        time.sleep(0.2)
    return child.returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

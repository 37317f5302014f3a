"""A small internet with two homes behind NATs, of network namespaces.

    a (192.168.1.10) -- ra =NAT= 11.0.1.2 --+-- 11.0.0.1 s (servers)
    b (192.168.2.10) -- rb =NAT= 11.0.2.2 --+

The NATs keep the source port and drop what nobody asked for. The addresses look public, as the original takes the ones
that are set aside for tests for private. It is made inside of namespaces of this process's own (`enter`), which go with
it, however it ends, and everything that was made in them. Needs root, `unshare`, `ip` and `nft`.
"""
import os
import shutil
import subprocess
import sys

SERVER = "11.0.0.1"
HOMES = {"a": 1, "b": 2}
INSIDE = "P2PNET_NATNET"


def why_not():
    """Why it cannot be made here, or None."""
    for program in ("unshare", "ip", "nft"):
        if not shutil.which(program):
            return f"{program} is not installed"
    if os.geteuid() != 0:
        return "network namespaces need root"
    tried = subprocess.run(["unshare", "--net", "--mount", "--pid", "--fork", "nft", "list", "ruleset"],
                           stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return f"no namespaces here: {tried.stderr.decode().strip()}" if tried.returncode else None


def enter():
    """Starts this program again in namespaces of its own; comes back only in there."""
    if os.environ.get(INSIDE) == "1":
        return
    os.environ[INSIDE] = "1"
    sys.stdout.flush()
    os.execvp("unshare", ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", sys.executable,
                          "-B", *sys.argv])


def wan(home):
    return f"11.0.{HOMES[home]}.2"


def lan(home):
    return f"192.168.{HOMES[home]}.10"


def inside(host):
    """What to put before a command to run it in a host."""
    return ["ip", "netns", "exec", host]


def _run(*command, given=None):
    subprocess.run(command, input=given, check=True, capture_output=True, text=True)


def _cable(one, other):
    (host, name, address), (other_host, other_name, other_address) = one, other
    _run("ip", "link", "add", name, "netns", host, "type", "veth", "peer", "name", other_name, "netns", other_host)
    for at, link, ip in ((host, name, address), (other_host, other_name, other_address)):
        if ip:
            _run("ip", "-n", at, "addr", "add", ip, "dev", link)
        _run("ip", "-n", at, "link", "set", link, "up")


def build():
    """Brings it up. Inside of `enter` only."""
    assert os.environ.get(INSIDE) == "1"
    _run("mount", "-t", "tmpfs", "none", "/run")
    for host in ("net", "s", "a", "ra", "b", "rb"):
        _run("ip", "netns", "add", host)
        _run("ip", "-n", host, "link", "set", "lo", "up")
    _run("ip", "-n", "net", "link", "add", "bridge", "type", "bridge")
    _run("ip", "-n", "net", "link", "set", "bridge", "up")
    _cable(("s", "wan", f"{SERVER}/16"), ("net", "to-s", None))
    for home, number in HOMES.items():
        router = "r" + home
        _cable((home, "lan", f"{lan(home)}/24"), (router, "lan", f"192.168.{number}.1/24"))
        _cable((router, "wan", f"{wan(home)}/16"), ("net", f"to-{home}", None))
        _run("ip", "-n", home, "route", "add", "default", "via", f"192.168.{number}.1")
        _run(*inside(router), "sysctl", "-qw", "net.ipv4.ip_forward=1")
        _run(*inside(router), "nft", "-f", "-", given=f"""
            table ip home {{
                chain out {{
                    type nat hook postrouting priority 100;
                    oifname wan snat to {wan(home)}
                }}
                chain through {{
                    type filter hook forward priority 0; policy drop;
                    iifname lan accept
                    ct state established,related accept
                }}
                chain own {{
                    type filter hook input priority 0; policy accept;
                    iifname wan ct state new drop
                }}
            }}""")
    for port in ("s", "a", "b"):
        _run("ip", "-n", "net", "link", "set", f"to-{port}", "master", "bridge")

"""Start one container: a process in mount and process-id namespaces of its own, process 1 there, with its volumes.

Run as a program, by any Python of this machine, with the path of a JSON file that has `argv`, `env`, `mounts` (each
with `path`, `source`, `read_only`), `working_dir`, `read_only_root`, `root`, `pid_file`, `error_file` and `keep`; or
with `--` and a command, which is started as in a container that runs already. Either has a session and the dispositions
of signals that a container runtime gives, whatever the tests were started with (a shell's `&` ignores SIGINT). The
container sees this machine's files, its volumes at their paths whether those exist here or not, and only its own
processes. `keep` are folders that stay visible under a mount, `root` is an empty folder.
Needs root, or user namespaces.
"""

import ctypes
import json
import os
import signal
import stat
import sys

NEWNS, NEWPID, NEWUSER = 0x00020000, 0x20000000, 0x10000000
RDONLY, REMOUNT, BIND, REC, PRIVATE = 1, 32, 4096, 16384, 1 << 18
DETACH = 2
#: Option of prctl: no container outlives the server.
DEATH_SIGNAL = 1
OLD, ASIDE = "/.machine", "/.aside"

libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if libc.unshare(ctypes.c_int(flags)) != 0:
        raise OSError(ctypes.get_errno(), "unshare: " + os.strerror(ctypes.get_errno()))


def mount(source, target, kind=None, flags=0):
    texts = [None if text is None else os.fsencode(text) for text in (source, target, kind)]
    if libc.mount(texts[0], texts[1], texts[2], ctypes.c_ulong(flags), None) != 0:
        raise OSError(ctypes.get_errno(), f"mount {target}: {os.strerror(ctypes.get_errno())}")


def unmount(path):
    if libc.umount2(os.fsencode(path), ctypes.c_int(DETACH)) != 0:
        raise OSError(ctypes.get_errno(), f"umount {path}: {os.strerror(ctypes.get_errno())}")


def separate():
    """Leave the machine's namespaces; without root by way of a user namespace, in which we are root."""
    try:
        unshare(NEWNS | NEWPID)
    except OSError:
        uid, gid = os.getuid(), os.getgid()
        unshare(NEWUSER | NEWNS | NEWPID)
        for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1"), ("gid_map", f"0 {gid} 1")):
            with open("/proc/self/" + name, "w") as file:
                file.write(text)


def new_root(root):
    """A root of our own in which everything of the machine lies at its place, and which can be added to."""
    mount(None, "/", None, REC | PRIVATE)
    mount("tmpfs", root, "tmpfs")
    os.mkdir(root + OLD)
    mount("/", root + OLD, None, BIND | REC)
    os.chroot(root)
    os.chdir("/")
    spread(OLD, "/")


def spread(source, target):
    """Show every entry of a folder in another, empty one."""
    for name in sorted(os.listdir(source)):
        old, new = os.path.join(source, name), os.path.join(target, name)
        if new == OLD:
            continue
        mode = os.lstat(old).st_mode
        if stat.S_ISLNK(mode):
            os.symlink(os.readlink(old), new)
        elif stat.S_ISDIR(mode):
            os.mkdir(new)
            mount(old, new, None, BIND | REC)
        else:
            open(new, "w").close()
            mount(old, new, None, BIND)


def make_place(path, is_file, volumes):
    """Let a path exist; a folder of the machine that must get a new entry is laid out anew, in memory."""
    path = os.path.realpath(path)
    if os.path.lexists(path):
        return path
    above = os.path.dirname(path)
    while not os.path.isdir(above):
        above = os.path.dirname(above)
    in_volume = any((above + "/").startswith(volume + "/") for volume in volumes)
    if not in_volume and os.stat(above).st_dev not in volumes.values():
        os.makedirs(ASIDE, exist_ok=True)
        mount(above, ASIDE, None, BIND | REC)
        mount("tmpfs", above, "tmpfs")
        spread(ASIDE, above)
        unmount(ASIDE)
        volumes[above + "//memory"] = os.stat(above).st_dev
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if is_file:
        open(path, "w").close()
    else:
        os.mkdir(path)
    return path


def prepare(spec):
    #: Paths that are mounted, and under them the devices of our own folders in memory.
    volumes = {"//root": os.stat("/").st_dev}
    for wanted in sorted(spec["mounts"], key=lambda each: each["path"].count("/")):
        source = OLD + wanted["source"]
        path = make_place(wanted["path"], not os.path.isdir(source), volumes)
        mount(source, path, None, BIND | REC)
        if wanted["read_only"]:
            mount(None, path, None, REMOUNT | BIND | RDONLY)
        volumes[path] = None
        for folder in spec["keep"]:
            if folder.startswith(path + "/") and not os.path.isdir(folder):
                os.makedirs(folder)
                mount(OLD + folder, folder, None, BIND | REC)
    make_place(spec["working_dir"], False, volumes)
    mount("proc", "/proc", "proc")
    if spec["read_only_root"]:
        for name in sorted(os.listdir("/")):
            path = "/" + name
            if name in ("proc", "dev", "sys", OLD[1:]) or path in volumes or not os.path.ismount(path):
                continue
            mount(None, path, None, REMOUNT | BIND | RDONLY)
        mount(None, "/", None, REMOUNT | BIND | RDONLY)
    unmount(OLD)


def as_a_runtime_does():
    """A session of its own, every signal as the system handles it, none held back."""
    if os.getpid() != os.getsid(0):
        os.setsid()
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        try:
            signal.signal(number, signal.SIG_DFL)
        except OSError:
            continue
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def start(spec):
    """Become the container's process."""
    try:
        as_a_runtime_does()
        libc.prctl(DEATH_SIGNAL, signal.SIGKILL)
        new_root(spec["root"])
        prepare(spec)
        os.chdir(spec["working_dir"])
        os.execvpe(spec["argv"][0], spec["argv"], spec["env"])
    except Exception as problem:  # noqa: BLE001 (told to whoever started the container)
        return f"{type(problem).__name__}: {problem}"


def main():
    if sys.argv[1] == "--":
        as_a_runtime_does()
        os.execvp(sys.argv[2], sys.argv[2:])
    with open(sys.argv[1]) as file:
        spec = json.load(file)
    libc.prctl(DEATH_SIGNAL, signal.SIGKILL)
    separate()
    reader, writer = os.pipe()
    os.set_inheritable(writer, False)
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.write(writer, start(spec).encode())
        os._exit(128)
    os.close(writer)
    with open(spec["pid_file"] + ".new", "w") as file:
        file.write(str(child))
    os.rename(spec["pid_file"] + ".new", spec["pid_file"])
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _: os.kill(child, got))
    devnull = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(devnull, number)
    with os.fdopen(reader) as problem:
        text = problem.read()
    if text:
        with open(spec["error_file"], "w") as file:
            file.write(text)
    _, status = os.waitpid(child, 0)
    os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status))


if __name__ == "__main__":
    main()

"""What the web process may not ask of the kernel, as it has no use for it: doors that holes of kernels were behind."""

from __future__ import annotations

import errno

import structlog

# Loaded while this process can still read code.
try:
    import pyseccomp
except (OSError, RuntimeError) as missing:
    pyseccomp, _why_not = None, str(missing)

log = structlog.get_logger()

_FORBIDDEN = (
    # Namespaces of its own, in which it would be root.
    "unshare",
    "setns",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_by_handle_at",
    # A look into other processes of its user, or at the kernel.
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "pidfd_getfd",
    "kcmp",
    "perf_event_open",
    "bpf",
    "userfaultfd",
    "io_uring_setup",
    "add_key",
    "request_key",
    "keyctl",
)
_CLONE_NEWUSER = 0x10000000


def confine() -> None:
    """Have the kernel refuse these calls with EPERM from now on, to this process and its forks (seccomp(2)).

    Without libseccomp, which all but the smallest hosts have, it goes on without, and the log says so.
    """
    if pyseccomp is None:
        log.warning("the web process is not confined", error=_why_not)
        return
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        # Not in exchange for slower memory (spec_store_bypass).
        rules.set_attr(pyseccomp.Attr.CTL_SSB, 1)
        for name in _FORBIDDEN:
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
        rules.add_rule(
            pyseccomp.ERRNO(errno.EPERM),
            "clone",
            pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_NEWUSER, _CLONE_NEWUSER),
        )
        # Its flags lie in memory, where a filter can't look; the C library goes on with clone (clone(2)).
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
        rules.load()
    except (OSError, RuntimeError) as error:
        log.warning("the web process is not confined", error=str(error))

"""Seccomp filter against system calls that the web process does not need, among them sources of kernel exploits."""

from __future__ import annotations

import errno

import structlog

# Imported while this process can still read code.
try:
    import pyseccomp
except (OSError, RuntimeError) as missing:
    pyseccomp, _why_not = None, str(missing)

log = structlog.get_logger()

_FORBIDDEN = (
    # New namespaces, in which it would be root.
    "unshare",
    "setns",
    "mount",
    "umount2",
    "pivot_root",
    "chroot",
    "open_by_handle_at",
    # Access to other processes of its user, or to the kernel.
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

    Without libseccomp, which only very small hosts lack, a warning is logged instead.
    """
    if pyseccomp is None:
        log.warning("the web process is not confined", error=_why_not)
        return
    try:
        rules = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
        # The filter must not slow memory down (spec_store_bypass).
        rules.set_attr(pyseccomp.Attr.CTL_SSB, 1)
        for name in _FORBIDDEN:
            rules.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
        rules.add_rule(
            pyseccomp.ERRNO(errno.EPERM),
            "clone",
            pyseccomp.Arg(0, pyseccomp.MASKED_EQ, _CLONE_NEWUSER, _CLONE_NEWUSER),
        )
        # The flags of clone3 lie in memory, which a filter can't read; the C library falls back to clone (clone(2)).
        rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")
        rules.load()
    except (OSError, RuntimeError) as error:
        log.warning("the web process is not confined", error=str(error))

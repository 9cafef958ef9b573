from __future__ import annotations

import errno
import os
import resource
import select
import socket
import threading
import time
from contextlib import ExitStack

import pytest

from netlab import NothingArrived, TcpAnswer, TcpListener, TcpStream, UdpEcho, UdpStream, tcp_probe, udp_probe
from netlab.stream import CATCH_UP
from netlab.topologies import Gated, Pair
from tests.waiting import DEADLINE, wait_until

SO_RCVBUFFORCE = 33


def test_a_stream_loses_nothing_by_itself(pair: Pair) -> None:
    with ExitStack() as stack:
        streams = [
            stack.enter_context(UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0, interval_s=0.001)) for _ in range(3)
        ]
        begin = UdpStream.mark()
        wait_until(lambda: all(len(stream.sent()) >= 500 for stream in streams))
        end = UdpStream.mark()
    for stream in streams:
        # A packet each millisecond and no more, but for what is made up for after a pause.
        assert len(stream.sent_in(begin, end)) <= (end - begin) / 1e6 + CATCH_UP
        assert stream.lost_in(0, UdpStream.mark()) == []
        assert stream.receiver_drops == 0


def may_exceed_rmem_max() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        except PermissionError:
            return False
    return True


def test_the_receiver_s_buffer_holds_seconds_of_a_stream(pair: Pair) -> None:
    if not may_exceed_rmem_max():
        pytest.skip("only root of the machine may exceed net.core.rmem_max")
    stream = UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0)
    with pair.mumbai.socket(socket.AF_INET, socket.SOCK_DGRAM) as another:
        # Nobody receives yet.
        for _ in range(15_000):
            another.sendto(bytes(64), ("192.0.2.12", stream.port))
    with stream:
        stream.wait_delivery(stream.mark(), DEADLINE)
    assert stream.receiver_drops == 0


def test_packets_are_found_by_the_time_of_their_sending(pair: Pair) -> None:
    with UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0) as stream:
        wait_until(lambda: len(stream.received()) >= 30)
    sent, received = stream.sent(), stream.received()
    for first, last in ((sent[0], sent[-1]), (sent[10], sent[20]), (sent[20], sent[10])):
        for start, end in ((first.sent_ns, last.done_ns), (first.sent_ns + 1, last.done_ns - 1)):
            within = [each for each in sent if start <= each.sent_ns and each.done_ns <= end]
            assert stream.sent_in(start, end) == [each.seq for each in within]
            assert stream.received_since(start) == [each for each in received if each.sent_ns >= start]
            arrived = [each.seq for each in received if start <= each.sent_ns <= end]
            assert stream.delivered_sent_in(start, end) == arrived


def test_exactly_the_denied_packets_are_lost(gated: Gated) -> None:
    with UdpStream(gated.left, gated.right, "203.0.113.2", 9000) as stream:
        start = stream.mark()
        stream.wait_delivery(start, DEADLINE)
        before_deny = stream.mark()
        gated.deny()
        denied = stream.mark()
        wait_until(lambda: len(stream.sent_in(denied, stream.mark())) > 100)
        with pytest.raises(NothingArrived):
            stream.wait_delivery(denied, 0.1)
        before_allow = stream.mark()
        gated.allow()
        allowed = stream.mark()
        stream.wait_delivery(allowed, DEADLINE)
        end = stream.mark()
    assert stream.delivered_sent_in(denied, before_allow) == []
    assert stream.lost_in(denied, before_allow) == stream.sent_in(denied, before_allow)
    assert stream.lost_in(start, before_deny) == []
    assert stream.lost_in(allowed, end) == []
    dropped = gated.router.run("nft", "list", "ruleset").stdout
    assert "drop" not in dropped


def test_the_count_of_lost_packets_is_the_kernels(gated: Gated) -> None:
    with UdpStream(gated.left, gated.right, "203.0.113.2", 9000) as stream:
        stream.wait_delivery(stream.mark(), DEADLINE)
        # The counter outlives the rule that counts.
        rule = "add counter inet gate dropped\nadd rule inet gate forward udp dport 9000 counter name dropped drop\n"
        gated.router.run("nft", "-f", "-", input=rule)
        with pytest.raises(NothingArrived):
            stream.wait_delivery(stream.mark(), 0.2)
        gated.allow()
        stream.wait_delivery(stream.mark(), DEADLINE)
    counter = gated.router.run("nft", "list", "counter", "inet", "gate", "dropped")
    lost = stream.lost_in(0, stream.mark())
    assert lost == list(range(lost[0], lost[-1] + 1))
    assert len(lost) == int(counter.stdout.split("packets ")[1].split()[0]) > 0


def test_a_refused_send_is_recorded_and_not_fatal(pair: Pair) -> None:
    with UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 9000) as stream:
        stream.wait_delivery(stream.mark(), DEADLINE)
        pair.mumbai.run("nft", "-f", "-", input="table ip t { chain c { type filter hook output priority 0; drop; }; }")
        refused = stream.mark()
        wait_until(lambda: len([each for each in stream.sent() if each.errno and each.sent_ns >= refused]) > 10)
        until = stream.mark()
        pair.mumbai.run("nft", "flush", "ruleset")
        stream.wait_delivery(stream.mark(), DEADLINE)
    assert {sent.errno for sent in stream.sent() if refused <= sent.sent_ns <= until} == {errno.EPERM}
    assert stream.sent_in(refused, until) == []
    assert stream.lost_in(0, stream.mark()) == []


def test_a_delayed_sender_does_not_burst(pair: Pair) -> None:
    """Stops the sender for a while: it makes up for a few packets only."""
    interval_ns = 10_000_000
    with UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0, interval_s=interval_ns / 1e9) as stream:
        wait_until(lambda: len(stream.sent()) >= 30)
    times = [each.sent_ns for each in stream.sent()]
    # In no span of time it sends more than what its pace gives and what it may make up for.
    for first, began in enumerate(times):
        for last in range(first, len(times)):
            assert last - first <= (times[last] - began) / interval_ns + CATCH_UP + 1


def test_a_udp_probe_detects_both_outcomes(gated: Gated) -> None:
    with UdpEcho(gated.right, 7) as echo:
        began = time.monotonic()
        seconds = udp_probe(gated.left, "203.0.113.2", 7, timeout_s=DEADLINE)
        assert seconds is not None
        assert 0 < seconds < time.monotonic() - began
        gated.deny()
        assert udp_probe(gated.left, "203.0.113.2", 7, timeout_s=0.1) is None
        assert echo.heard == 1


def test_a_tcp_probe_distinguishes_four_outcomes(gated: Gated) -> None:
    with TcpListener(gated.right, 80) as listener:
        assert tcp_probe(gated.left, "203.0.113.2", 80, timeout_s=DEADLINE)
        assert tcp_probe(gated.left, "203.0.113.2", 81, timeout_s=DEADLINE).answer is TcpAnswer.REFUSED
        gated.deny()
        assert tcp_probe(gated.left, "203.0.113.2", 80, timeout_s=0.1).answer is TcpAnswer.SILENT
        unreachable = tcp_probe(gated.router, "192.0.2.1", 80)
        assert (unreachable.answer, unreachable.errno) == (TcpAnswer.UNREACHABLE, errno.ENETUNREACH)
        assert listener.accepted == 1


def test_a_tcp_connection_stalls_and_goes_on(gated: Gated) -> None:
    with TcpListener(gated.right, 80) as listener, TcpStream(gated.left, "203.0.113.2", 80) as stream:
        stream.wait_echo(stream.mark(), DEADLINE)
        gated.deny()
        denied = stream.mark()
        with pytest.raises(NothingArrived):
            stream.wait_echo(denied, 0.2)
        before_allow = stream.mark()
        assert stream.echoed_in(denied, before_allow) == []
        assert 0 < listener.lines_by(before_allow) <= stream.sent_by(denied) < stream.sent_by(before_allow)
        gated.allow()
        stream.wait_echo(stream.mark(), DEADLINE)
        assert listener.lines_by(0) == stream.sent_by(0) == 0
        assert listener.lines_by(stream.mark()) > stream.sent_by(denied)
        assert [echo.seq for echo in stream.echoes()] == list(range(len(stream.echoes())))
        assert stream.error is None


def test_packets_left_in_the_kernel_at_the_end_count_as_arrived(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Delays the receiving thread until the stream has ended."""
    ended, poll = threading.Event(), select.poll

    def late() -> select.poll:
        if threading.current_thread().name == "netlab-udp-receive":
            ended.wait(DEADLINE)
        return poll()

    stream = UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0, drain_s=0.01)
    join = threading.Thread.join

    def noted_join(thread: threading.Thread, timeout: float | None = None) -> None:
        if thread.name == "netlab-udp-receive":
            ended.set()
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "join", noted_join)
    monkeypatch.setattr(select, "poll", late)
    with stream:
        wait_until(lambda: len(stream.sent()) > 20)
    assert len(stream.received()) == len(stream.sent()) > 20
    assert stream.lost_in(0, stream.mark()) == []


def test_probes_work_in_a_program_with_many_open_files(pair: Pair) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 2048:
        pytest.skip("this machine's limit of open files is too low")
    with ExitStack() as stack:
        resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
        stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        while (descriptor := os.dup(0)) <= 1023:
            stack.callback(os.close, descriptor)
        stack.callback(os.close, descriptor)
        assert pair.mumbai.ping("192.0.2.12")
        with UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0) as stream:
            stream.wait_delivery(stream.mark(), DEADLINE)
        assert stream.lost_in(0, stream.mark()) == []

from __future__ import annotations

import errno
import socket
import time
from contextlib import ExitStack

import pytest

from netlab import Answer, NothingArrived, TcpListener, TcpStream, UdpEcho, UdpStream, tcp_probe, udp_probe
from netlab.topologies import Gated, Pair

SO_RCVBUFFORCE = 33


def test_a_stream_loses_nothing_by_itself(pair: Pair) -> None:
    with ExitStack() as stack:
        streams = [
            stack.enter_context(UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0, interval_s=0.001)) for _ in range(3)
        ]
        begin = UdpStream.mark()
        time.sleep(1.0)
        end = UdpStream.mark()
    for stream in streams:
        assert 500 <= len(stream.sent_in(begin, end)) <= 1010
        assert stream.lost_in(0, UdpStream.mark()) == []
        assert stream.duplicates == stream.receiver_drops == 0


def may_exceed_rmem_max() -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        try:
            sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 1 << 20)
        except PermissionError:
            return False
    return True


def test_seconds_of_a_stream_wait_for_a_receiver_that_has_no_time(pair: Pair) -> None:
    if not may_exceed_rmem_max():
        pytest.skip("only root of the machine may exceed net.core.rmem_max")
    stream = UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0)
    with pair.mumbai.socket(socket.AF_INET, socket.SOCK_DGRAM) as another:
        # Nobody receives yet.
        for _ in range(15_000):
            another.sendto(bytes(64), ("192.0.2.12", stream.port))
    with stream:
        stream.wait_delivery(stream.mark(), 2.0)
    assert stream.receiver_drops == 0


def test_exactly_what_is_denied_is_lost(gated: Gated) -> None:
    with UdpStream(gated.left, gated.right, "203.0.113.2", 9000) as stream:
        start = stream.mark()
        stream.wait_delivery(start, 2.0)
        before_deny = stream.mark()
        gated.deny()
        denied = stream.mark()
        with pytest.raises(NothingArrived):
            stream.wait_delivery(denied, 0.3)
        before_allow = stream.mark()
        gated.allow()
        allowed = stream.mark()
        assert stream.wait_delivery(allowed, 2.0) < 1.0
        end = stream.mark()
    assert stream.delivered_sent_in(denied, before_allow) == []
    assert len(stream.sent_in(denied, before_allow)) > 100
    assert stream.lost_in(denied, before_allow) == stream.sent_in(denied, before_allow)
    assert stream.lost_in(start, before_deny) == []
    assert stream.lost_in(allowed, end) == []
    dropped = gated.router.run("nft", "list", "ruleset").stdout
    assert "drop" not in dropped


def test_the_count_of_lost_packets_is_the_kernels(gated: Gated) -> None:
    with UdpStream(gated.left, gated.right, "203.0.113.2", 9000) as stream:
        stream.wait_delivery(stream.mark(), 2.0)
        gated.router.run("nft", "add rule inet gate forward udp dport 9000 counter drop")
        with pytest.raises(NothingArrived):
            stream.wait_delivery(stream.mark(), 0.2)
        rules = gated.router.run("nft", "list", "chain", "inet", "gate", "forward")
        gated.allow()
        stream.wait_delivery(stream.mark(), 2.0)
    counted = int(rules.stdout.split("packets ")[1].split()[0])
    lost = stream.lost_in(0, stream.mark())
    assert lost == list(range(lost[0], lost[-1] + 1))
    # Between the listing and the allowing, a few more were dropped.
    assert counted <= len(lost) <= counted + 250


def test_a_refused_send_is_recorded_and_not_fatal(pair: Pair) -> None:
    with UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 9000) as stream:
        stream.wait_delivery(stream.mark(), 2.0)
        pair.mumbai.run("nft", "-f", "-", input="table ip t { chain c { type filter hook output priority 0; drop; }; }")
        refused = stream.mark()
        time.sleep(0.1)
        until = stream.mark()
        pair.mumbai.run("nft", "flush", "ruleset")
        stream.wait_delivery(stream.mark(), 2.0)
    assert {sent.errno for sent in stream.refused_in(refused, until)} == {errno.EPERM}
    assert stream.sent_in(refused, until) == []
    assert stream.lost_in(0, stream.mark()) == []


def test_a_sender_that_fell_behind_does_not_burst(pair: Pair) -> None:
    with UdpStream(pair.mumbai, pair.pune, "192.0.2.12", 0, interval_s=0.01) as stream:
        stream.wait_delivery(stream.mark(), 2.0)
        time.sleep(0.3)
    gaps = [b.sent_ns - a.sent_ns for a, b in zip(stream.sent(), stream.sent()[1:], strict=False)]
    assert 8e6 < sum(gaps) / len(gaps) < 30e6


def test_a_udp_probe_sees_both_outcomes(gated: Gated) -> None:
    with UdpEcho(gated.right, 7) as echo:
        seconds = udp_probe(gated.left, "203.0.113.2", 7)
        assert seconds is not None
        assert seconds < 0.5
        gated.deny()
        assert udp_probe(gated.left, "203.0.113.2", 7, timeout_s=0.1) is None
        assert echo.heard == 1


def test_a_tcp_probe_tells_four_outcomes_apart(gated: Gated) -> None:
    with TcpListener(gated.right, 80) as listener:
        assert tcp_probe(gated.left, "203.0.113.2", 80)
        assert tcp_probe(gated.left, "203.0.113.2", 81).answer is Answer.REFUSED
        gated.deny()
        assert tcp_probe(gated.left, "203.0.113.2", 80, timeout_s=0.1).answer is Answer.SILENT
        unreachable = tcp_probe(gated.router, "192.0.2.1", 80)
        assert (unreachable.answer, unreachable.errno) == (Answer.UNREACHABLE, errno.ENETUNREACH)
        assert listener.accepted == 1


def test_a_tcp_connection_stalls_and_goes_on(gated: Gated) -> None:
    with TcpListener(gated.right, 80), TcpStream(gated.left, "203.0.113.2", 80) as stream:
        stream.wait_echo(stream.mark(), 2.0)
        gated.deny()
        denied = stream.mark()
        with pytest.raises(NothingArrived):
            stream.wait_echo(denied, 0.2)
        before_allow = stream.mark()
        assert stream.echoed_in(denied, before_allow) == []
        assert stream.alive
        gated.allow()
        stream.wait_echo(stream.mark(), 5.0)
        assert [echo.seq for echo in stream.echoes()] == list(range(len(stream.echoes())))
        assert stream.error is None

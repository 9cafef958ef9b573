"""Loss of handshake messages on a link of the lab, none of them twice in a row.

Only handshakes: streams are judged packet by packet. A kernel without netem has nftables for it.
"""

from __future__ import annotations

from netlab import Lab, Link

_TABLE = "handshakes"
_ONE_OF = 4
# The length in the UDP header and the first word of the message, by https://www.wireguard.com/protocol/.
_INITIATION = "udp length 156 @th,64,32 0x01000000"
_RESPONSE = "udp length 100 @th,64,32 0x02000000"


def lose_handshakes(lab: Lab, link: Link, lost: str) -> str | None:
    """Loses the first handshake message of each fourth machine, in place of what was lost before.

    Args:
        lab: lab of the link.
        link: link of the hub.
        lost: ``initiations`` of machines, ``responses`` to them, or ``none``.

    Returns:
        The reason why nothing gets lost although it should; None otherwise.
    """
    lab.fabric.run(("nft", "-f", "-"), input=f"delete table bridge {_TABLE}\n", check=False)
    if lost == "none":
        return None
    # A switch sends to the hub by its port.
    to_hub = ("oifname", _INITIATION, "saddr")
    way, message, end = to_hub if lost == "initiations" else ("iifname", _RESPONSE, "daddr")
    dice = f"numgen inc mod {_ONE_OF} == 0 drop"
    rules = f"""
        table bridge {_TABLE} {{
            set met4 {{ type ipv4_addr; flags dynamic; size 65535; }}
            set met6 {{ type ipv6_addr; flags dynamic; size 65535; }}
            chain lose {{
                type filter hook forward priority 0;
                {way} "{link.port}" {message} ip {end} != @met4 add @met4 {{ ip {end} }} {dice}
                {way} "{link.port}" {message} ip6 {end} != @met6 add @met6 {{ ip6 {end} }} {dice}
            }}
        }}
    """
    done = lab.fabric.run(("nft", "-f", "-"), input=rules, check=False)
    return " ".join(done.stderr.split())[:200] if done.returncode else None

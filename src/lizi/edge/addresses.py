"""May a partner's name lead to this address? Decided at connect time, for every address of every connection.

A name that resolves into the house's own network, or to a cloud's metadata service, is how a
changed DNS entry turns a gateway against its owner. Pure; never resolves anything itself.
Ranges: RFC 6890 and its updates, through the standard library; metadata addresses by vendor.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network

__all__ = ["is_literal", "refusal"]

_METADATA = frozenset(
    ip_address(address)
    for address in (
        "169.254.169.254",  # most clouds; link-local, named for the reader
        "fd00:ec2::254",  # the same over IPv6
        "100.100.100.200",  # a cloud that serves it from the shared address space of RFC 6598
        "168.63.129.16",  # a platform address that looks public
    )
)
_SHARED = ip_network("100.64.0.0/10")  # RFC 6598: neither private nor global to the standard library
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052: an IPv4 address in the last 32 bits


def is_literal(host: str) -> bool:
    """Whether a host is an IP address written out (IPv6 without brackets)."""
    try:
        ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def refusal(address: str, host: str, *, private: bool = False) -> str | None:
    """Why a connection to `address` for the configured `host` is refused, or None.

    Link-local, metadata, multicast, unspecified and reserved addresses: always. Private and loopback
    ones: unless the maker wrote an IP address or `localhost` into the configuration, or allowed them for
    this host by name (`private`).
    """
    try:
        ip = _plain(ip_address(address.partition("%")[0]))
    except ValueError:
        return "not an address"
    if ip in _METADATA:
        return "a metadata address"
    if ip.is_link_local:
        return "a link-local address"
    if ip.is_multicast:
        return "a multicast address"
    if ip.is_unspecified:
        return "the unspecified address"
    if ip.is_loopback or ip.is_private or (ip.version == 4 and ip in _SHARED):
        own = private or host.lower() == "localhost" or is_literal(host)
        return None if own and not _reserved(ip) else "an address of a private network"
    return "a reserved address" if _reserved(ip) else None


def _reserved(ip: IPv4Address | IPv6Address) -> bool:
    # 240.0.0.0/4 with the broadcast address; the library counts ::1 as reserved too, which loopback has dealt with
    return ip.is_reserved and not ip.is_loopback


def _plain(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, else itself."""
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip.sixtofour is not None:
            return ip.sixtofour
        if ip in _NAT64:
            return IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip

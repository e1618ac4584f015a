"""The address at which a class reaches the app on this machine."""

import ipaddress
import os
import socket
import sys
from urllib.parse import urlsplit, urlunsplit

# In the environment: where others reach the app, if it knows better than this module can, as in a
# container or behind a proxy. Such as "https://digits.example.org".
PUBLIC_URL = "PUBLIC_URL"
FIREWALL = (
    "If others cannot open it: let the port through this machine's firewall, and mind that many a "
    "school's Wi-Fi keeps its clients from reaching each other; a hotspot of your own does not."
)
# Addresses kept for documentation: nobody has them, and nothing is sent to them.
ELSEWHERE = (socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")


def for_class(url: str) -> str | None:
    """The address of a page as other machines reach it.

    Args:
        url: The page as somebody has opened it, without a query, such as
            "http://localhost:8501/slide".

    Returns:
        The same page below PUBLIC_URL, if that is set; below this machine's address in its
        network, if the page was opened on this machine itself; None where it has no network; else
        the address as it is, which has proved to be reached.
    """
    parts = urlsplit(url)
    if public := os.environ.get(PUBLIC_URL):
        return f"{public.rstrip('/')}/{parts.path.rpartition('/')[2]}".rstrip("/")
    if not parts.hostname or not is_loopback(parts.hostname):
        return url
    address = of_this_machine()
    if address is None:
        return None
    host = f"[{address}]" if ":" in address else address
    return urlunsplit(parts._replace(netloc=f"{host}:{parts.port}" if parts.port else host))


def is_loopback(host: str) -> bool:
    """Whether a name or an address of a host is that of the machine itself."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host == "localhost"
    # A server that listens for IPv6 sees those who come by IPv4 under such an address.
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def of_this_machine() -> str | None:
    """This machine's address in its network: the one from which it would send to others; None
    where it has no network."""
    for family, elsewhere in ELSEWHERE:
        with socket.socket(family, socket.SOCK_DGRAM) as found:
            try:
                found.connect((elsewhere, 9))  # of a datagram's socket, this sends nothing
            except OSError:
                continue
            if not is_loopback(address := found.getsockname()[0]):
                return address
    return None


def main(port: str) -> None:
    """Prints the address for a class, and what to do where it does not open."""
    if address := for_class(f"http://localhost:{port}"):
        print(f"For a class on the same network: {address}\n{FIREWALL}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

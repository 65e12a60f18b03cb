"""How often one address, and all together, may ask for something.

Addresses are in memory alone, and forgotten as soon as they are no longer limited.
"""

import ipaddress
import threading
import time
from collections.abc import Callable

_MOST_ADDRESSES = 20_000
_HOUR_S = 3600.0
_BURST = 0.2  # of an hour's share, which may come at once
_IPV6_NETWORK = 64  # bits that a provider gives to one customer
_ALL = ""


class RateLimit:
    """A token bucket for each address, and one for all of them."""

    def __init__(
        self,
        per_address_hourly: int,
        total_hourly: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hourly = {True: float(total_hourly), False: float(per_address_hourly)}
        self._clock, self._lock = clock, threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}  # key -> tokens, when

    def wait_s(self, address: str) -> float:
        """Return 0 and take a token, or the seconds after which to ask again.

        An address of IPv6 counts with its network, of which one customer has all addresses.
        """
        with self._lock:
            now = self._clock()
            keys = (network(address), _ALL)
            tokens = [self._tokens(key, now) for key in keys]
            lacking = [
                (1 - left) / self._hourly[key == _ALL] * _HOUR_S
                for key, left in zip(keys, tokens, strict=True)
                if left < 1
            ]
            if lacking:
                return max(lacking)
            for key, left in zip(keys, tokens, strict=True):
                self._buckets[key] = (left - 1, now)
            if len(self._buckets) > _MOST_ADDRESSES:
                self._forget(now)
            return 0.0

    def _tokens(self, key: str, now: float) -> float:
        hourly = self._hourly[key == _ALL]
        most = max(1.0, hourly * _BURST)
        left, since = self._buckets.get(key, (most, now))
        return min(most, left + (now - since) * hourly / _HOUR_S)

    def _forget(self, now: float) -> None:
        """Forget addresses whose bucket is full again, and else those seen longest ago."""
        kept = {
            key: bucket
            for key, bucket in self._buckets.items()
            if key == _ALL or self._tokens(key, now) < max(1.0, self._hourly[False] * _BURST)
        }
        latest = sorted(kept.items(), key=lambda item: item[1][1])[-_MOST_ADDRESSES // 2 :]
        self._buckets = {_ALL: self._buckets[_ALL]} | dict(latest)


def network(address: str) -> str:
    """Return what counts as one sender: an IPv4 address, or an IPv6 network of 64 bits."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:  # of a test client or a socket without an address
        return address[:64] or "unknown"
    if parsed.version == 4:
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((parsed, _IPV6_NETWORK), strict=False))

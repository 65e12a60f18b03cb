import pytest

from cropperhead.web.limits import RateLimit, network


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_a_fifth_of_an_hour_s_share_may_come_at_once_and_the_rest_as_time_passes():
    clock = Clock()
    limit = RateLimit(10, 1000, clock)
    assert [limit.wait_s("192.0.2.1") for _ in range(3)] == [0, 0, 360]  # one in 360 s
    clock.now = 359
    assert limit.wait_s("192.0.2.1") == pytest.approx(1)
    clock.now = 360
    assert limit.wait_s("192.0.2.1") == 0
    clock.now = 1e6
    assert [limit.wait_s("192.0.2.1") for _ in range(3)] == [0, 0, 360]


def test_a_refused_request_takes_nothing_from_others():
    limit = RateLimit(5, 10, Clock())
    assert limit.wait_s("192.0.2.1") == 0
    assert limit.wait_s("192.0.2.1") > 0
    assert limit.wait_s("192.0.2.2") == 0
    assert limit.wait_s("192.0.2.3") > 0  # all together have had two of ten


def test_a_million_addresses_do_not_fill_the_memory():
    clock = Clock()
    limit = RateLimit(10, 10**9, clock)
    for count in range(30_000):
        clock.now += 0.01
        limit.wait_s(f"10.{count >> 16}.{count >> 8 & 255}.{count & 255}")
    assert len(limit._buckets) <= 20_001
    # the latest are still known
    assert [limit.wait_s("10.0.117.47") for _ in range(2)] == [0, pytest.approx(360, abs=1)]


@pytest.mark.parametrize(
    ("address", "counts_as"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", "unknown"),
        ("testclient", "testclient"),
    ],
)
def test_a_sender_is_an_address_or_a_network_of_ipv6(address, counts_as):
    assert network(address) == counts_as

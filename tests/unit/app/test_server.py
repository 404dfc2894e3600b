import socket

import pytest

from app import server


@pytest.mark.parametrize(
    ("addresses", "expected"),
    [
        (["127.0.0.1"], True),
        (["127.8.9.1"], True),
        (["::1", "127.0.0.1"], True),
        (["127.0.0.1", "192.0.2.7"], False),
        (["0.0.0.0"], False),
        (["::"], False),
        (["fe80::1%eth0"], False),
    ],
)
def test_a_host_is_loopback_if_all_its_addresses_are(addresses, expected, monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 0)) for each in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    assert server.is_loopback("some.host") is expected

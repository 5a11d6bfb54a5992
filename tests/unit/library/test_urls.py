"""URLs of servers, as people write them."""

from __future__ import annotations

import pytest

from atalaia import urls


@pytest.mark.parametrize(
    "url",
    [
        "nats://127.0.0.1:4222",
        "tls://user:password@broker.example.org",
        "nats://[::1]:4222",
        "nats://my_nats",
    ],
)
def test_one_node_is_a_list_of_one(url: str) -> None:
    assert urls.brokers(url) == [url]


def test_several_nodes_are_told_apart() -> None:
    assert urls.brokers("nats://u:p@a:1, nats://u:p@b:2") == ["nats://u:p@a:1", "nats://u:p@b:2"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("", "nats:// or tls://"),
        ("localhost:4222", "nats:// or tls://"),
        ("ws://broker", "nats:// or tls://"),
        ("http://broker:4222", "nats:// or tls://"),
        ("nats:broker", "nats:// or tls://"),
        ("nats://", "no host"),
        ("nats://a:4222,", "nats:// or tls://"),
        ("nats://a:99999", "host or port"),
        ("nats://a:b", "host or port"),
        ("nats://[::1", "host or port"),
    ],
)
def test_what_is_no_brokers_is_refused_with_the_reason(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        urls.brokers(url)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://user:password@127.0.0.1:5432/atalaia?sslmode=require",
        "postgres://host/db",
        "postgresql:///db",
        "postgresql://user@/db?host=/var/run/postgresql",
        "postgresql://a:1,b:2/db",
    ],
)
def test_whatever_postgres_is_reached_by_is_taken(url: str) -> None:
    urls.postgres(url)


@pytest.mark.parametrize(
    "url", ["redis://", "redis://:password@host:6379/0", "rediss://host", "unix:///run/redis"]
)
def test_whatever_redis_is_reached_by_is_taken(url: str) -> None:
    urls.redis(url)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "https://watch.example.org/atalaia"])
def test_what_a_browser_opens_is_taken(url: str) -> None:
    urls.web(url)


def test_a_url_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="postgresql://"):
        urls.postgres("mysql://host/db")
    with pytest.raises(ValueError, match="redis://"):
        urls.redis("memcached://host")
    with pytest.raises(ValueError, match="https://"):
        urls.web("localhost:9090")
    with pytest.raises(ValueError, match="no host"):
        urls.web("http:///grafana")


def test_passwords_are_not_shown() -> None:
    shown = urls.without_password("nats://ana:secret@a:1,nats://ana:secret@b:2")
    assert shown == "nats://a:1,nats://b:2"


@pytest.mark.parametrize(
    "password", ["sec/ret", "sec#ret", "sec?ret", "sec@ret", "[secret]", "sec:ret", "sec,ret"]
)
def test_passwords_that_are_not_written_as_they_should_are_not_shown_either(password: str) -> None:
    url = f"postgresql://ana:{password}@host/db"
    assert urls.without_password(url) == "postgresql://host/db"
    try:
        urls.postgres(url)
    except ValueError as error:
        assert "ret" not in str(error)


def test_the_way_out_is_one_that_the_client_knows() -> None:
    with pytest.raises(ValueError, match="holds none of"):  # nats-py takes a password as it is written
        urls.brokers("nats://ana:sec/ret@host")
    with pytest.raises(ValueError, match="%2F"):
        urls.postgres("postgresql://ana:sec/ret@host")

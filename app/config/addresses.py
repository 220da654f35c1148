"""Addresses: of the stores, so that nothing in one is taken for something else, and of ourselves.

A part of an address that is read wrongly may be a password. So no message here holds a part of an address but the name
of an option that there is. The text of a ValueError continues "database.url …".
"""

from __future__ import annotations

import ipaddress
import re
import string
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from datastorage_common.addresses import is_loopback
from psycopg import ProgrammingError, conninfo, pq

# What the service itself decides about connections to PostgreSQL, or what would change what is stored or how long
# anything waits. Other options that it sets (names, time-outs) may be there: its own come last.
_NOT_FOR_POSTGRESQL = ("client_encoding", "replication", "keepalives")
_NUMBERS_OF_POSTGRESQL = ("connect_timeout", "tcp_user_timeout", "keepalives_idle", "keepalives_interval")
# Options of a Redis address, and what each may be; a number where nothing is said. Every other one is the service's own
# affair.
_FOR_REDIS: dict[str, tuple[str, ...]] = {"db": ()}
_FOR_REDIS_WITH_TLS = {
    **_FOR_REDIS,
    "ssl_cert_reqs": ("none", "optional", "required"),
    "ssl_check_hostname": ("true", "false"),
}
# Those that redis-py would take and people write; what is not among them may be a piece of a password.
_OF_REDIS = {
    *("client_name", "decode_responses", "encoding", "encoding_errors", "health_check_interval", "max_connections"),
    *("password", "protocol", "retry", "retry_on_error", "retry_on_timeout", "single_connection_client"),
    *("socket_connect_timeout", "socket_keepalive", "socket_read_size", "socket_timeout", "socket_type", "timeout"),
    *("ssl_ca_certs", "ssl_ca_data", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password", "username"),
}
_IN_A_HOST = frozenset(string.ascii_letters + string.digits + "._-")
# Longer ones are no port, no number of a database and no number of seconds.
_MAX_DIGITS = 9
_ESCAPES = "in user and password, write @ as %40, # as %23, / as %2F and ? as %3F"


def check_redis(url: str) -> None:
    """ValueError unless redis-py reads the address as it was meant, and it leaves our options alone."""
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("is not a Redis address, which starts with redis:// or rediss:// (or unix://)")
    _, place, rest = _split(url)
    parts = urlsplit(rest)
    local = url.startswith("unix://")
    if local:
        if place or not parts.path.startswith("/"):
            raise ValueError("must name the socket's whole path: unix:///path/of/the/socket")
    else:
        _check_host_and_port(place)
        if parts.path not in ("", "/") and not _is_number(parts.path[1:]):
            raise ValueError("must end in the number of a database, as in redis://HOST:6379/0")
    allowed = _FOR_REDIS_WITH_TLS if url.startswith("rediss://") else _FOR_REDIS
    given: set[str] = set()
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in allowed:
            known = ", ".join(allowed)
            which = f"the option {name}" if name in _OF_REDIS | set(_FOR_REDIS_WITH_TLS) else "an unknown option"
            raise ValueError(f"cannot have {which}, only: {known}; the service sets the others itself")
        good = value.lower() in allowed[name] if allowed[name] else _is_number(value)
        if name in given or not good:
            raise ValueError(f"has the option {name} twice or with a value that it cannot have")
        given.add(name)
    if "db" in given and parts.path not in ("", "/") and not local:
        raise ValueError("names its database twice, in the path and in the option db")


def check_postgresql(address: str) -> None:
    """ValueError unless libpq takes the address, reads it as it was meant, and it leaves our options alone.

    Nothing is connected to.
    """
    if address.startswith(("postgresql://", "postgres://")):
        _, _, rest = _split(address)
        # libpq would take one; a look for secrets among the options would miss it.
        if any("%" in option.partition("=")[0] for option in urlsplit(rest).query.split("&")):
            raise ValueError("has an option whose name is written with a %: write the name as it is")
    try:
        known = conninfo.conninfo_to_dict(address)
    except ProgrammingError as e:  # its text holds what was read, which may be the password
        unknown = str(e).startswith(("invalid URI query parameter", "invalid connection option"))
        reason = ", which starts with postgresql:// or is key=value words, such as host=db dbname=datastorage"
        if unknown:
            reason = ": it has an option that PostgreSQL does not know"
        raise ValueError(f"is not a PostgreSQL address{reason}") from None
    for name in _NOT_FOR_POSTGRESQL:
        if name in known:
            raise ValueError(f"cannot have the option {name}: the service sets it itself")
    for name in _NUMBERS_OF_POSTGRESQL:
        if name in known and not _is_number(str(known[name]).removeprefix("-")):
            raise ValueError(f"has the option {name} with a value that is not a whole number")
    _check_places(known)
    _ask_libpq(known)


def hosts(text: str) -> tuple[str, ...]:
    """The hosts that ``server.host`` names, without brackets. ValueError for what cannot be listened on."""
    found = tuple(_unbracketed(part.strip()) for part in text.split(","))
    if len(found) == 1:
        if found[0] and not _is_host(found[0]):
            raise ValueError("an address to listen on, or several separated by commas, such as 0.0.0.0 or [::]")
        return found
    if not all(_is_host(host) for host in found) or _overlap([_address_of(host) for host in found]):
        raise ValueError(
            "different addresses to listen on, separated by commas, as 127.0.0.1,[::1]; 0.0.0.0 and [::] hold others"
        )
    return found


def _overlap(listened: list[str]) -> bool:
    """Whether a second socket would find one of the addresses in use; of a name that is not known before."""
    everywhere = {"0.0.0.0", "::"} & set(listened)
    known = [host for host in listened if _is_address(host, 4) or (_is_address(host, 6) and "::" in everywhere)]
    return len(set(listened)) < len(listened) or (bool(everywhere) and not everywhere.issuperset(known))


def _address_of(host: str) -> str:
    """One spelling of a host, and of one that is known to be an IPv4 address that."""
    if host == "localhost":
        return "127.0.0.1"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    return str(getattr(address, "ipv4_mapped", None) or address)


def with_port(host: str, port: int) -> str:
    """``host:port`` as URLs have it, with brackets where they are needed."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def reached_at(listened: tuple[str, ...]) -> str:
    """The host by which this machine reaches a service that listens there; loopback where it listens everywhere."""
    everywhere = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}
    return next(
        (everywhere.get(host, host) for host in listened if host in everywhere or is_loopback(host)), listened[0]
    )


def _split(url: str) -> tuple[str, str, str]:
    """User and password, host and port, and what follows, all as written; ValueError where that is in doubt."""
    if any(each <= " " or each == "\x7f" for each in url):
        raise ValueError("holds a space or a control character")
    scheme, _, after = url.partition("://")
    if "#" in after:
        raise ValueError(f"holds a #, which ends an address: {_ESCAPES}")
    authority = after.partition("/")[0].partition("?")[0]
    rest = after[len(authority) :]
    if "@" in rest or authority.count("@") > 1:
        raise ValueError(f"holds an @ that does not stand between password and host: {_ESCAPES}")
    who, _, place = authority.rpartition("@")
    return who, place, f"{scheme}://{rest}"


def _check_host_and_port(place: str) -> None:
    if place.startswith("["):
        host, end, after = place[1:].partition("]")
        good = bool(end) and _is_address(host, 6) and (not after or after.startswith(":"))
        port = after[1:] if after else None
    else:
        host, colon, after = place.partition(":")
        good = _is_name(host) and ":" not in after
        port = after if colon else None
    if not good:
        raise ValueError(
            "names no host that can be one (an IPv6 address stands in brackets, as in redis://[::1]:6379/0)"
        )
    if port is not None and not _is_port(port):
        raise ValueError("has a port that is not a number from 1 to 65535")


def _check_places(known: dict[str, Any]) -> None:
    """Hosts and ports of a PostgreSQL address, each of which may be a list."""
    places = [str(known[name]).split(",") for name in ("host", "hostaddr") if known.get(name)]
    ports = str(known.get("port") or "").split(",")
    if not all(port == "" or _is_port(port) for port in ports):
        raise ValueError("has a port that is not a number from 1 to 65535")
    most = max((len(each) for each in places), default=1)
    if any(len(each) != most for each in places) or len(ports) not in (1, most):
        raise ValueError("names hosts and ports in different numbers: one port for all, or one for each host")
    if len(places) and most > 1 and not all(host for each in places for host in each):
        raise ValueError("has an empty host in its list")
    for host in places[0] if known.get("host") else ():
        # A folder of sockets, or an abstract socket, is a host to libpq.
        if not host.startswith(("/", "@")) and not _is_host(host):
            raise ValueError(f"names no host that can be one; {_ESCAPES}")
    for host in str(known.get("hostaddr") or "").split(","):
        if host and not (_is_address(host, 4) or _is_address(host, 6)):
            raise ValueError("has the option hostaddr with a value that is no IP address")


def _ask_libpq(known: dict[str, Any]) -> None:
    """ValueError where libpq would refuse an option; it looks at them all before it connects, here to no socket."""
    nowhere = {"host": "/nonexistent", "hostaddr": "", "port": "1"}
    dsn = conninfo.make_conninfo("", **{**known, **nowhere})
    attempt = pq.PGconn.connect_start(dsn.encode())
    refusal = attempt.error_message.decode("utf-8", "replace")
    attempt.finish()
    if refusal.startswith("connection to server on socket"):
        return
    named = (rf'\b{name}"? value: |with {name}=|definition of {name} ' for name in known)
    option = next((name for name, text in zip(known, named, strict=True) if re.search(text, refusal)), None)
    which = f"the option {option}" if option else "an option (its own, or a PG… variable of the environment)"
    raise ValueError(f"has {which} with a value that PostgreSQL does not take")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS


def _is_port(text: str) -> bool:
    return _is_number(text) and 1 <= int(text) <= 65535


def _is_name(text: str) -> bool:
    return bool(text) and _IN_A_HOST.issuperset(text)


def _is_host(text: str) -> bool:
    return _is_name(text) or _is_address(text, 6)


def _is_address(text: str, version: int) -> bool:
    try:
        return ipaddress.ip_address(text).version == version
    except ValueError:
        return False


def _unbracketed(host: str) -> str:
    return host[1:-1] if host.startswith("[") and host.endswith("]") and ":" in host else host

"""What `datastorage dev` prints when everything runs: addresses, and the first requests to try."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from app.config.log_keys import load_keys
from app.config.settings import Settings
from devserver.backends import Backends
from devserver.postgres import OWNER_ROLE
from devserver.service import base_url


def banner(settings: Settings, backends: Backends, data_dir: Path, wrong: str | None = None) -> str:
    """Where everything is, and how to store a first event and read it back; no secrets.

    ``wrong`` is what has to be done for the log, in a line.
    """
    url = base_url(settings)
    lines = [
        ("Service", f"{url}/api/v1/audit/events"),
        ("API page", f"{url}/docs"),
        ("Health", f"{url}/health"),
        ("Metrics", f"{url}/metrics"),
        ("Database", without_password(backends.direct_url)),
        ("Queue", without_password(backends.redis_url)),
    ]
    if backends.embedded:
        lines.append(("Data", f"{data_dir}"))
    if backends.database_embedded:
        passwords = data_dir / "postgresql" / "passwords.json"
        lines.append(("Password", f"of {OWNER_ROLE}: in {passwords}"))
    lines += [("Log key", str(key.verifier)) for key in load_keys(settings.log)]
    table = "\n".join(f"  {name:<9} {value}" for name, value in lines)
    command = Path(sys.executable).parent / "datastorage"
    token, header, given = "", "", ""
    if settings.auth.mode != "none":
        create = (
            f"$({command} token create --name me --scope audit:write --scope audit:read \\\n"
            f"    --append {shlex.quote(settings.auth.tokens_file or 'tokens.yaml')} --quiet)"
        )
        token = f"  export DATASTORAGE_TOKEN={create if settings.auth.mode == 'token' else 'TOKEN-OF-YOUR-ISSUER'}\n"
        header = ' -H "Authorization: Bearer $DATASTORAGE_TOKEN"'
        given = "; the service asks for a token"
    wrong_line = f"\n{wrong}\n" if wrong else ""
    return f"""
The Data Storage Service is ready.

{table}

Store a first event and read it back{given}:

{token}  curl -s {url}/api/v1/audit/events{header} -H 'Content-Type: application/json' -d '{{"version": "1.0",
    "event_type": "user.login", "event_timestamp": "'$(date -u +%Y-%m-%dT%H:%M:%SZ)'",
    "event_category": "auth", "event_action": "login", "event_outcome": "success", "actor_id": "alice",
    "correlation_id": "my-first-event", "event_data": {{"method": "password"}}}}'
  curl -s{header} '{url}/api/v1/audit/events?correlation_id=my-first-event'
  {command} events --url {url}

How the log of all records stands:

  {_for_commands(settings, backends, data_dir)} \\
    {command} log status
{wrong_line}
Ctrl-C stops everything; the data stays.
"""


def _for_commands(settings: Settings, backends: Backends, data_dir: Path) -> str:
    """The variables by which a command reaches the same stores and the same log, as a shell takes them."""
    words = []
    if backends.database_embedded:
        passwords = data_dir / "postgresql" / "passwords.json"
        words.append(f"PGPASSWORD=$(jq -r .{OWNER_ROLE} {shlex.quote(str(passwords))})")
    words.append(f"DATASTORAGE_DATABASE__URL={shlex.quote(without_password(backends.direct_url))}")
    redis = without_password(backends.redis_url)
    if backends.redis_embedded:
        password = f"$(jq -r .default {shlex.quote(str(data_dir / 'valkey' / 'passwords.json'))})"
        words.append(f'DATASTORAGE_REDIS__URL="{redis.replace("//", f"//:{password}@", 1)}"')
    else:
        words.append(f"DATASTORAGE_REDIS__URL={shlex.quote(redis)}")
    words += [
        f"DATASTORAGE_LOG__{name.upper()}={shlex.quote(value)}"
        for name in ("key_file", "origin", "checkpoint_file")
        if (value := getattr(settings.log, name)) is not None
    ]
    return " \\\n  ".join(words)


def without_password(address: str) -> str:
    """A PostgreSQL or Redis address as a URL without its password."""
    if address.startswith(("redis:", "rediss:")):
        parts = urlsplit(address)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="").geturl()
    known = conninfo_to_dict(address)
    user = f"{known['user']}@" if "user" in known else ""
    return f"postgresql://{user}{known.get('host', '')}:{known.get('port', 5432)}/{known.get('dbname', '')}"

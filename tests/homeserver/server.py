"""A real Synapse on loopback, with its data in one folder, and people registered on it."""

import base64
import contextlib
import hashlib
import hmac
import itertools
import json
import os
import random
import secrets
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple

NAME = "home.test"  # what user ids end with; nothing resolves it
PATIENCE = 60.0  # seconds to start or to stop on a machine that is busy
PYTHON = Path(__file__).parents[2] / ".venv-synapse" / "bin" / "python"

# Becomes Synapse, beside a guard that ends it if we are gone, however we went.
GUARDED = 'exec 3<&0; (read -r _ <&3 || kill -s KILL $$) & exec "$@" </dev/null 3<&-'

OPEN: dict[str, Any] = {"per_second": 10_000, "burst_count": 10_000}
OPEN_RATES: dict[str, Any] = {
    "rc_message": OPEN,
    "rc_registration": OPEN,
    "rc_login": {"address": OPEN, "account": OPEN, "failed_attempts": OPEN},
    "rc_joins": {"local": OPEN, "remote": OPEN},
    "rc_joins_per_room": OPEN,
    "rc_invites": {"per_room": OPEN, "per_user": OPEN, "per_issuer": OPEN},
    "rc_room_creation": OPEN,
    "rc_key_requests": OPEN,
    "rc_media_create": OPEN,
    "rc_user_directory": OPEN,
}


class NotInstalled(Exception):
    """Synapse is not installed; `make homeserver` does it."""


class Member(NamedTuple):
    """An account of the server."""

    user_id: str
    password: str


class Answered(NamedTuple):
    """What the server answered."""

    status: int
    body: dict[str, Any]


class Synapse:
    """A homeserver that federates with nobody.

    Args:
        folder: holds its configuration, data and log; a later start finds them again.
        strict_rates: keep Synapse's default rates, which are slow, instead of open ones.
        settings: more of its configuration, in place of what is here.
    """

    def __init__(self, folder: Path, *, strict_rates: bool = False, **settings: Any) -> None:
        if not PYTHON.exists():
            raise NotInstalled
        self.name = NAME
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self._secret = secrets.token_urlsafe(16)
        self._numbers = itertools.count(1)
        self._process: subprocess.Popen[bytes] | None = None
        rates = {} if strict_rates else OPEN_RATES
        self._config = folder / "homeserver.yaml"  # YAML reads JSON
        self._config.write_text(json.dumps(self._settings() | rates | settings))

    def start(self) -> None:
        """Start it and wait until it answers.

        Raises:
            RuntimeError: it ended instead, or did not answer in time; with its log.
        """
        command = [str(PYTHON), "-m", "synapse.app.homeserver", "-c", str(self._config)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                ["sh", "-c", GUARDED, "synapse", *command],
                cwd=self.folder,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
            )
        until = time.monotonic() + PATIENCE
        while not self._answers():
            if time.monotonic() > until or self._process.poll() is not None:
                self.stop(kill=True)
                raise RuntimeError(f"Synapse did not start:\n{self.log()}")
            time.sleep(0.05)

    def stop(self, *, kill: bool = False) -> None:
        """Stop it, or kill it as a crash would; its data stay."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        process.wait(PATIENCE)
        process.communicate(b"\n")

    def restart(self, *, kill: bool = False) -> None:
        """Stop and start it: same address, same data."""
        self.stop(kill=kill)
        self.start()

    def log(self) -> str:
        """The end of what it said."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def register(self, name: str = "camille", *, admin: bool = False) -> Member:
        """Make an account whose name is that one and a number: each call makes another."""
        path = "/_synapse/admin/v1/register"
        nonce = self.ask("GET", path).body["nonce"]
        user, password = f"{name}-{next(self._numbers)}", secrets.token_urlsafe(12)
        proof = "\0".join((nonce, user, password, "admin" if admin else "notadmin"))
        mac = hmac.new(self._secret.encode(), proof.encode(), hashlib.sha1).hexdigest()
        body = {"nonce": nonce, "username": user, "password": password, "admin": admin, "mac": mac}
        answered = self.ask("POST", path, body)
        assert answered.status == 200, answered.body
        return Member(answered.body["user_id"], password)

    def ask(
        self, method: str, path: str, body: object = None, *, token: str | None = None
    ) -> Answered:
        """One request to its API, which blocks; errors are answers too."""
        headers = {"Content-Type": "application/json"}
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers, method=method)  # noqa: S310
        try:
            with _direct.open(request, timeout=PATIENCE) as answer:
                return Answered(answer.status, json.load(answer))
        except urllib.error.HTTPError as refused:
            with refused:
                return Answered(refused.code, json.load(refused))

    def _answers(self) -> bool:
        try:
            with _direct.open(f"{self.url}/health", timeout=PATIENCE):
                return True
        except OSError:
            return False

    def _settings(self) -> dict[str, Any]:
        seed = base64.b64encode(os.urandom(32)).decode().rstrip("=")
        return {
            "server_name": self.name,
            "public_baseurl": f"{self.url}/",
            "listeners": [
                {
                    "port": self.port,
                    "type": "http",
                    "bind_addresses": ["127.0.0.1"],
                    "resources": [{"names": ["client"]}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(self.folder / "home.db")}},
            "media_store_path": str(self.folder / "media"),
            "pid_file": str(self.folder / "pid"),
            "log_config": str(self._log_config()),
            "signing_key": f"ed25519 a_test {seed}",
            "registration_shared_secret": self._secret,
            "macaroon_secret_key": secrets.token_urlsafe(16),
            "form_secret": secrets.token_urlsafe(16),
            "bcrypt_rounds": 4,
            "report_stats": False,
            "presence": {"enabled": False},
            "caches": {"sync_response_cache_duration": "0s"},  # who asks again is not told the same
            "trusted_key_servers": [],
            "suppress_key_server_warning": True,
            "federation_domain_whitelist": [],
        }

    def _log_config(self) -> Path:
        path = self.folder / "log.yaml"
        handler = {"class": "logging.StreamHandler"}
        root = {"level": "WARNING", "handlers": ["console"]}
        path.write_text(json.dumps({"version": 1, "handlers": {"console": handler}, "root": root}))
        return path


# What is on loopback is asked without the proxy of the environment.
_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def _free_port() -> int:
    """A port below those that connections go out from, which it may leave and come back to."""
    while True:
        port = random.randrange(20_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port

"""`preau run` as a process that can be killed and comes back on the same port."""

import asyncio
import os
import socket
import sys

SECRET = "the secret of a campaign, long enough to be taken"  # noqa: S105 (of no use elsewhere)
PATIENCE = 120.0  # seconds, on a machine that does much else


class Server:
    """One server; `kill` gives it no time to do anything."""

    def __init__(self, url: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self._environment = {
            **os.environ,
            "PREAU_DATABASE_URL": url,
            "PREAU_SECRET_KEY": SECRET,
            "PREAU_CONTROLLER": "campaign",
            "PREAU_DPO_CONTACT": "campaign",
            "PREAU_WEB_PORT": str(self.port),
        }
        self._process: asyncio.subprocess.Process | None = None
        self._is_ready = False

    async def start(self, **settings: str) -> None:
        """Let it begin its work; when it says that it is ready, it has sent much already.

        Args:
            settings: more of them, by their names in the environment.
        """
        self._is_ready = False
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "campaigns.served",
            "run",
            env={**self._environment, **settings},
            stdout=asyncio.subprocess.PIPE,
        )

    async def ready(self) -> None:
        if self._is_ready:
            return
        assert self._process is not None
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), PATIENCE)
        assert line.startswith(b"ready "), line
        self._is_ready = True

    def strike(self) -> None:
        """Kill it, at this very moment."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.kill()

    async def kill(self) -> None:
        self.strike()
        assert self._process is not None
        await self._process.wait()

"""`preau run` as a process, for measuring it from outside."""

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from bot.settings import Settings

SECRET = "the secret of a benchmark, long enough to be taken"  # noqa: S105 (of no use elsewhere)


def settings_for(url: str) -> Settings:
    return Settings(
        _env_file=None,
        database_url=url,
        secret_key=SECRET,
        controller="benchmark",
        dpo_contact="benchmark",
    )


@asynccontextmanager
async def process(
    url: str, more: Mapping[str, str] | None = None
) -> AsyncIterator[tuple[str, int, float]]:
    """Yield its address, its process id, and the seconds from start to ready.

    Args:
        more: settings, by their full names.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "PREAU_DATABASE_URL": url,
        "PREAU_SECRET_KEY": SECRET,
        "PREAU_CONTROLLER": "benchmark",
        "PREAU_DPO_CONTACT": "benchmark",
        "PREAU_WEB_PORT": str(port),
        **(more or {}),
    }
    began = time.perf_counter()
    running = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bot", "run", env=environment, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert running.stdout is not None
        line = await asyncio.wait_for(running.stdout.readline(), 30)
        assert line.startswith(b"ready "), line
        yield f"http://127.0.0.1:{port}", running.pid, time.perf_counter() - began
    finally:
        running.terminate()
        await running.wait()


@asynccontextmanager
async def serving(url: str) -> AsyncIterator[str]:
    async with process(url) as (base, _, _):
        yield base


async def start_and_memory(url: str, more: Mapping[str, str] | None = None) -> tuple[float, float]:
    """Seconds from start to ready, and MiB of memory when idle."""
    async with process(url, more) as (_, pid, seconds):
        return seconds, await idle_memory(pid)


async def idle_memory(pid: int) -> float:
    """MiB of memory that a process holds, once it has had nothing to do for a while."""
    await asyncio.sleep(3)
    status = Path(f"/proc/{pid}/status").read_text()  # noqa: ASYNC240 (of the kernel)
    kilobytes = next(
        int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS")
    )
    return kilobytes / 1024

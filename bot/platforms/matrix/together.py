"""Things that are done side by side as long as all of them go well."""

import asyncio
from collections.abc import Coroutine
from typing import Any


async def together(*some: Coroutine[Any, Any, Any]) -> None:
    """Wait until all have ended, or one fails: the others are ended then, and its error is raised.

    When this returns none of them runs any more, also if who waits is cancelled.
    """
    tasks = [asyncio.create_task(one) for one in some]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

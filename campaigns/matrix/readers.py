"""Many who are only told: each has an encrypted room, made once, and reads it at the end."""

from campaigns.matrix.someone import Someone


class Reader(Someone):
    """Somebody who listens no more, once they have met the bot."""

    async def meet(self, bot: str) -> None:
        await super().meet(bot)
        await self.client.rest()

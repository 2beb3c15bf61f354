"""What both the chat and the public page do with a request about data."""

from datetime import datetime, timedelta

from storage.data_requests import DataRequest
from storage.store import Store

HOUR, MOST_TOLD = timedelta(hours=1), 20  # requests of which one by one is told


def told(store: Store, asked: DataRequest, now: datetime) -> None:
    """Have the secretariat know of a new request; where a flood comes, its list has them all."""
    if not store.rates.once("data requests told", HOUR, now, MOST_TOLD):
        return
    secretaries = store.grants.secretaries(now)
    store.deliveries.notify("data_requests.waits", {"request": asked.id}, secretaries, now)

"""When what nobody asked for may leave: the one place where quiet hours will be kept."""

from datetime import datetime


def leaves_at(moment: datetime) -> datetime:
    """The moment from which a message that is ready at `moment` may leave.

    There are no quiet hours yet: at once. Whoever tells many people something unasked gives this to
    `store.deliveries.notify(…, due_at=…)`, so that nights, week-ends and holidays have one place. A
    person's own answer never passes here: it is never held.
    """
    return moment

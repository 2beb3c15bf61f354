"""A report by its number, typed or in a link: as whoever asks may see it."""

from bot import routing
from bot.messages import Request
from bot.rights import anyone
from bot.routing import link
from handlers import reports, reviews
from storage.store import Store


def _public_id(text: str) -> str:
    if not routing.PUBLIC_ID.fullmatch(text):
        raise ValueError(text)
    return text


@link("report", _public_id, who=anyone)
def open_report(request: Request, store: Store, public_id: str) -> routing.Answer:
    """One's own report; for who reviews it, that too; else one that everybody may read."""
    report = store.reports.numbered(public_id)
    if report is None:
        raise reports.not_public()
    if report.author_id == request.person:
        return reports.shown(report, store)
    if reviews.may_read(report, request, store):
        return reviews.opened(report, request, store)
    return reports.published_one(report.id, store)

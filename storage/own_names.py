"""What Préau itself is called on platforms, for links that lead to it there."""

from sqlalchemy import String
from sqlalchemy.orm import Mapped, Session, mapped_column

from storage.base import Base, insert_into


class OwnName(Base):
    __tablename__ = "own_names"

    platform: Mapped[str] = mapped_column(String(12), primary_key=True)
    name: Mapped[str] = mapped_column(String(255))


class OwnNames:
    def __init__(self, session: Session) -> None:
        self.session = session

    def note(self, platform: str, name: str) -> None:
        """Note what a platform said that we are called there."""
        insert = insert_into(self.session, OwnName).values(platform=platform, name=name)
        self.session.execute(
            insert.on_conflict_do_update(
                index_elements=[OwnName.platform], set_={"name": insert.excluded.name}
            )
        )

    def get(self, platform: str) -> str | None:
        """Our name there; None if it is not known yet."""
        found = self.session.get(OwnName, platform)
        return None if found is None else found.name

"""What the notice about data says (GDPR, article 13), from the settings and the rules."""

from typing import Any

from bot.retention import RULES
from bot.settings import Settings


def notice_arguments(settings: Settings, platform: str) -> dict[str, Any]:
    """The arguments of `privacy.notice`, for who reads it on a platform."""
    return {
        "controller": settings.controller,
        "contact": settings.dpo_contact,
        "platform": platform,
        "page": settings.public_url if settings.web_chat else None,
        "rules": [rule for rule in RULES if rule.told],
    }


def full_notice_arguments(settings: Settings) -> dict[str, Any]:
    """As `notice_arguments`, of all the platforms that are served."""
    served = platforms(settings)
    return {**notice_arguments(settings, ""), "served": served}


def platforms(settings: Settings) -> tuple[str, ...]:
    """The platforms that are served, by name."""
    serves = {
        "web": settings.web_chat,
        "telegram": settings.serves_telegram,
        "matrix": settings.serves_matrix,
    }
    return tuple(name for name, is_served in serves.items() if is_served)

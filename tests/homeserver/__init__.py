"""A Matrix homeserver on loopback and clients of people on it, beside which Préau is tested."""

from tests.homeserver.client import Client, Event
from tests.homeserver.js_client import JsCorrespondent, Node
from tests.homeserver.nio_client import Correspondent
from tests.homeserver.server import Answered, Member, NotInstalled, Synapse

__all__ = [
    "Answered",
    "Client",
    "Correspondent",
    "Event",
    "JsCorrespondent",
    "Member",
    "Node",
    "NotInstalled",
    "Synapse",
]

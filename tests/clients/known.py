"""The clients under test, in the order of their columns."""

from __future__ import annotations

from typing import Final

from clients.converse_device import CONVERSE
from clients.nbxmpp_device import NBXMPP
from clients.profanity_device import PROFANITY
from clients.slixmpp_device import SLIXMPP

CLIENTS: Final = (CONVERSE, PROFANITY, NBXMPP, SLIXMPP)

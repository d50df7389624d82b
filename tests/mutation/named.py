"""All named faults, those of the core included."""

from __future__ import annotations

from typing import Final

from mutation.faults import NamedFault
from mutation.named_apply import APPLY
from mutation.named_business import BUSINESS
from mutation.named_core import CORE, CoreFault
from mutation.named_delivery import DELIVERY
from mutation.named_history import HISTORY
from mutation.named_wal import WAL

NAMED: Final[tuple[NamedFault | CoreFault, ...]] = (*CORE, *WAL, *APPLY, *DELIVERY, *HISTORY, *BUSINESS)

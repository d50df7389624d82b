"""
Market alerts: people subscribe by a message, and each alert goes to all of them at once, and to nobody twice.

    python examples/market_alerts.py    (what it reads from the environment: connecting.py)

    EDITOR_WORD         who begins a message with this word gives out an alert
    SUBSCRIBERS_FILE    where subscribers are kept, one a line

`subscribe` and `stop` do what they say. Each send has a key made of the alert and the subscriber, so an alert that this
program is told of twice, or that was under way when it or a node died, arrives once.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import httpx
from connecting import NODES, PORT, connect
from pywa_async import WhatsApp, filters
from pywa_async.errors import WhatsAppError
from pywa_async.types import Message
from safe_sending import SafeTransport, send_key

AT_ONCE_MAX = 64
WORD = os.environ["EDITOR_WORD"]
FILE = Path(os.environ["SUBSCRIBERS_FILE"])

wa = connect(WhatsApp, session=httpx.AsyncClient(transport=SafeTransport(NODES), timeout=30))
subscribers: set[str] = set(FILE.read_text().split()) if FILE.exists() else set()
sending = asyncio.Semaphore(AT_ONCE_MAX)


def keep_subscribers() -> None:
    """Write the list anew; under another name first, so that there is a whole one at any time."""
    written = FILE.with_suffix(".new")
    written.write_text("\n".join(sorted(subscribers)))
    written.replace(FILE)


@wa.on_message(filters.matches("subscribe", ignore_case=True))
async def subscribe(_: WhatsApp, message: Message) -> None:
    """Put somebody on the list."""
    subscribers.add(message.from_user.bsuid)
    keep_subscribers()
    await message.reply("You will get our alerts. Write stop to end that.")


@wa.on_message(filters.matches("stop", ignore_case=True))
async def stop(_: WhatsApp, message: Message) -> None:
    """Take somebody off the list."""
    subscribers.discard(message.from_user.bsuid)
    keep_subscribers()
    await message.reply("You will get no more alerts.")


async def tell(subscriber: str, alert_id: str, text: str) -> bool:
    """Send an alert to one of many; returns whether it went out."""
    async with sending:
        send_key.set(f"{alert_id} {subscriber}")  # of this task alone
        try:
            await wa.send_message(subscriber, text)
        except (WhatsAppError, httpx.HTTPError) as error:  # one who cannot be reached keeps nobody else from the news
            print(f"{subscriber}: {error}", flush=True)
            return False
    return True


@wa.on_message(filters.startswith(f"{WORD} "))
async def give_out(_: WhatsApp, message: Message) -> None:
    """Send what an editor has written to everybody, and say how many that were."""
    text = (message.text or "").removeprefix(WORD).strip()
    told = await asyncio.gather(*(tell(one, message.id, text) for one in sorted(subscribers)))
    await message.reply(f"Sent to {sum(told)} of {len(told)}.")


if __name__ == "__main__":
    wa.run(port=PORT)

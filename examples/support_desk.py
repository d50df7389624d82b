"""
A support desk: a bot answers what it can, and hands over to people in a group (or to one person).

    python examples/support_desk.py     (what it reads from the environment: connecting.py)

    DESK_WORD    whoever writes this word is the desk from then on: a person, or the group that it was written in

What customers ask goes to the desk. A reply there to such a message goes back to the customer, and the reply `done`
gives the customer back to the bot.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from connecting import PORT, connect
from pywa import WhatsApp, filters
from pywa.types import Button, CallbackButton, Message

WORD = os.environ["DESK_WORD"]


@dataclass
class Desk:
    """Where people help, whom they help, and which message at the desk is whose."""

    place: str = ""
    customers: set[str] = field(default_factory=set)
    asked: dict[str, str] = field(default_factory=dict)


desk = Desk()
wa = connect(WhatsApp)


def is_at_desk(_: WhatsApp, message: Message) -> bool:
    """Whether a message was written where people help; a chat is a group, or one person."""
    return message.chat.id == desk.place


AT_DESK = filters.new(is_at_desk)


@wa.on_message(filters.matches(WORD), priority=3)
def open_desk(_: WhatsApp, message: Message) -> None:
    """Let this person or this group be the desk."""
    desk.place = message.chat.id
    message.reply("This is the support desk now. Reply to what customers ask.")


@wa.on_message(AT_DESK, priority=2)
def answer(client: WhatsApp, message: Message) -> None:
    """Give a reply at the desk to the customer who had asked."""
    replied = message.reply_to_message
    customer = desk.asked.get(replied.id) if replied else None
    if customer is not None and message.text == "done":
        desk.customers.discard(customer)
        client.send_message(customer, "Glad that we could help. I am the bot again.")
    elif customer is not None and message.text:
        client.send_message(customer, message.text)


@wa.on_callback_button(filters.matches("human"))
def hand_over(_: WhatsApp, button: CallbackButton) -> None:
    """From now on people answer."""
    if not desk.place:
        button.reply("Nobody is at the desk right now, please try later.")
        return
    desk.customers.add(button.from_user.bsuid)
    button.reply("What is it about? Somebody will answer you here.")


@wa.on_callback_button(filters.matches("hours"))
def tell_hours(_: WhatsApp, button: CallbackButton) -> None:
    """What the bot can answer by itself."""
    button.reply("We are here from nine to six, on weekdays.")


@wa.on_message(filters.private & filters.text)
def take(client: WhatsApp, message: Message) -> None:
    """Pass on what a customer asks, or offer help."""
    customer = message.from_user
    if customer.bsuid in desk.customers:
        sent = client.send_message(desk.place, f"{customer.name}: {message.text}")
        desk.asked[sent.id] = customer.bsuid
        return
    buttons = [Button("Opening hours", callback_data="hours"), Button("Ask a human", callback_data="human")]
    message.reply("How can we help?", buttons=buttons)


if __name__ == "__main__":
    wa.run(port=PORT)

"""
An order bot: buttons, a list, the place to bring it to, and an answer that quotes.

    python examples/order_bot.py        (what it reads from the environment: connecting.py)

Write anything to the business's number to begin. Whatever is tapped can be typed as well: `1`, or `Margherita`.
"""

from __future__ import annotations

from dataclasses import dataclass

from connecting import PORT, connect
from pywa import WhatsApp, filters
from pywa.types import Button, CallbackButton, CallbackSelection, Message, Section, SectionList, SectionRow

PRICES = {"margherita": 9, "funghi": 11, "lemonade": 3}
MENU = SectionList(
    "See the menu",
    sections=[
        Section(
            "Pizza",
            rows=[
                SectionRow("Margherita", callback_data="margherita", description="Tomato and mozzarella, 9"),
                SectionRow("Funghi", callback_data="funghi", description="With mushrooms, 11"),
            ],
        ),
        Section("Drinks", rows=[SectionRow("Lemonade", callback_data="lemonade", description="Of our own, 3")]),
    ],
)


@dataclass
class Order:
    """What somebody has chosen so far, and the message that said so."""

    dish: str
    message_id: str
    is_placed: bool = False


orders: dict[str, Order] = {}
"""By BSUID: the one id that every person has."""

wa = connect(WhatsApp)


@wa.on_message(filters.text)
def greet(_: WhatsApp, message: Message) -> None:
    """Begin, whatever is said."""
    message.reply(
        f"Hello {message.from_user.name}, what can we do for you?",
        footer="Open until ten",
        buttons=[Button("Order", callback_data="order"), Button("My order", callback_data="status")],
    )


@wa.on_callback_button(filters.matches("order"))
def show_menu(_: WhatsApp, button: CallbackButton) -> None:
    """Let somebody choose a dish."""
    button.reply("What would you like?", buttons=MENU)


@wa.on_callback_selection
def ask_where(_: WhatsApp, row: CallbackSelection) -> None:
    """Remember the dish and ask for the place."""
    orders[row.from_user.bsuid] = Order(row.data, row.id)
    row.reply_location_request(f"{row.title}, good choice. Where shall we bring it?")


@wa.on_message(filters.location)
def place_order(client: WhatsApp, message: Message) -> None:
    """Confirm under the message that chose the dish."""
    order = orders.get(message.from_user.bsuid)
    if order is None or message.location is None:
        message.reply("Please choose a dish first.")
        return
    order.is_placed = True
    where = f"{message.location.latitude:.4f}, {message.location.longitude:.4f}"
    client.send_message(
        message.from_user.bsuid,
        f"On its way to {where}. That will be {PRICES[order.dish]}, please.",
        reply_to_message_id=order.message_id,
    )


@wa.on_callback_button(filters.matches("status"))
def tell_status(_: WhatsApp, button: CallbackButton) -> None:
    """Tell how an order stands."""
    order = orders.get(button.from_user.bsuid)
    is_coming = order is not None and order.is_placed
    button.reply(f"Your {order.dish} is on its way." if is_coming and order else "You have not ordered yet.")


if __name__ == "__main__":
    wa.run(port=PORT)

"""XEP-0157 Contact Addresses for XMPP Services: whom to turn to, in the server's service discovery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from raftline.xmpp.data_forms import make_form
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import form_field

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

SERVER_INFO: Final = "http://jabber.org/network/serverinfo"


def register(modules: Modules, contacts: Mapping[str, Sequence[str]]) -> None:
    """
    Tell addresses (section 3), if there are any.

    Args:
        contacts: URIs by what they are for: `abuse`, `admin`, `feedback`, `sales`, `security`, `status`, `support`.
    """
    modules.declare(
        Declaration(
            number=157,
            title="Contact Addresses for XMPP Services",
            version="1.1.1",
            note="Told where the operator set `contacts`.",
        )
    )
    told = {name: addresses for name, addresses in sorted(contacts.items()) if addresses}
    if told:
        fields = [form_field(f"{name}-addresses", "list-multi", *addresses) for name, addresses in told.items()]
        modules.disco_forms.append(make_form("result", SERVER_INFO, fields))

"""
XEP-0455 Service Outage Status: where clients look when the service is out of order.

The file they find there is the operator's, on another machine than the service's own: only that can be read when the
service cannot. So all the server does is to tell where it is, while all is well.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from raftline.xmpp.element import Element
from raftline.xmpp.module import Declaration
from raftline.xmpp.payloads import FORM_NAMESPACE, form_field

if TYPE_CHECKING:
    from raftline.xmpp.module import Modules

OUTAGE_FORM: Final = "urn:xmpp:sos:0"


def register(modules: Modules, addresses: Sequence[str] = ()) -> None:
    """Tell these addresses of the status file, if there are any, with the server's service discovery (section 2.1)."""
    modules.declare(
        Declaration(
            number=455,
            title="Service Outage Status",
            version="0.4.0",
            note="The addresses are a setting, xmpp.status_urls; the file is the operator's.",
        )
    )
    if addresses:
        modules.disco_forms.append(status_form(addresses))


def status_form(addresses: Sequence[str]) -> Element:
    """Write the form of service discovery (section 2.1, XEP-0128)."""
    fields: list[Element | str] = [
        form_field("FORM_TYPE", "hidden", OUTAGE_FORM),
        form_field("external-status-addresses", "list-multi", *addresses),
    ]
    return Element("x", FORM_NAMESPACE, {"type": "result"}, fields)

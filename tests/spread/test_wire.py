"""The bytes of stanzas are cut out of a stream as they were written."""

from __future__ import annotations

import pytest

from spread.wire import Slicer

HEADER = "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
CHILDREN = (
    "<stream:features><bind xmlns='urn:b'/></stream:features>",
    "<presence/>",
    "<iq type='result' id='1'/>",
    "<message><body>a &gt; b, ü</body><x><message/></x></message >",
    '<message to="a>b"/>',
    "<r xmlns='urn:xmpp:sm:3'/>",
)


class TestSlicer:
    """Children of a stream."""

    @pytest.mark.parametrize("size", [1, 2, 7, 4096])
    def test_every_child(self, size: int) -> None:
        """As they were written, empty ones too, however the bytes arrive; what lies between them is left out."""
        slicer = Slicer()
        data = (HEADER + "\n".join(CHILDREN) + "</stream:stream>").encode()
        for begin in range(0, len(data), size):
            slicer.feed(data[begin : begin + size])
        assert [child.decode() for child in slicer.children] == list(CHILDREN)

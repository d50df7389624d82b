"""External components (XEP-0114): which node holds each, what waits for it, and the users whose contact it is."""

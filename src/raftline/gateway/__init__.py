"""Client connections: TCP, TLS, WebSocket."""

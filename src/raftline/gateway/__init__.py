"""Client connections: TCP, TLS, WebSocket, BOSH."""

"""Raw settings that are correct, for tests to spoil."""

from __future__ import annotations

from typing import Any


def raw_settings(node_count: int = 3) -> dict[str, Any]:
    """Return the values of a settings file, as TOML gives them."""
    return {
        "domain": "example.org",
        "data_dir": "data",
        "cluster": {
            "id": "a cluster",
            "node_id": 1,
            "peers": [
                {
                    "node_id": node_id,
                    "host": f"n{node_id}.example.org",
                    "port": 5269,
                    "fingerprint": f"{node_id:064x}",
                    "http_url": f"https://n{node_id}.example.org:5443",
                }
                for node_id in range(1, node_count + 1)
            ],
        },
        "tls": {
            "certificate_file": "server.pem",
            "key_file": "server.key",
            "peer_certificate_file": "node.pem",
            "peer_key_file": "node.key",
            "peer_ca_file": "/etc/ca.pem",
        },
        "admin": {"token_file": "admin.token"},
    }

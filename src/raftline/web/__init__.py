"""HTTP: the web client, health, metrics, administration."""

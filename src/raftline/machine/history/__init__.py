"""What becomes of archives beside growing: preferences, retraction, full-text search, reports about messages."""

"""The servers under test: each configuration starts from an empty folder and ends by process id."""

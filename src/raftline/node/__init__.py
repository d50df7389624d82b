"""The one door from the edges into the system."""

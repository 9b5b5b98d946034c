"""The one loop that trains every family."""

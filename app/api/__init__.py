"""The interface for programs: what the page shows, over HTTP."""

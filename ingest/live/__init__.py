"""What exchanges send and answer while it happens: streams, polls, and how well they go."""

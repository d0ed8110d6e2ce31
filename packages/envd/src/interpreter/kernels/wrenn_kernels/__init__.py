"""Programs that run code in a guest for the agent: one process for each context."""

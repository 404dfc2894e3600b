"""One module for each exchange; see docs/adding-an-exchange.md."""

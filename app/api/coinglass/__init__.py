"""The interface in the shapes of CoinGlass's API, version 4, for clients that were made for it."""

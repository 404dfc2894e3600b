"""Files as Binance, others and their readers keep them: fetched, recognised, checked, stored."""

"""Snapshots computed ahead: what `liqheat precompute` does, and where answers read them."""

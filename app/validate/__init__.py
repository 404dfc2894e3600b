"""How well a map's zones agree with positions and liquidations that were really observed."""

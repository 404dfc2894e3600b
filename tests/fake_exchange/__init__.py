"""WebSocket servers on loopback that speak the exchanges' protocols and misbehave on demand."""

"""What stands between a request and the routes: pure ASGI, one idea per module."""

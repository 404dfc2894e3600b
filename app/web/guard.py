"""The order in which a request passes what stands before the routes."""

from fastapi import FastAPI
from starlette.types import Scope

from app.settings import Settings
from app.web.access import OPEN, Access, Credentials
from app.web.cors import ApiCors
from app.web.hosts import KnownHosts
from app.web.paths import is_api
from app.web.policy import OwnFilesOnly


def guard(server: FastAPI, settings: Settings) -> None:
    """Put everything before the routes; what is added last meets a request first."""
    credentials = Credentials(settings)
    server.add_middleware(Access, credentials=credentials)
    if settings.rate_limit:
        from app.web.rate_limit import RateLimit

        def counted(scope: Scope) -> bool:
            # Guesses of a password count wherever they are made.
            path = scope["path"]
            return path != OPEN and (is_api(path) or not credentials.admit(scope))

        server.add_middleware(RateLimit, rate=settings.rate_limit, counted=counted)
    if settings.cors_origins:
        # Before access: a browser asks for leave without credentials.
        server.add_middleware(ApiCors, origins=settings.cors_origins)
    server.add_middleware(KnownHosts, names=(settings.host, *settings.allowed_hosts))
    server.add_middleware(OwnFilesOnly)

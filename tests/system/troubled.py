"""An application in trouble, for uvicorn's `--factory`: one route is slow, one fails."""

from __future__ import annotations

import asyncio
import os

from fastapi import FastAPI

import atalaia


def create() -> FastAPI:
    app = FastAPI()
    atalaia.instrument(app, service=os.environ["TROUBLED_SERVICE"])

    @app.get("/slow")
    async def slow() -> str:
        await asyncio.sleep(1.2)
        return "at last"

    @app.get("/broken")
    async def broken() -> str:
        raise RuntimeError("on purpose")

    @app.get("/fine")
    async def fine() -> str:
        return "fine"

    return app

"""The ASGI application: routes, pages, and what every request goes through."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from nicegui import app as nicegui_app
from nicegui import ui
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from mmrad.errors import DataError, UsageError
from mmrad.review.application import Application
from mmrad.review.log import report
from mmrad.review.pages import add_pages
from mmrad.review.server.api import Api
from mmrad.review.server.guard import Guard
from mmrad.review.server.login import FAVICON, Login
from mmrad.review.server.security import MAX_BODY, Errors, Headers, Prefix, add_nonces


def create_app(application: Application) -> ASGIApp:
    """The ASGI application; NiceGUI allows one in a process."""
    app = FastAPI(openapi_url=None, max_body_size=MAX_BODY)
    if application.access.accounts and application.store:
        app.include_router(Login(application, application.store).routes())
    app.include_router(Api(application).routes())
    _explain_errors(app)
    add_nonces()
    nicegui_app.on_page_exception(_page_failed)
    add_pages(application)
    ui.run_with(
        app,
        title="mmrad",
        favicon=FAVICON,
        dark=None,
        language="en-US",
        tailwind=False,
        show_welcome_message=False,
        gzip_middleware_factory=None,
    )
    # The last one is the outermost.
    app.add_middleware(Guard, access=application.access)
    app.add_middleware(Errors)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=5)
    app.add_middleware(Headers)
    app.add_middleware(Prefix, prefix=application.options.prefix)
    return app


def _page_failed(error: Exception) -> None:
    """What a page shows when it could not be built."""
    ui.label(f"This page failed on the server; its log tells more about error {report(error)}.")


def _explain_errors(app: FastAPI) -> None:
    """Answer errors as `{"error": text}`; of faults in files only a number is told, as they name paths."""

    def told(request: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 400)

    def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return JSONResponse({"error": error.detail}, error.status_code, error.headers)

    def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        return JSONResponse({"error": f"{first['loc'][-1]}: {first['msg']}"}, 400)

    def faulty(request: Request, error: Exception) -> Response:
        number = report(error)
        return JSONResponse(
            {"error": f"a file of the corpus cannot be read; the log tells more about error {number}"}, 500
        )

    app.add_exception_handler(UsageError, told)
    app.add_exception_handler(HTTPException, refused)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(DataError, faulty)

"""The explorer's routes: who may see what, errors as pages, cookies, and the check of forms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from starlette.convertors import StringConvertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ipi_es.errors import IpiEsError
from ipi_es.serve.callers.csrf import CsrfTokens
from ipi_es.serve.callers.sessions import cookie_of, new_token, set_cookie
from ipi_es.serve.explorer.answering import allow, revoke, undo, verdict
from ipi_es.serve.explorer.forms import comes_from_elsewhere, error_page, form_of, require_same_origin
from ipi_es.serve.explorer.histories import Histories
from ipi_es.serve.explorer.links import Links
from ipi_es.serve.explorer.rendering import STATIC, bare_page, static_response
from ipi_es.serve.explorer.views.incident_page import incident_page
from ipi_es.serve.explorer.views.job_page import job_page, live
from ipi_es.serve.explorer.views.jobs_page import jobs_page
from ipi_es.serve.explorer.views.login_page import LoginPages
from ipi_es.serve.explorer.views.name_pages import address_page, entity_page, network_page
from ipi_es.serve.explorer.views.results_page import results_page
from ipi_es.serve.explorer.visit import Visit
from ipi_es.serve.reading_rights import require_reading

if TYPE_CHECKING:
    from ipi_es.serve.services import Services


class AnyText(StringConvertor):
    """The rest of a path, with slashes and line ends: names hold both."""

    regex = r"[\s\S]+"


register_url_convertor("any", AnyText())

View: TypeAlias = Callable[[Visit], Response]


def routes(services: Services) -> list[BaseRoute]:
    """Return the routes of the explorer."""
    site = Site(services)
    login = LoginPages(services, site.csrf)
    job, incident = "/jobs/{job}", "/jobs/{job}/incidents/{incident}"
    return [
        Route("/", site.shown(jobs_page)),
        Route(job, site.shown(job_page)),
        Route(f"{job}/live", site.shown(live)),
        Route(f"{job}/results", site.shown(results_page)),
        Route(incident, site.shown(incident_page)),
        Route(f"{job}/entities/{{name:any}}", site.shown(entity_page)),
        Route(f"{job}/networks/{{network:any}}", site.shown(network_page)),
        Route(f"{job}/addresses/{{ip:any}}", site.shown(address_page)),
        Route(f"{incident}/verdict", site.sent(verdict), methods=["POST"]),
        Route(f"{incident}/revoke", site.sent(revoke), methods=["POST"]),
        Route(f"{incident}/allow", site.sent(allow), methods=["POST"]),
        Route(f"{incident}/undo", site.sent(undo), methods=["POST"]),
        Route("/login", login.form, methods=["GET"]),
        Route("/login", login.sent, methods=["POST"]),
        Route("/logout", login.logout, methods=["POST"]),
        *(Route(f"/static/{name}", _static(name)) for name in STATIC),
    ]


class Site:
    """Makes of a view a handler of requests."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self.csrf, self._histories = CsrfTokens(), Histories()

    def shown(self, view: View) -> Callable[[Request], Response]:
        """Return the handler of a page that changes nothing."""

        def handler(request: Request) -> Response:
            return self._answer(request, view, None)

        return handler

    def sent(self, view: View) -> Callable[[Request], Response]:
        """Return the handler of a form; a form of another page is refused."""

        def handler(request: Request) -> Response:
            return self._answer(request, view, form_of(request))

        return handler

    def _answer(self, request: Request, view: View, form: Mapping[str, str] | None) -> Response:
        cookie = request.cookies.get(cookie_of(request))
        if form is None and cookie is None and comes_from_elsewhere(request):
            return bare_page(Links(request.scope.get("root_path", "")), "continue.html", refresh=0)
        try:
            if form is not None:
                self.csrf.require(cookie, form.get("csrf", ""))
                require_same_origin(request)
            caller = self._services.callers.of(request)
            require_reading(caller.cluster)
            known = cookie or new_token()
            visit = Visit(
                self._services,
                request,
                caller,
                now=self._services.clock(),
                csrf=self.csrf.token(known),
                form=form or {},
                histories=self._histories,
                session=cookie is not None and cookie in self._services.sessions,
            )
            response = view(visit)
        except IpiEsError as error:
            return error_page(request, error)
        if cookie is None:
            set_cookie(request, response, known)
        return response


def _static(name: str) -> Callable[[Request], Response]:
    def handler(_: Request) -> Response:
        return static_response(name)

    return handler

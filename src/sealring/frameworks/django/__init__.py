"""Django: the setting `SEALRING`, a middleware, the auth routes, and views that need a principal.

    INSTALLED_APPS += ["sealring.frameworks.django"]
    MIDDLEWARE += ["sealring.frameworks.django.SealringMiddleware"]     # after AuthenticationMiddleware
    urlpatterns = [path("auth/", include("sealring.frameworks.django.urls"))]

    @require("orders:read")
    def orders(request):
        return HttpResponse(request.principal.subject)

The parts: `configuration` reads the setting, `checks` says before the start what is wrong with it, `authentication`
finds the sender, `guard` decides on views, `middleware` puts both in front of them, `endpoints` and `urls` serve the
routes, `users` loads rows of the user model. Django REST framework is imported by `rest_framework` alone, and Django
Ninja by `ninja` alone. WSGI and ASGI are alike: the store and the follower run in one thread of the process.
"""

from __future__ import annotations

try:
    import django  # noqa: F401 - asked for first, so that the answer says what to install
except ModuleNotFoundError as missing:
    raise ModuleNotFoundError(
        f"{__name__} needs the package {missing.name}: pip install django", name=missing.name
    ) from missing

from sealring.frameworks.django.configuration import get_sealring, get_verifier
from sealring.frameworks.django.guard import require
from sealring.frameworks.django.middleware import SealringMiddleware
from sealring.frameworks.django.responses import problem_response

__all__ = ["SealringMiddleware", "get_sealring", "get_verifier", "problem_response", "require"]

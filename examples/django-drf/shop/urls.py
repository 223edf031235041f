"""Where everything hangs."""

from django.urls import include, path
from django.views.generic import TemplateView

from shop.views import Notes

urlpatterns = [
    path("", TemplateView.as_view(template_name="page.html")),
    path("", include("sealring.frameworks.django.health_urls")),
    path("auth/", include("sealring.frameworks.django.urls")),
    path("api/notes", Notes.as_view()),
]

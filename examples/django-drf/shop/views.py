"""Notes of the user who asks."""

from collections import defaultdict

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from sealring.frameworks.django.rest_framework import HasScope

notes: defaultdict[str, list[str]] = defaultdict(list)


class Note(serializers.Serializer):
    """What a page sends."""

    text = serializers.CharField(max_length=200)


class Notes(APIView):
    """`GET` reads all of them, `POST` writes one more."""

    permission_classes = (HasScope("notes"),)

    def get(self, request: Request) -> Response:
        """All of them, oldest first."""
        return Response(notes[request.auth.subject])

    def post(self, request: Request) -> Response:
        """One more."""
        note = Note(data=request.data)
        note.is_valid(raise_exception=True)
        notes[request.auth.subject].append(note.validated_data["text"])
        return Response(status=201)

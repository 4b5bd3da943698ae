"""The OpenAPI document and the pages that show it, from our own files."""

from drf_spectacular.renderers import OpenApiJsonRenderer2
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.permissions import AllowAny


class PlainJsonSchema(OpenApiJsonRenderer2):
    """So that a browser shows the document instead of keeping it as a file."""

    media_type = "application/json"


class OpenApiDocument(SpectacularAPIView):
    """The OpenAPI 3 document. Anybody may read it; what it describes needs a key."""

    authentication_classes = []
    permission_classes = [AllowAny]
    renderer_classes = [PlainJsonSchema]
    throttle_classes = []


class Reference(SpectacularSwaggerSplitView):
    authentication_classes = []
    permission_classes = [AllowAny]
    throttle_classes = []
    url_name = "api_schema"
    title = "Voltledger API"

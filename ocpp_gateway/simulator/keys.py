"""Keys of the demo network's stations: derived, so that the simulator and `manage.py demo` agree without a file."""

import hashlib
import hmac

from django.conf import settings


def demo_key(identity: str) -> str:
    """The key of a demo station: 40 hexadecimal characters from this installation's SECRET_KEY and the identity.

    For demo networks only. Whoever knows SECRET_KEY knows every demo key.
    """
    message = f"demo-station:{identity}".encode()
    return hmac.new(settings.SECRET_KEY.encode(), message, hashlib.sha256).hexdigest()[:40]

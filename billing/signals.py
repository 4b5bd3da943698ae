"""What billing tells the layers above it. A receiver runs inside the transaction and does no more than queue work."""

from django.dispatch import Signal

# `session_id`: the bank has decided about the amount to hold, so that its charge point is to start or to stop.
hold_decided = Signal()

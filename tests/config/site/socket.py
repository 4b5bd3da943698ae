"""A browser's end of a WebSocket. (channels.testing needs daphne, which this project does not use.)"""

import json

from asgiref.testing import ApplicationCommunicator

from config.routing import application_for_websockets

Header = tuple[bytes, bytes]


class BrowserSocket(ApplicationCommunicator):
    """Opens `address` with these headers, as a browser on testserver would."""

    def __init__(self, address: str, *headers: Header) -> None:
        path, _question, query = address.partition("?")
        scope = {
            "type": "websocket",
            "path": path,
            "query_string": query.encode(),
            "headers": [(b"host", b"testserver"), *headers],
            "subprotocols": [],
        }
        super().__init__(application_for_websockets, scope)

    async def connect(self) -> tuple[bool, int | None]:
        """Whether the server accepts, and its close code where it does not."""
        await self.send_input({"type": "websocket.connect"})
        answer = await self.receive_output()
        return answer["type"] == "websocket.accept", answer.get("code")

    async def figures(self) -> dict[str, str]:
        """The next message, with plain spaces."""
        message = await self.receive_output()
        assert message["type"] == "websocket.send"
        return {name: value.replace("\N{NO-BREAK SPACE}", " ") for name, value in json.loads(message["text"]).items()}

    async def say(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        await self.send_input({"type": "websocket.disconnect", "code": 1000})
        await self.wait()

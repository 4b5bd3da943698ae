"""From HTML to PDF/A-3b. The same HTML, assets and library versions give the same bytes."""

import atexit
import threading
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

ASSETS = Path(__file__).resolve().parent.parent / "assets"
# Assets and fonts are addressed relative to these; the schemes are ours alone, so nothing else can be meant by them.
_ASSET_BASE = "asset:///"
_FONT_BASE = "font:///"

# Pango's font map is shared and not made for two threads at once.
_one_at_a_time = threading.Lock()


@dataclass(frozen=True)
class _Engine:
    html: Any
    url_fetcher: Any
    font_configuration: Any
    stylesheet: Any


def html_to_pdf(html: str) -> bytes:
    """Draw a document: PDF/A-3b, tagged, fonts embedded.

    `html` may refer to `data:` URLs and to nothing else; the style sheet may also refer to the fonts and to files in
    invoicing/assets. Whatever else it names is not fetched and not drawn.
    """
    with _one_at_a_time:
        engine = _engine()
        document = engine.html(string=html, base_url=_ASSET_BASE, url_fetcher=engine.url_fetcher)
        pdf = document.write_pdf(
            font_config=engine.font_configuration,
            stylesheets=[engine.stylesheet],
            pdf_variant="pdf/a-3b",
            pdf_tags=True,
        )
    return bytes(pdf)


def _font_folder() -> Path:
    """Inter, as the operator portal's package brings it; found without loading that package."""
    spec = find_spec("unfold")
    if spec is None or spec.origin is None:
        raise RuntimeError("django-unfold, whose fonts documents are set in, is not installed")
    return Path(spec.origin).parent / "static" / "unfold" / "fonts" / "inter"


@cache
def _engine() -> _Engine:
    """Loaded on first use: WeasyPrint opens Debian's Pango and reads the fonts, which a process that never draws, or a
    machine without those libraries, should not have to.
    """
    from weasyprint import CSS, HTML
    from weasyprint.text.fonts import FontConfiguration
    from weasyprint.urls import URLFetcher, URLFetcherResponse

    class OwnAssetsOnly(URLFetcher):
        """Fetches `data:` URLs, and our assets and fonts by name; refuses other files, hosts and redirects."""

        def __init__(self) -> None:
            super().__init__(allowed_protocols=["data"], allow_redirects=False)

        def fetch(self, url: str, headers: dict[str, str] | None = None) -> Any:
            for base, folder in ((_ASSET_BASE, ASSETS), (_FONT_BASE, _font_folder())):
                if url.startswith(base):
                    asset = (folder / url.removeprefix(base)).resolve()
                    if not asset.is_relative_to(folder.resolve()):
                        raise ValueError("not one of our assets")
                    return URLFetcherResponse(url, asset.read_bytes())
            return super().fetch(url, headers)

    fetcher = OwnAssetsOnly()
    fonts = FontConfiguration()
    stylesheet = CSS(
        string=(ASSETS / "document.css").read_text(encoding="utf-8"),
        base_url=_ASSET_BASE,
        url_fetcher=fetcher,
        font_config=fonts,
    )
    # Before the interpreter takes apart what the fonts' temporary folder is removed with.
    atexit.register(_engine.cache_clear)
    return _Engine(html=HTML, url_fetcher=fetcher, font_configuration=fonts, stylesheet=stylesheet)

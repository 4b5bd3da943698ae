from invoicing.models.documents import Document, DocumentLine, DocumentVatTotal
from invoicing.models.numbers import NumberSeries

__all__ = ["Document", "DocumentLine", "DocumentVatTotal", "NumberSeries"]

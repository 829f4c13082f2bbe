"""OData as Outlook's part of Graph understands it: query options, filters, selection, paging."""

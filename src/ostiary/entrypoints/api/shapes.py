"""What all shapes of the API share, and the wrapping of lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from ostiary.core.kernel.cursor import MOST_CURSOR_CHARACTERS
from ostiary.core.kernel.page import Page

I = TypeVar("I")  # noqa: E741 - item of ours
S = TypeVar("S", bound=BaseModel)


class RequestShape(BaseModel):
    """What a caller sends: unknown fields are refused, texts are trimmed."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)


class AnswerShape(BaseModel):
    """What a caller gets, read from a model's attributes of the same names; nothing else gets out."""

    model_config = ConfigDict(from_attributes=True, frozen=True)


class ListQuery(RequestShape):
    """Which page of a list."""

    cursor: Annotated[
        str | None,
        Field(
            max_length=MOST_CURSOR_CHARACTERS,
            description="`next_cursor` of the page before; leave it out for the first page.",
        ),
    ] = None
    limit: Annotated[int, Field(ge=1, le=200, description="Most items wanted; a page may hold fewer.")] = 50


class PageShape(AnswerShape, Generic[S]):
    """One page of a list."""

    items: list[S]
    next_cursor: Annotated[
        str | None,
        Field(description="Gets the next page; null on the last one. A short page is not the last."),
    ] = None


def page_shape(page: Page[I], shape: Callable[[I], S]) -> PageShape[S]:
    """Return a page of ours as the API shows it."""
    return PageShape(items=[shape(item) for item in page.items], next_cursor=page.next_cursor)


OBJECT_ID: Final = Field(min_length=1, max_length=1024, pattern=r"^[A-Za-z0-9_=+.-]+$")
"""Ids of Microsoft's objects as we give them out: safe in a path as they are."""

ObjectId = Annotated[str, OBJECT_ID]

Line = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]*$")]
"""Text of one line: no control characters, which no name has and no database takes."""

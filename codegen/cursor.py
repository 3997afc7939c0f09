"""Lines of tokens, and the cursor with which the text form is read."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from .errors import CodegenError
from .ir import DTYPES

T = TypeVar("T")

#: A name that the text form can hold.
NAME = re.compile(r"[^\W\d][\w.$]*")

_TOKEN = re.compile(
    rf"""
    (?P<space>\s+)
  | (?P<const>(?:true|false|nan|-?inf|-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)
        :(?:{"|".join(DTYPES)})\b)
  | (?P<int>\d+)
  | (?P<name>{NAME.pattern})
  | (?P<punct>->|<-|\+=|[][()@:;,=<+*-])
    """,
    re.VERBOSE,
)


class ParseError(CodegenError):
    """Damaged text: the 1-based line `number`, and what was expected there."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(f"line {number}: {message}")
        self.number = number


@dataclass(slots=True)
class Line:
    """A cursor over the tokens of one line."""

    number: int
    indent: int
    tokens: list[tuple[str, str]]
    position: int = 0

    def fail(self, message: str) -> NoReturn:
        """Raise `ParseError` for this line."""
        raise ParseError(self.number, message)

    def at_indent(self, indent: int) -> None:
        """Fail unless the line is indented by `indent` spaces."""
        if self.indent != indent:
            self.fail(f"expected {indent} spaces of indentation, found {self.indent}")

    def peek(self, ahead: int = 0) -> str:
        """The text of a token from here, '' beyond the end; nothing moves."""
        position = self.position + ahead
        return self.tokens[position][1] if position < len(self.tokens) else ""

    def found(self) -> str:
        """What stands here, for an error message."""
        return repr(self.peek()) if self.peek() else "the end of the line"

    def accept(self, *texts: str) -> str:
        """The next token if it is one of `texts`, else an empty string."""
        text = self.peek()
        if text not in texts:
            return ""
        self.position += 1
        return text

    def expect(self, *texts: str) -> str:
        """The next token, which must be one of `texts`."""
        wanted = " or ".join(map(repr, texts))
        return self.accept(*texts) or self.fail(
            f"expected {wanted}, found {self.found()}"
        )

    def take(self, *kinds: str) -> str:
        """The next token, which must be of one of `kinds`."""
        if self.position == len(self.tokens) or (
            self.tokens[self.position][0] not in kinds
        ):
            self.fail(f"expected {' or '.join(kinds)}, found {self.found()}")
        self.position += 1
        return self.tokens[self.position - 1][1]

    def end(self) -> None:
        """Fail unless nothing is left."""
        if self.position < len(self.tokens):
            self.fail(f"unexpected {self.found()}")

    def separated(self, close: str, item: Callable[[Line], T]) -> tuple[T, ...]:
        """Items between commas up to `close`, which is left; '' is the line's end."""
        items: list[T] = []
        while self.peek() != close:
            if items:
                self.expect(",")
            items.append(item(self))
        return tuple(items)

    def bracketed(self, item: Callable[[Line], T]) -> tuple[T, ...]:
        """Items between brackets."""
        self.expect("[")
        items = self.separated("]", item)
        self.expect("]")
        return items


def read_lines(text: str) -> list[Line]:
    """The lines that hold something, tokenized."""
    lines = []
    for number, raw in enumerate(text.splitlines(), 1):
        content = raw.partition("#")[0].rstrip()
        if content:
            indent = len(content) - len(content.lstrip(" "))
            lines.append(Line(number, indent, _tokens(number, content)))
    return lines


def _tokens(number: int, content: str) -> list[tuple[str, str]]:
    tokens, position = [], 0
    while position < len(content):
        match = _TOKEN.match(content, position)
        if match is None:
            raise ParseError(number, f"unexpected character {content[position]!r}")
        if match.lastgroup is not None and match.lastgroup != "space":
            tokens.append((match.lastgroup, match.group()))
        position = match.end()
    return tokens

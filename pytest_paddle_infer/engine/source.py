"""Python source without what no program can be told by: comments, docstrings and the empty lines around them."""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator


def code_of(source: bytes) -> bytes:
    """Returns the lines of code, each as it stands. What cannot be parsed is returned whole.

    Of one source it is the same below every version of Python, which `ast.dump` and `ast.unparse` are not.
    """
    try:
        tokens = list(tokenize.tokenize(io.BytesIO(source).readline))
        lines = [f"{line}\n" for line in source.decode(tokens[0].string).split("\n")]  # as tokenize counts them
        dropped = set(_docstrings(ast.parse(source), lines))
    except (SyntaxError, ValueError, LookupError, RecursionError, tokenize.TokenError):
        return source
    for token in tokens:
        row, column = token.start
        if token.type == tokenize.COMMENT:
            lines[row - 1] = lines[row - 1][:column].rstrip() + "\n"
        if token.type == tokenize.NL and not lines[row - 1].strip():
            dropped.add(row)
    return "".join(line for row, line in enumerate(lines, start=1) if row not in dropped).rstrip().encode()


def _docstrings(tree: ast.Module, lines: list[str]) -> Iterator[int]:
    """The lines of docstrings that share them with nothing else."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)) or not node.body:
            continue
        first = node.body[0]
        if not isinstance(first, ast.Expr) or not isinstance(first.value, ast.Constant) or not isinstance(first.value.value, str):
            continue
        end = first.end_lineno or first.lineno
        before = lines[first.lineno - 1].encode()[: first.col_offset]
        after = lines[end - 1].encode()[first.end_col_offset :]
        if not before.strip() and (not after.strip() or after.strip().startswith(b"#")):
            yield from range(first.lineno, end + 1)

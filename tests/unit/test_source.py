"""What counts as the code of a source file: neither comments nor docstrings nor empty lines, and everything else."""

from __future__ import annotations

import pytest

from pytest_paddle_infer.engine.source import code_of

CODE = b"""import math


class Net:
    scale = 2

    def forward(self, x):
        text = '''one

        # no comment
        '''
        return (
            x * self.scale
            + math.pi
        )
"""

COMMENTED = b"""# A file.
\"\"\"A module,
and what it is for.
\"\"\"

import math  # for pi


class Net:
    \"\"\"A net.\"\"\"  # it says

    scale = 2  # twice

    # how it runs

    def forward(self, x):
        'Runs it.'
        text = '''one

        # no comment
        '''

        return (
            x * self.scale

            # and a little
            + math.pi
        )
# the end"""


def test_comments_docstrings_and_empty_lines_are_no_code() -> None:
    assert code_of(COMMENTED) == code_of(CODE)
    assert b"pi" in code_of(CODE)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"scale = 2", b"scale = 3"),
        (b"# no comment", b"# a comment"),  # in a string
        (b"one\n\n", b"one\n"),
        (b"            + math.pi\n", b""),
        (b"Net", b"Net2"),
    ],
)
def test_everything_else_is(before: bytes, after: bytes) -> None:
    assert before in CODE
    assert code_of(CODE.replace(before, after)) != code_of(CODE)


@pytest.mark.parametrize(
    "source",
    [b"def f(:  # no Python", b"\xff\xfe", b"# coding: no-such\nx = 1\n", b"x = (1,  # open", b"x = \x00 # none", b"# \xe9\n"],
)
def test_what_is_no_python_is_taken_whole(source: bytes) -> None:
    assert code_of(source) == source


def test_a_docstring_beside_code_is_kept() -> None:
    """Its line holds more than the docstring."""
    assert code_of(b"def f(): 'a'; return 1\n") != code_of(b"def f(): 'a'; return 2\n")
    assert code_of(b"def f(): 'a'\n") != code_of(b"def g(): 'a'\n")


@pytest.mark.parametrize("source", [b"", b"\n", b"\xef\xbb\xbfx = 1\n", b"x = 1\r\ny = 2\r\n", b"x = 1\x0c\ny = 2\n"])
def test_odd_files_keep_their_code(source: bytes) -> None:
    assert (b"x = 1" in code_of(source)) == (b"x = 1" in source)
    assert (b"y = 2" in code_of(source)) == (b"y = 2" in source)

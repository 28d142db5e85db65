"""`python -m pytest_paddle_infer`: says what is here and what the checkpoints mean. It runs none: pytest does."""

from __future__ import annotations

import sys

from pytest_paddle_infer.command.program import main

if __name__ == "__main__":
    sys.exit(main())

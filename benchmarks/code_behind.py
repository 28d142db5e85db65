"""A layer with code behind it, for `layers.py`. A module of its own: `to_static` needs its source and Paddle's names."""

from __future__ import annotations

from paddle import nn


class Behind(nn.Layer):
    """Answers like `inner`, one percent larger."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) * 1.01

"""Writes the exports of these tests below the working directory. Its own process: exporting leaves Paddle's global state changed."""

from __future__ import annotations

import paddle
from paddle import nn
from paddle.static import InputSpec


class Net(nn.Layer):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2D(3, 8, 3, padding=1), nn.BatchNorm2D(8), nn.Linear(8, 4)

    def forward(self, image):
        x = nn.functional.relu(self.norm(self.conv(image)))
        return nn.functional.softmax(self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)))


paddle.seed(7)
net = Net()
net.eval()
for name, shape in (("open", [None, 3, None, None]), ("fixed", [None, 3, 32, 32])):
    paddle.jit.save(net, f"exports/{name}/inference", input_spec=[InputSpec(shape, "float32", "image")])

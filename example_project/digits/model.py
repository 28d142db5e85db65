"""The network. Training, export and the tests all get it from `digit_net`."""

from __future__ import annotations

import paddle
from paddle import nn


class DigitNet(nn.Layer):
    """Three convolutions and a linear layer: float32[N, 1, 32, 32] -> logits float32[N, num_classes]."""

    def __init__(self, num_classes: int = 10) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(1, 16),
            nn.MaxPool2D(2),
            *_block(16, 32),
            nn.MaxPool2D(2),
            *_block(32, 48),
            nn.AdaptiveAvgPool2D(2),
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.3), nn.Linear(48 * 2 * 2, num_classes))

    def forward(self, image: paddle.Tensor) -> paddle.Tensor:
        return self.classifier(self.features(image))


def _block(channels_in: int, channels_out: int) -> tuple[nn.Layer, ...]:
    # batch norm adds a bias of its own
    conv = nn.Conv2D(channels_in, channels_out, kernel_size=3, padding=1, bias_attr=False)
    return conv, nn.BatchNorm2D(channels_out), nn.ReLU()


def digit_net(num_classes: int = 10) -> DigitNet:
    """Returns the network with random weights; `digits.pdparams` holds the trained ones."""
    return DigitNet(num_classes)

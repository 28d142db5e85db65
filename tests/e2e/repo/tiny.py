"""Tiny nets of every kind that the tests need: a few layers, 32 x 32 pixels, five classes."""

import paddle
from paddle import nn


class Tiny(nn.Layer):
    """A classifier with everything that an export treats in its own way: convolution, batch norm, dropout, a linear layer."""

    def __init__(self, channels=8):
        super().__init__()
        self.conv1 = nn.Conv2D(3, channels, 3, stride=2, padding=1, bias_attr=False)
        self.bn1 = nn.BatchNorm2D(channels)
        self.conv2 = nn.Conv2D(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2D(channels)
        self.pool = nn.AdaptiveAvgPool2D(4)
        self.drop = nn.Dropout(0.5)
        self.fc = nn.Linear(channels * 16, 5)

    def forward(self, x):
        x = nn.functional.relu(self.bn1(self.conv1(x)))
        x = nn.functional.relu(self.bn2(self.conv2(x)))
        return self.fc(self.drop(paddle.flatten(self.pool(x), 1)))


class ReadsTraining(nn.Layer):
    """Its forward asks for the mode, so that the mode at the time of the export is baked in."""

    def __init__(self):
        super().__init__()
        self.net = Tiny()

    def forward(self, x):
        y = self.net(x)
        if self.training:
            y = y * 0.5 + paddle.mean(y, axis=1, keepdim=True)
        return y


class TwoHeads(nn.Layer):
    """Two outputs of one shape and one dtype: nothing but their values tells them apart."""

    def __init__(self):
        super().__init__()
        self.net = Tiny()
        self.other = nn.Linear(5, 5)

    def forward(self, x):
        y = self.net(x)
        return y, self.other(y)


class TwoHeadsSwapped(TwoHeads):
    """The same parameters, the outputs the other way round."""

    def forward(self, x):
        y = self.net(x)
        return self.other(y), y


class SquareRoots(Tiny):
    """NaN wherever a score is below -2, out of weights that are numbers all."""

    def forward(self, x):
        return paddle.sqrt(Tiny.forward(self, x) + 2.0)


def tiny(channels=8):
    return Tiny(channels)


def reads_training():
    return ReadsTraining()


def two_heads():
    return TwoHeads()

"""A small net, and the slips that its export may have. Vectors and pictures of 8 pixels: a run takes milliseconds."""

import paddle.nn.functional as F
from paddle import nn


class Net(nn.Layer):
    """float32[N, 3, 8, 8] -> float32[N, 4]. One ReLU for every place; the keywords are what an export may have differently."""

    def __init__(self, approximate=False, gain=1.0, before=1.0, huge=1.0):
        super().__init__()
        self.conv1 = nn.Conv2D(3, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2D(6)
        self.relu = nn.ReLU()
        self.conv2 = nn.Conv2D(6, 6, 3, padding=1)
        self.bn2 = nn.BatchNorm2D(6)
        self.pool = nn.AdaptiveAvgPool2D(2)
        self.flat = nn.Flatten()
        self.drop = nn.Dropout(0.5, mode="downscale_in_infer")
        self.fc1 = nn.Linear(24, 8)
        self.fc2 = nn.Linear(8, 4)
        self.approximate, self.gain, self.before, self.huge = approximate, gain, before, huge

    def forward(self, x):
        x = self.relu(self.bn1(self.conv1(x * self.before)))
        x = self.relu(self.bn2(self.conv2(x)) * self.gain + x)
        x = self.drop(self.flat(self.pool(x)))
        x = F.gelu(self.fc1(x), approximate=self.approximate)
        return self.fc2(x * self.huge * self.huge)


class Scaled(nn.Layer):
    """A layer with code behind it."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return self.inner(x) * 1.01


class Recurrent(nn.Layer):
    """A layer that calls none of its sublayers and returns a nest of tensors; float32[N, 5, 4] -> float32[N, 3]."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(4, 6)
        self.norm = nn.LayerNorm(6)
        self.aside = nn.Linear(6, 2)
        self.fc = nn.Linear(6, 3)

    def forward(self, x):
        x, (hidden, _) = self.lstm(x)
        self.aside(x)
        return self.fc(self.norm(x[:, -1] + hidden[0]))

"""Trains DigitNet on scikit-learn's digits; writes digits.pdparams and images/, the results that are committed.

    $ pip install paddlepaddle==2.6.2 "numpy<2" scikit-learn pillow
    $ python train.py

Saved with numpy 1, because a file that numpy 2 pickled names modules that older numpy lacks. Takes 20 seconds on a
CPU, and on the same machine gives the same bytes again.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import paddle
from digits.model import digit_net
from digits.preprocess import preprocess
from paddle import nn
from PIL import Image
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

if TYPE_CHECKING:
    import numpy.typing as npt

HERE = Path(__file__).resolve().parent
WEIGHTS = HERE / "digits.pdparams"
IMAGES = HERE / "images"
SEED = 2026
EPOCHS = 20
BATCH = 32


def main() -> None:
    data = load_digits()
    pictures = [Image.fromarray(np.round(grey * 255 / 16).astype(np.uint8)) for grey in data.images]
    x = np.concatenate([preprocess(picture) for picture in pictures])
    y = data.target.astype(np.int64)
    train, test = train_test_split(np.arange(len(y)), test_size=0.25, stratify=y, random_state=SEED)

    net = fit(x[train], y[train])
    right = predict(net, x[test]) == y[test]
    accuracy = right.mean()
    print(f"{len(train)} training and {len(test)} test pictures, test accuracy {accuracy:.4f}")
    if accuracy < 0.97:
        raise SystemExit("too low to keep: nothing was written")

    paddle.save(net.state_dict(), str(WEIGHTS))
    IMAGES.mkdir(exist_ok=True)
    for old in IMAGES.glob("*.png"):
        old.unlink()
    # the first of each class that it reads right: the tests guard the deployment, not the accuracy
    for digit in range(10):
        row = next(row for row in test[right] if y[row] == digit)
        pictures[row].save(IMAGES / f"{digit}-{row:04d}.png")


def fit(x: npt.NDArray[np.float32], y: npt.NDArray[np.int64]) -> nn.Layer:
    """Returns the trained network in `eval()`."""
    paddle.seed(SEED)
    order = np.random.default_rng(SEED)
    net = digit_net()
    steps = EPOCHS * (len(y) // BATCH)
    rate = paddle.optimizer.lr.CosineAnnealingDecay(3e-3, T_max=steps)
    optimiser = paddle.optimizer.AdamW(rate, parameters=net.parameters(), weight_decay=0.01)
    loss_of = nn.CrossEntropyLoss()
    for epoch in range(EPOCHS):
        losses = []
        shuffled = order.permutation(len(y))
        for rows in shuffled[: len(y) // BATCH * BATCH].reshape(-1, BATCH):
            loss = loss_of(net(paddle.to_tensor(x[rows])), paddle.to_tensor(y[rows]))
            loss.backward()
            optimiser.step()
            optimiser.clear_grad()
            rate.step()
            losses.append(float(loss))
        print(f"epoch {epoch + 1:2d}/{EPOCHS}  loss {np.mean(losses):.4f}")
    net.eval()
    return net


def predict(net: nn.Layer, x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Returns the class of each row of float32[N, 1, 32, 32]."""
    with paddle.no_grad():
        return net(paddle.to_tensor(x)).numpy().argmax(axis=1)


if __name__ == "__main__":
    main()

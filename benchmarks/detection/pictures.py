"""The synthetic task: pictures of eight classes, the program that turns them into tensors with every slip it can have, and training."""

from __future__ import annotations

import io
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SHORT, SIDE = 36, 32


def picture(kind, number, grey=False, factor=1):
    """A picture of class `kind`: its colour tells two bits, the direction of its stripes the third."""
    random = np.random.RandomState([kind, number])
    height, width = (int(factor * size) for size in random.randint(40, 66, 2))
    y, x = np.mgrid[0:height, 0:width] / (6.0 * factor)
    stripes = np.sin(2 * np.pi * ((y if kind & 1 else x) * random.uniform(0.7, 1.3) + random.uniform()))
    colour = np.array([[200, 90, 50], [60, 180, 80], [60, 90, 200], [180, 170, 60]][kind >> 1], float)
    pixels = colour * (0.75 + 0.25 * stripes[..., None]) + random.normal(0, 12, (height, width, 3))
    if grey:
        pixels = np.repeat(pixels.mean(axis=2, keepdims=True), 3, axis=2)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def bilinear_without_antialias(image, size):
    """What `cv2.resize(INTER_LINEAR)` computes: four neighbours, however much it shrinks."""
    pixels = np.asarray(image, np.float32)
    places = [np.clip((np.arange(n) + 0.5) * m / n - 0.5, 0, m - 1) for n, m in zip(size[::-1], pixels.shape)]
    low = [place.astype(int) for place in places]
    high = [np.minimum(at + 1, m - 1) for at, m in zip(low, pixels.shape)]
    share = [(place - at)[:, None] for place, at in zip(places, low)]
    rows = pixels[low[0]] * (1 - share[0][..., None]) + pixels[high[0]] * share[0][..., None]
    columns = rows[:, low[1]] * (1 - share[1]) + rows[:, high[1]] * share[1]
    return Image.fromarray(np.rint(columns).astype(np.uint8))


def align_corners(image, side):
    """What `paddle.nn.functional.interpolate(mode="bilinear", align_corners=True)` makes of it, rounded."""
    import paddle

    pixels = paddle.to_tensor(np.asarray(image, np.float32).transpose(2, 0, 1)[np.newaxis])
    found = paddle.nn.functional.interpolate(pixels, size=[side, side], mode="bilinear", align_corners=True)
    return Image.fromarray(np.rint(found.numpy()[0].transpose(1, 2, 0)).astype(np.uint8))


def bent(image, gamma):
    """A gamma in 8 bits, as `cv2.LUT` and `Image.point` apply it."""
    return image.point([round(255 * (level / 255) ** gamma) for level in range(256)] * len(image.getbands()))


def inside(size, side, pad):
    """The size of a picture that is fitted into a square of `side`; for "multiple" and "bare" the short side becomes it."""
    ratio = side / (max(size) if pad in ("centre", "corner") else min(size))
    return tuple(round(n * ratio) for n in size)


def prepare(
    image, *, short=SHORT, side=SIDE, channels="RGB", scale=1 / 255, mean=MEAN, std=STD, resize=Image.Resampling.BILINEAR,
    order="resize, crop", square=False, layout="transpose", dtype="float32", through=None, exif=True, convert=True, shift=0,
    mirror=False, batch=False, antialias=True, contiguous=True, formula="plain", pad="", fill=0, after=False, aligned=False, jpeg=0,
    gap=None, gamma=1.0, gamma_first=1.0,
):  # fmt: skip
    """PIL image -> float32[3, side, side]. Every keyword is one slip of preprocessing programs."""
    if exif and image.getexif().get(0x0112) == 6:
        image = image.transpose(Image.Transpose.ROTATE_270)
    if convert and image.mode != "RGB":
        image = image.convert("RGB")
    if gamma_first != 1:
        image = bent(image, gamma_first)
    if jpeg:
        stored = io.BytesIO()
        image.save(stored, "jpeg", quality=jpeg)
        image = Image.open(stored)
    if aligned:
        image, order = align_corners(image, side), ""
    if pad:
        image, order = image.resize(inside(image.size, side, pad), resize), ""
    free = [(whole - part) // 2 if pad == "centre" else 0 for whole, part in zip((side, side), image.size)]
    seen = np.s_[free[1] : free[1] + image.height, free[0] : free[0] + image.width]
    if pad in ("centre", "corner", "multiple"):
        size = (side, side) if pad != "multiple" else tuple(-(-n // 32) * 32 for n in image.size)
        small, image = image, Image.new("RGB", size, (fill,) * 3)
        image.paste(small, tuple(free))
    for step in order.split(", "):
        if step == "resize":
            shorter = min(image.size)
            size = (short, short) if square else tuple(round(n * short / shorter) for n in image.size)
            image = image.resize(size, resize, reducing_gap=gap) if antialias else bilinear_without_antialias(image, size)
        elif step == "crop":
            left, top = (image.width - side) // 2 + shift, (image.height - side) // 2
            image = image.crop((left, top, left + side, top + side))
    if gamma != 1:
        image = bent(image, gamma)
    pixels = np.asarray(image)
    if channels == "BGR":
        pixels = pixels[:, :, ::-1]
    if mirror:
        pixels = pixels[:, ::-1]
    mean, std = np.array(mean, np.float32), np.array(std, np.float32)
    if formula == "folded":  # the same in another order: x * a + b
        pixels = pixels.astype(np.float32) * (np.float32(scale) / std) - mean / std
    else:
        pixels = (pixels.astype(np.float32) * np.float32(scale) - mean) / std
    if after:  # zeros around the picture, as PaddleOCR pads what it has normalised
        around = np.ones(pixels.shape[:2], bool)
        around[seen] = False
        pixels[around] = 0
    if through:
        pixels = pixels.astype(through).astype(np.float32)
    if layout == "transpose":
        pixels = pixels.transpose(2, 0, 1)
    elif layout == "reshape":
        pixels = pixels.reshape(pixels.shape[2], *pixels.shape[:2])
    pixels = pixels.astype(dtype)
    if contiguous:
        pixels = np.ascontiguousarray(pixels)
    return pixels[np.newaxis] if batch else pixels


def program(**slips):
    """A preprocessing program."""
    return partial(prepare, **slips)


def samples(count=8, **how):
    """Pictures of different classes that training never saw."""
    return [picture((3 * i) % 8, 1000 + i, **how) for i in range(count)]


def train(path: Path) -> None:
    """Trains `Tiny` on the task for some seconds with a fixed seed and writes its weights to `path`."""
    import paddle
    from nets import Tiny

    paddle.seed(0)
    net = Tiny(softmax=0)
    x = np.stack([prepare(picture(i % 8, i)) for i in range(320)])
    y = np.arange(320) % 8
    optimizer = paddle.optimizer.Adam(3e-3, parameters=net.parameters())
    random = np.random.RandomState(0)
    for _ in range(90):
        at = random.choice(320, 64, replace=False)
        loss = paddle.nn.functional.cross_entropy(net(paddle.to_tensor(x[at])), paddle.to_tensor(y[at]))
        loss.backward()
        optimizer.step()
        optimizer.clear_grad()
    net.eval()
    with paddle.no_grad():
        right = (net(paddle.to_tensor(x)).numpy().argmax(1) == y).mean()
    assert right > 0.9, f"the net learnt too little: {right}"
    paddle.save(net.state_dict(), str(path))

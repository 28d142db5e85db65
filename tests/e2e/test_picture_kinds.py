"""Pictures of every kind through a whole run, and a broken one among them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sessions import Session, assert_green

KINDS = ("grey", "rgba", "palette", "cmyk", "sixteen_bit", "turned", "bilevel", "webp", "grey_alpha", "tiny")


@pytest.fixture
def pictures(repo: Path) -> Path:
    """One picture of each kind in repo/pictures."""
    directory = repo / "pictures"
    directory.mkdir()
    pixels = np.random.default_rng(1).integers(0, 255, (60, 90, 3), np.uint8)
    base = Image.fromarray(pixels).resize((180, 120))
    base.convert("L").save(directory / "grey.png")
    base.convert("RGBA").save(directory / "rgba.png")
    base.convert("P").save(directory / "palette.png")
    base.convert("CMYK").save(directory / "cmyk.jpg")
    Image.fromarray((np.arange(120 * 180).reshape(120, 180) * 3 % 65536).astype(np.uint16)).save(directory / "sixteen_bit.png")
    exif = Image.Exif()
    exif[0x0112] = 6
    base.save(directory / "turned.jpg", exif=exif)
    base.convert("1").save(directory / "bilevel.png")
    base.save(directory / "webp.webp")
    base.convert("LA").save(directory / "grey_alpha.png")
    base.resize((3, 2)).save(directory / "tiny.bmp")
    return directory


def test_pictures_of_every_kind_are_green_in_both_variants(repo: Path, pictures: Path, run_session: Callable[..., Session]) -> None:
    session = run_session(
        repo, "--paddle-model=tiny", "--paddle-images=pictures", "--paddle-variant=cpu", "--paddle-variant=onednn"
    )
    assert_green(session, 5)
    assert session["::test_parity[cpu]"].properties["paddle_infer.samples"] == str(len(KINDS))


@pytest.mark.parametrize("content", [b"", b"not a picture at all", None], ids=["empty", "garbage", "cut"])
def test_a_broken_picture_among_them_is_one_clear_sentence(
    repo: Path, pictures: Path, run_session: Callable[..., Session], content: bytes | None
) -> None:
    whole = (pictures / "rgba.png").read_bytes()
    (pictures / "broken.png").write_bytes(whole[: len(whole) // 2] if content is None else content)
    session = run_session(repo, "paddle-model/tiny::test_parity[cpu]", "--paddle-images=pictures")
    case = session["::test_parity[cpu]"]
    assert (session.returncode, case.outcome) == (1, "failed"), session.output
    assert "broken.png" in case.cause, case.text
    assert "/pytest_paddle_infer/" not in case.text, case.text

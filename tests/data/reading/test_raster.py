"""PNG, JPEG, BMP, WebP and GIF files, and formats told by content."""

import struct
import zlib

import imagecodecs
import numpy as np
import pytest
from PIL import Image

from pipeline.data.reading import readers
from pipeline.data.reading.frame import Rejected
from tests.data.reading import decoded


def read(path, settings):
    """The pixels of the one image of a file."""
    _, (pixels,) = decoded.read(path, settings)
    return pixels


@pytest.mark.parametrize("suffix", ["png", "bmp", "webp"])
def test_lossless_formats_give_the_pixels_back(tmp_path, dataset, picture, suffix):
    pixels = picture(1, (20, 30, 3))
    Image.fromarray(pixels).save(tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    np.testing.assert_array_equal(read(tmp_path / f"a.{suffix}", dataset()), pixels)


def test_content_decides_not_the_name(tmp_path, dataset, picture):
    pixels = picture(2)
    Image.fromarray(pixels).save(tmp_path / "really_a_png.tif", format="PNG")
    np.testing.assert_array_equal(read(tmp_path / "really_a_png.tif", dataset()), pixels)
    (tmp_path / "text.png").write_text("no picture at all, but long enough to be one")
    with pytest.raises(Rejected, match="looks like text"):
        read(tmp_path / "text.png", dataset())


@pytest.mark.parametrize("shape", [(20, 30), (20, 30, 3), (20, 30, 4)])
def test_16_bit_png_keeps_its_bits(tmp_path, dataset, picture, shape):
    pixels = picture(3, shape, "uint16")
    (tmp_path / "a.png").write_bytes(imagecodecs.png_encode(pixels))
    np.testing.assert_array_equal(read(tmp_path / "a.png", dataset()), pixels[..., :3] if len(shape) == 3 else pixels)


def test_alpha_palette_and_one_bit(tmp_path, dataset, picture):
    pixels = picture(4, (20, 30, 4))
    Image.fromarray(pixels).save(tmp_path / "rgba.png")
    np.testing.assert_array_equal(read(tmp_path / "rgba.png", dataset()), pixels[..., :3])
    Image.fromarray(pixels[..., :2].copy(), mode=None).save(tmp_path / "la.png")
    np.testing.assert_array_equal(read(tmp_path / "la.png", dataset()), pixels[..., 0])
    colours = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), mode=None).convert("P")
    colours.putpalette([10, 20, 30, 200, 100, 0])
    colours.save(tmp_path / "palette.png")
    assert read(tmp_path / "palette.png", dataset())[0].tolist() == [[10, 20, 30], [200, 100, 0]]
    Image.fromarray(pixels[..., 0] > 128).save(tmp_path / "bits.png")
    np.testing.assert_array_equal(read(tmp_path / "bits.png", dataset()), pixels[..., 0] > 128)


def test_exif_orientation_is_applied(tmp_path, dataset):
    pixels = np.zeros((16, 32), np.uint8)
    pixels[:8, :8] = 255  # white corner: top left as stored, top right when row 0 is the right side
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=95)
    turned = read(tmp_path / "a.jpg", dataset())
    assert turned.shape == (32, 16)
    assert turned[:8, 8:].min() > 200
    assert turned[8:].max() < 50


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "webp"])
def test_truncated_files_are_refused(tmp_path, dataset, picture, suffix):
    path = tmp_path / f"a.{suffix}"
    Image.fromarray(picture(5, (64, 64, 3))).save(path)
    path.write_bytes(path.read_bytes()[:-2000])
    with pytest.raises(Rejected, match=r"truncated|damaged"):
        read(path, dataset())


def test_a_bomb_is_refused_unread(tmp_path, dataset):
    path = tmp_path / "bomb.png"
    Image.new("1", (16, 16)).save(path)
    data = bytearray(path.read_bytes())
    struct.pack_into(">II", data, 16, 30000, 30000)  # IHDR: width and height
    struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    path.write_bytes(data)
    with pytest.raises(Rejected, match="more than max_pixels"):
        read(path, dataset())
    with pytest.raises(Rejected, match="which cannot be"):
        read(path, dataset(max_pixels=10**9))


def test_a_film_that_claims_more_pictures_than_it_has_bytes_is_rejected(tmp_path, dataset, picture):
    """Of a moving PNG, whose second chunk says how many there are; the list of a thousand million would fill memory."""
    frames = [Image.fromarray(picture(i, (8, 12))) for i in range(2)]
    frames[0].save(tmp_path / "a.png", save_all=True, append_images=frames[1:])
    data = (tmp_path / "a.png").read_bytes()
    place = data.index(b"acTL")
    chunk = b"acTL" + struct.pack(">II", 2**30, 0)
    lie = data[:place] + chunk + struct.pack(">I", zlib.crc32(chunk)) + data[place + 16 :]
    (tmp_path / "b.png").write_bytes(lie)
    with pytest.raises(Rejected, match=r"claims 1073741824 pictures in \d+ bytes, which cannot be"):
        readers.headers(str(tmp_path / "b.png"), "b.png", dataset(pages="all"))


def test_moving_pngs_of_one_bit_are_read_as_they_look_and_those_of_16_are_refused(tmp_path, dataset, picture):
    bits = [Image.fromarray(picture(i, (8, 12)) > 128) for i in range(2)]
    bits[0].save(tmp_path / "a.png", save_all=True, append_images=bits[1:])
    headers = readers.headers(str(tmp_path / "a.png"), "a.png", dataset(pages="all"))
    for header, frame, expected in zip(headers, readers.frames(headers, dataset(pages="all")), bits, strict=True):
        assert header.dtype == frame.pixels.dtype.name == "uint8"
        np.testing.assert_array_equal(frame.pixels[..., 0] > 0, np.asarray(expected))
    deep = [Image.fromarray(picture(i, (8, 12), "uint16")) for i in range(2)]
    deep[0].save(tmp_path / "b.png", save_all=True, append_images=deep[1:])
    with pytest.raises(Rejected, match="moving PNG of 2 pictures of 16 bits"):
        readers.headers(str(tmp_path / "b.png"), "b.png", dataset())


@pytest.mark.parametrize("kind", ["gif", "png", "webp"])
def test_a_single_picture_is_an_image_and_a_film_has_pages(tmp_path, dataset, picture, kind):
    one, film = f"one.{kind}", f"film.{kind}"
    options = {"lossless": True} if kind == "webp" else {}
    frames = [Image.fromarray(picture(i, (8, 12)) & 0xF0) for i in range(4)]
    frames[0].save(tmp_path / one, **options)
    (header,) = readers.headers(str(tmp_path / one), one, dataset())
    assert (header.source, header.index, header.shape[:2]) == (one, None, (8, 12))
    assert (read(tmp_path / one, dataset()).reshape(8, 12, -1) == np.asarray(frames[0])[..., None]).all()
    frames[0].save(tmp_path / film, save_all=True, append_images=frames[1:], **options)
    headers = readers.headers(str(tmp_path / film), film, dataset(pages="all"))
    assert [(h.source, h.pages, h.shape) for h in headers] == [(f"{film}[{i}]", 4, (8, 12, 3)) for i in range(4)]
    for frame, expected in zip(readers.frames(headers, dataset(pages="all")), frames, strict=True):
        np.testing.assert_array_equal(frame.pixels, np.repeat(np.asarray(expected)[..., None], 3, axis=2))
    with pytest.raises(Rejected, match=r"has 4 page\(s\), so no page 4"):
        readers.headers(str(tmp_path / film), film, dataset(pages=4))

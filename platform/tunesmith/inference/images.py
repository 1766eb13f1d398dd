"""Pictures to pixels of the size and scale that a model was trained on."""

import io
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import ImagePreparation
from tunesmith.errors import InputError

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["Pixels", "decoding_effort", "image_rows", "read_picture", "read_pixels"]

Pixels = npt.NDArray[np.float32]
"""Grey pixels ``float32 [height, width]``, 0 the background."""

# A JPEG is decoded at a fraction of its size; the others whole, a PNG of one colour from few bytes.
_MOST_PIXELS = {"PNG": 4_000_000, "JPEG": 64_000_000, "WEBP": 16_000_000}
LONGEST_SIDE = 512


def image_rows(
    pixels: npt.NDArray[Any], preparation: ImagePreparation
) -> npt.NDArray[np.float32] | npt.NDArray[np.uint8]:
    """Return pictures of the right size and scale as the rows of a model's input.

    Parameters
    ----------
    pixels
        ``[pictures, height, width]``, from 0 to `ImagePreparation.largest`.

    Returns
    -------
    numpy.ndarray
        ``uint8`` where the preparation asks for whole numbers, else ``float32``;
        ``[pictures, height * width]`` where it asks for flat rows, else as given.
    """
    rows = pixels.reshape(len(pixels), -1) if preparation.flat else pixels
    if preparation.whole_numbers:
        whole: npt.NDArray[np.uint8] = np.rint(rows).astype(np.uint8)
        return whole
    numbers: npt.NDArray[np.float32] = rows.astype(np.float32)
    return numbers


def read_pixels(given: Any, preparation: ImagePreparation) -> Pixels:
    """Return a picture given as ``{"pixels": rows of numbers, "largest": number}``.

    0 is the background. `largest`, the value of a full stroke, is the model's own where it is left
    out. A picture of another size is resized.

    Raises
    ------
    InputError
        When it is not a picture or a number is out of range.
    """
    if not isinstance(given, Mapping) or "pixels" not in given:
        message = 'An image is an object such as {"pixels": [[0, 0.5], [1, 0]], "largest": 1}.'
        raise InputError(message)
    largest = given.get("largest", preparation.largest)
    if isinstance(largest, bool) or not isinstance(largest, int | float) or not 0 < largest < 1e9:
        message = "`largest` is not a positive number."
        raise InputError(message)
    try:
        with np.errstate(over="ignore"):  # too large a number becomes infinite, refused below
            pixels = np.array(given["pixels"], dtype=np.float32)
    except (TypeError, ValueError, OverflowError):
        message = "`pixels` is not a table of numbers with rows of equal length."
        raise InputError(message) from None
    height, width = preparation.height, preparation.width
    if pixels.ndim == 1 and pixels.size == height * width:
        pixels = pixels.reshape(height, width)
    if pixels.ndim != 2 or pixels.size == 0 or max(pixels.shape) > max(LONGEST_SIDE, height, width):
        message = (
            f"`pixels` has the shape {list(pixels.shape)}; the model reads [{height}, {width}] and "
            f"resizes other sizes up to {LONGEST_SIDE}."
        )
        raise InputError(message)
    if not np.isfinite(pixels).all() or pixels.min() < 0 or pixels.max() > largest:
        message = f"`pixels` has numbers outside 0 to {largest:g}."
        raise InputError(message)
    return _fit(pixels, float(largest), preparation)


def _fit(pixels: Pixels, largest: float, preparation: ImagePreparation) -> Pixels:
    """Return pixels of the model's size and scale, untouched where they have both."""
    if pixels.shape != (preparation.height, preparation.width):
        from PIL import Image

        size = (preparation.width, preparation.height)
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BOX))
    if largest != preparation.largest:
        pixels = pixels * np.float32(preparation.largest / largest)
    return pixels


def read_picture(body: bytes, preparation: ImagePreparation) -> Pixels:
    """Return the pixels of a PNG, JPEG or WebP file.

    Grey, upright, dark on light turned to light on dark, resized.

    Raises
    ------
    InputError
        ``not-picture``, ``too-large`` above the most pixels of its format, or ``damaged``.
    """
    from PIL import Image, ImageOps

    kind = _format(body)
    if kind is None:
        message = f"The image is not a file of one of the kinds {', '.join(_MOST_PIXELS)}."
        raise InputError(message, "not-picture")
    try:
        with Image.open(io.BytesIO(body), formats=[kind]) as opened:
            _check_size(opened, kind)
            # Of a photograph no more is decoded than is needed, at an eighth of its size or above.
            opened.draft("L", (LONGEST_SIDE, LONGEST_SIDE))
            picture = ImageOps.exif_transpose(opened)
            if "A" in picture.getbands() or "transparency" in picture.info:
                flat = Image.new("RGBA", picture.size, "white")
                flat.alpha_composite(picture.convert("RGBA"))
                grey = flat.convert("L")
            else:
                grey = picture.convert("L")
    except InputError:
        raise
    except Image.DecompressionBombError:
        raise _too_large(kind) from None
    # Whatever Pillow raises is about this file.
    except Exception:  # noqa: BLE001
        message = f"The {kind} file is damaged."
        raise InputError(message, "damaged") from None
    pixels = np.asarray(grey, dtype=np.float32)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if edge.mean() > 127:  # drawn dark on light; models are trained light on dark
        pixels = 255 - pixels
    return _fit(pixels, 255.0, preparation)


def decoding_effort(body: bytes) -> float:
    """Return how much work a picture is by its header: 1 for the largest of its format.

    Nothing is decoded. What is no picture is no work.
    """
    from PIL import Image

    kind = _format(body)
    if kind is None:
        return 0.0
    try:
        with Image.open(io.BytesIO(body), formats=[kind]) as opened:
            return math.prod(opened.size) / _MOST_PIXELS[kind]
    # What is wrong with it is said when it is decoded.
    except Exception:  # noqa: BLE001
        return 0.0


def _check_size(picture: "Image.Image", kind: str) -> None:
    if math.prod(picture.size) > _MOST_PIXELS[kind]:
        raise _too_large(kind)


def _too_large(kind: str) -> InputError:
    message = f"The picture has more than {_MOST_PIXELS[kind]:,} pixels."
    return InputError(message, "too-large")


def _format(body: bytes) -> str | None:
    """Return Pillow's name of a picture's format by its first bytes."""
    if body.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if body.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "WEBP"
    return None

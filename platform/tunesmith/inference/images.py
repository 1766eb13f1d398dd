"""Pictures to pixels of the size and scale that a model was trained on."""

import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tunesmith.artifacts.preparation import ImagePreparation
from tunesmith.errors import InputError

__all__ = ["PNG_START", "Pixels", "image_rows", "read_pixels", "read_png"]

Pixels = npt.NDArray[np.float32]
"""Grey pixels ``float32 [height, width]``, 0 the background."""

PNG_START = b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 4_000_000
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


def read_png(body: bytes, preparation: ImagePreparation) -> Pixels:
    """Return a PNG file's pixels: grey, dark on light turned to light on dark, resized.

    Raises
    ------
    InputError
        ``not-png``, ``too-large`` above four million pixels, or ``damaged``.
    """
    from PIL import Image, UnidentifiedImageError

    if not body.startswith(PNG_START):
        message, reason = "The image is not a PNG file.", "not-png"
        raise InputError(message, reason)
    try:
        with Image.open(io.BytesIO(body), formats=["PNG"]) as picture:
            if math.prod(picture.size) > MOST_PIXELS:
                message, reason = f"The picture has more than {MOST_PIXELS:,} pixels.", "too-large"
                raise InputError(message, reason)
            if "A" in picture.getbands() or "transparency" in picture.info:
                flat = Image.new("RGBA", picture.size, "white")
                flat.alpha_composite(picture.convert("RGBA"))
                grey = flat.convert("L")
            else:
                grey = picture.convert("L")
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError):
        message, reason = "The PNG file is damaged.", "damaged"
        raise InputError(message, reason) from None
    pixels = np.asarray(grey, dtype=np.float32)
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    if edge.mean() > 127:  # drawn dark on light; models are trained light on dark
        pixels = 255 - pixels
    return _fit(pixels, 255.0, preparation)

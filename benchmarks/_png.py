"""Convert figures to PNG images, and PNG images to data URLs."""

import base64
import io

from PIL import Image


def to_png(figure, dpi, colors):
    """Return a figure as a PNG image with a palette, a third of the usual size."""
    full_color, image = io.BytesIO(), io.BytesIO()
    figure.savefig(full_color, dpi=dpi)
    picture = Image.open(full_color).convert("RGB").quantize(colors)
    picture.save(image, "png", optimize=True)
    return image.getvalue()


def embed(png):
    """Return a PNG image as a data URL, to embed it in a page."""
    return "data:image/png;base64," + base64.b64encode(png).decode()

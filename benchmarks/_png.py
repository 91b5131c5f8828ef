"""Figures as PNG images: in files, and within pages."""

import base64
import io

from PIL import Image


def to_png(figure, dpi, colors):
    """Return a figure as a PNG image with a palette, for a third of the bytes."""
    drawn, image = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, dpi=dpi)
    picture = Image.open(drawn).convert("RGB").quantize(colors)
    picture.save(image, "png", optimize=True)
    return image.getvalue()


def embed(png):
    """Return a PNG image as a page's address of it."""
    return "data:image/png;base64," + base64.b64encode(png).decode()

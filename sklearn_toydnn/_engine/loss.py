"""Losses: their classes, fingerprints and the targets and outputs that they expect."""

from .fingerprint import NoFingerprint, fingerprint
from .tensorflow import keras

# isort: split
# Files saved by Keras refer to a loss function by the name of this class.
from keras.src.losses.losses import LossFunctionWrapper

# Losses that compare all outputs of a row, and are meaningless for a single output.
_LOSSES_OVER_CLASSES = {"kldivergence", "cosinesimilarity"}


def loss_class(loss: object, dtype: str) -> keras.Loss | type:
    """Return the class of a loss, or else an instance that is or wraps the loss."""
    if isinstance(loss, type):
        if not issubclass(loss, keras.Loss):
            raise ValueError(f"{loss} is not a subclass of keras.Loss")
        return loss
    cls = getattr(keras.losses, loss, None) if isinstance(loss, str) else None
    if isinstance(cls, type) and issubclass(cls, keras.Loss):
        return cls
    loss = keras.losses.get(loss)
    if isinstance(loss, keras.Loss):
        return loss
    if getattr(loss, "__module__", "").startswith("keras."):
        # Short names refer to functions in Keras, each of which has a class.
        name = loss.__name__.replace("_", "")
        for cls in vars(keras.losses).values():
            if isinstance(cls, type) and cls.__name__.lower() == name:
                return cls
    return LossFunctionWrapper(loss, dtype=dtype)


def fingerprint_loss(loss: keras.Loss, params: dict) -> tuple | None:
    """Return the fingerprint of a loss by its name in Keras, or None without a name.

    Do not call it with an instance from a user, which may have been modified. The loss
    must be new, created with `params` from a name, class or function.
    """
    source = loss.fn if type(loss) is LossFunctionWrapper else type(loss)
    try:
        return fingerprint([source, loss.dtype, params])
    except NoFingerprint:
        return None


def requires_output_per_class(loss: keras.Loss | type) -> bool:
    """Return whether a loss, or a class of losses, requires one output per class."""
    return (
        "categorical" in _class_name(loss) or _class_name(loss) in _LOSSES_OVER_CLASSES
    )


def takes_class_indices(loss: keras.Loss | type) -> bool:
    """Return whether a loss of three or more classes expects class indices."""
    return _class_name(loss).startswith("sparse")


def _class_name(loss):
    return (loss if isinstance(loss, type) else type(loss)).__name__.lower()


def takes_logits(loss: keras.Loss) -> bool:
    """Return whether a loss applies a sigmoid or softmax to the output."""
    if hasattr(loss, "from_logits"):
        return bool(loss.from_logits)
    keywords = getattr(getattr(loss, "fn", None), "keywords", {})  # functools.partial
    keywords = keywords | getattr(loss, "_fn_kwargs", {})  # LossFunctionWrapper
    return bool(keywords.get("from_logits"))

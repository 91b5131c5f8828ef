"""Losses: what the parameter names in Keras, and what is known of it."""

from .fingerprint import NoFingerprint, fingerprint
from .tensorflow import keras

# isort: split
# By this name Keras finds the loss of a function in the files that it saves.
from keras.src.losses.losses import LossFunctionWrapper

# Losses that compare all outputs of a row: a single one has nothing to teach.
_LOSSES_OVER_CLASSES = {"kldivergence", "cosinesimilarity"}


def loss_class(loss: object, dtype: str) -> keras.Loss | type:
    """Return the class of a loss, or an instance that is or wraps what is given."""
    if isinstance(loss, type):
        if not issubclass(loss, keras.Loss):
            raise ValueError(f"{loss} is no class of losses")
        return loss
    named = getattr(keras.losses, loss, None) if isinstance(loss, str) else None
    if isinstance(named, type) and issubclass(named, keras.Loss):
        return named
    loss = keras.losses.get(loss)
    if isinstance(loss, keras.Loss):
        return loss
    if getattr(loss, "__module__", "").startswith("keras."):
        # Keras' short names give functions; those of its own have a class each.
        name = loss.__name__.replace("_", "")
        for cls in vars(keras.losses).values():
            if isinstance(cls, type) and cls.__name__.lower() == name:
                return cls
    return LossFunctionWrapper(loss, dtype=dtype)


def fingerprint_loss(loss: keras.Loss, params: dict) -> tuple | None:
    """Return the fingerprint of a loss by its name in Keras; None if it has none.

    The loss has just been made of a name, class or function, with these parameters: an
    instance of someone else's may have been changed since it was made.
    """
    maker = loss.fn if type(loss) is LossFunctionWrapper else type(loss)
    try:
        return fingerprint([maker, loss.dtype, params])
    except NoFingerprint:
        return None


def compares_classes(loss: keras.Loss | type) -> bool:
    """Return whether a loss, or a class of losses, asks for an output per class."""
    return (
        "categorical" in _class_name(loss) or _class_name(loss) in _LOSSES_OVER_CLASSES
    )


def takes_numbers(loss: keras.Loss | type) -> bool:
    """Return whether a loss of many classes compares with their numbers."""
    return _class_name(loss).startswith("sparse")


def _class_name(loss):
    return (loss if isinstance(loss, type) else type(loss)).__name__.lower()


def takes_logits(loss: keras.Loss) -> bool:
    """Return whether a loss applies a sigmoid or softmax of its own to the output."""
    if hasattr(loss, "from_logits"):
        return bool(loss.from_logits)
    keywords = getattr(getattr(loss, "fn", None), "keywords", {})  # of a partial
    keywords = keywords | getattr(loss, "_fn_kwargs", {})  # of a wrapped function
    return bool(keywords.get("from_logits"))

"""Joins all weights in one variable, if the optimizer works element by element.

Such an optimizer makes the same updates to one long variable as to many short ones. One
variable takes less time to trace, compile and run. Outside of the program, weights and
optimizer state have the layout of Keras.
"""

import numpy as np

from ..optimizer import OptimizerSpec
from ..tensorflow import keras

_MAX_NUMBERS = 2**12  # with more weights, the update of one variable takes longer


class Packing:
    """A mapping of a list of arrays to a shorter list of concatenated arrays."""

    def __init__(self, shapes: list, parts: list[list[int]]):
        self.shapes, self.parts = shapes, parts  # parts: indices

    @classmethod
    def identity(cls, variables):
        """Return a packing that leaves each variable separate."""
        return cls([v.shape for v in variables], [[i] for i in range(len(variables))])

    def pack(self, arrays: list) -> list:
        """Return the shorter list, of concatenated arrays."""
        return [
            np.concatenate([arrays[i].ravel() for i in part])
            if len(part) > 1
            else arrays[part[0]]
            for part in self.parts
        ]

    def unpack(self, packed: list) -> list:
        """Return the longer list, of views of the packed arrays."""
        arrays = [None] * len(self.shapes)
        for array, part in zip(packed, self.parts, strict=True):
            sizes = [int(np.prod(self.shapes[i])) for i in part]
            pieces = np.split(array.ravel(), np.cumsum(sizes)[:-1])
            for i, piece in zip(part, pieces, strict=True):
                arrays[i] = piece.reshape(self.shapes[i])
        return arrays


def lay_out(
    optimizer: keras.Optimizer, spec: OptimizerSpec, weights: list[keras.Variable]
) -> tuple[list[keras.Variable], Packing, Packing]:
    """Build an optimizer for the variables of layers.

    This sets the weights to random numbers, so that copies of them in the optimizer
    state can be recognized. Returns the variables that the optimizer updates, and the
    packings of the weights and of the optimizer state.
    """
    generator = np.random.default_rng(0)
    for variable in weights:
        variable.assign(generator.random(variable.shape))
    n_numbers = sum(v.value.shape.num_elements() for v in weights)
    if not spec.is_elementwise or n_numbers > _MAX_NUMBERS:
        optimizer.build(weights)
        return weights, *map(Packing.identity, (weights, optimizer.variables))
    packing = Packing([v.shape for v in weights], [[*range(len(weights))]])
    [values] = packing.pack([v.numpy() for v in weights])
    flat = keras.Variable(values, dtype=weights[0].dtype, name="weights")
    optimizer.build([flat])
    unpacked_optimizer = spec.make_default()
    unpacked_optimizer.build(weights)
    state_packing = _pack_state(optimizer, [flat], unpacked_optimizer, weights)
    return [flat], packing, state_packing


def _pack_state(optimizer, variables, unpacked_optimizer, weights):
    """Return the packing of the state of an optimizer."""
    slots = _slots(optimizer, variables)
    unpacked_slots = _slots(unpacked_optimizer, weights)
    parts = {slot: unpacked_slots[name] for name, (slot,) in slots.items()}
    in_slots = {i for part in parts.values() for i in part}
    n_unpacked = len(unpacked_optimizer.variables)
    others = (i for i in range(n_unpacked) if i not in in_slots)
    return Packing(
        [v.shape for v in unpacked_optimizer.variables],
        [parts.get(i) or [next(others)] for i in range(len(optimizer.variables))],
    )


def _slots(optimizer, weights):
    """Return the slots of an optimizer: its lists of one variable per weight.

    The result maps the names of attributes to indices in the optimizer state.
    """
    indices = {id(v): i for i, v in enumerate(optimizer.variables)}
    slots = {
        name: [indices.get(id(v)) for v in value]
        for name, value in vars(optimizer).items()
        if isinstance(value, list) and len(value) == len(weights)
    }
    # A list of one variable is a slot only if the variable is as long as the weights.
    return {
        name: slot
        for name, slot in slots.items()
        if None not in slot
        and all(
            optimizer.variables[i].shape == v.shape
            for i, v in zip(slot, weights, strict=True)
        )
    }

"""All weights end to end in one variable, where the optimizer does not tell them apart.

An optimizer that works element by element does the same to one long variable as to many
short ones, and there is less to trace, to compile and to run. Outside of the program,
weights and optimizer state are as Keras has them.
"""

import numpy as np

from ..optimizer import OptimizerSpec
from ..tensorflow import keras

_MAX_NUMBERS = 2**12  # of more, laid end to end, the update takes longer


class Packing:
    """Which arrays of a list lie end to end in which of a shorter list."""

    def __init__(self, shapes: list, parts: list[list[int]]):
        self.shapes, self.parts = shapes, parts  # parts: indices

    @classmethod
    def of_each(cls, variables):
        """Leave each where it is."""
        return cls([v.shape for v in variables], [[i] for i in range(len(variables))])

    def pack(self, arrays: list) -> list:
        """Return the shorter list."""
        return [
            np.concatenate([arrays[i].ravel() for i in part])
            if len(part) > 1
            else arrays[part[0]]
            for part in self.parts
        ]

    def unpack(self, packed: list) -> list:
        """Return the longer list: views of the packed arrays."""
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
    """Build an optimizer for these weights, the variables of layers.

    The weights become random: what equals one of them in the optimizer's state is a
    copy of it. Returns the variables that the optimizer updates, and how the weights
    and the state are packed in them.
    """
    generator = np.random.default_rng(0)
    for variable in weights:
        variable.assign(generator.random(variable.shape))
    n_numbers = sum(v.value.shape.num_elements() for v in weights)
    if not spec.is_elementwise or n_numbers > _MAX_NUMBERS:
        optimizer.build(weights)
        return weights, *map(Packing.of_each, (weights, optimizer.variables))
    packing = Packing([v.shape for v in weights], [[*range(len(weights))]])
    [values] = packing.pack([v.numpy() for v in weights])
    flat = keras.Variable(values, dtype=weights[0].dtype, name="weights")
    optimizer.build([flat])
    as_in_keras = spec.make_default()
    as_in_keras.build(weights)
    return [flat], packing, _pack_state(optimizer, [flat], as_in_keras, weights)


def _pack_state(optimizer, variables, as_in_keras, weights):
    slots, slots_in_keras = _slots(optimizer, variables), _slots(as_in_keras, weights)
    parts = {slot: slots_in_keras[name] for name, (slot,) in slots.items()}
    in_slots = {i for part in parts.values() for i in part}
    others = (i for i in range(len(as_in_keras.variables)) if i not in in_slots)
    return Packing(
        [v.shape for v in as_in_keras.variables],
        [parts.get(i) or [next(others)] for i in range(len(optimizer.variables))],
    )


def _slots(optimizer, weights):
    """Return the lists of variables, one for each weight, that an optimizer keeps.

    By the names of its attributes, as indices in its state.
    """
    indices = {id(v): i for i, v in enumerate(optimizer.variables)}
    slots = {
        name: [indices.get(id(v)) for v in value]
        for name, value in vars(optimizer).items()
        if isinstance(value, list) and len(value) == len(weights)
    }
    # One by itself is a slot if it is as long as the weights: not the rate.
    return {
        name: slot
        for name, slot in slots.items()
        if None not in slot
        and all(
            optimizer.variables[i].shape == v.shape
            for i, v in zip(slot, weights, strict=True)
        )
    }

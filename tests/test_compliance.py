"""The estimator checks of scikit-learn and imbalanced-learn."""

import pytest
from imblearn.utils import estimator_checks as sampler_checks
from sklearn.base import is_classifier
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import (
    check_sample_weight_equivalence_on_dense_data,
    parametrize_with_checks,
)

from sklearn_toydnn import DNNClassifier, GaussianAugmenter, GaussianNoise


def expected_failures(estimator):
    if not isinstance(estimator, DNNClassifier):
        return {}
    return {
        "check_sample_weight_equivalence_on_dense_data": "repeated points can be in "
        "different mini-batches, a weighted point cannot; as in SGDClassifier"
    }


@parametrize_with_checks(
    [DNNClassifier(), GaussianNoise(), GaussianAugmenter(random_state=0)],
    expected_failed_checks=expected_failures,
)
def test_scikit_learn_checks(estimator, check):
    check(estimator)


# `parametrize_with_checks` passes a generator, which pytest 9 deprecates.
@pytest.mark.parametrize(
    "estimator, check",
    list(
        sampler_checks.estimator_checks_generator(
            GaussianAugmenter(random_state=0), legacy=True
        )
    ),
    ids=sampler_checks._get_check_estimator_ids,
)
def test_imbalanced_learn_checks(estimator, check):
    check(estimator)


def test_a_weight_is_a_repetition_in_full_batches():
    full_batches = DNNClassifier(
        batch_size=-1,
        dropout_rate=0.0,
        dtype="float64",
        loss__reduction="mean_with_sample_weight",
    )
    check_sample_weight_equivalence_on_dense_data("DNNClassifier", full_batches)


def test_the_sample_weight_check_fails_with_mini_batches():
    one_step = DNNClassifier(batch_size=1)
    with pytest.raises(AssertionError, match="not equivalent to fitting with removed"):
        check_sample_weight_equivalence_on_dense_data("DNNClassifier", one_step)


def test_estimator_tags():
    tags = get_tags(DNNClassifier())
    assert is_classifier(DNNClassifier())
    assert tags.target_tags.required and tags.classifier_tags.multi_class
    assert not tags.input_tags.sparse and not tags.input_tags.allow_nan
    assert not get_tags(GaussianNoise()).input_tags.sparse
    assert get_tags(GaussianAugmenter()).sampler_tags.sample_indices

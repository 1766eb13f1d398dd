import numpy as np

from tunesmith.evaluation.label_errors import confident_joint, confident_labels, estimated_errors

# Mean probability of the own label: 0.75 for class 0, 0.6 for class 1.
PROBABILITIES = np.array([[0.9, 0.1], [0.6, 0.4], [0.3, 0.7], [0.8, 0.2], [0.1, 0.9]])
GIVEN = np.array([0, 0, 1, 1, 1])


def test_a_class_is_confident_from_the_mean_of_its_own_items():
    assert confident_labels(PROBABILITIES, GIVEN).tolist() == [0, -1, 1, 0, 1]


def test_the_joint_has_the_sizes_of_the_given_labels():
    joint = confident_joint(PROBABILITIES, GIVEN)
    assert joint.tolist() == [[2.0, 0.0], [1.0, 2.0]]
    assert estimated_errors(PROBABILITIES, GIVEN) == 1


def test_a_class_without_items_is_never_confident():
    probabilities = np.column_stack([PROBABILITIES, np.zeros(5)])
    assert confident_labels(probabilities, GIVEN).tolist() == [0, -1, 1, 0, 1]
    assert confident_joint(probabilities, GIVEN).sum() == 5

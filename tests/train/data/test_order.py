import pytest

from container.train.data.order import TrainOrder, in_order


def test_an_epoch_sees_every_picture_once_in_an_order_of_its_own():
    order = TrainOrder(count=50, batch_size=8, seed=3)
    first = [key for batch in order.share(1) for key in batch]
    second = [key for batch in order.share(2) for key in batch]
    assert sorted(first) == [(1, index) for index in range(50)]
    assert sorted(second) == [(2, index) for index in range(50)]
    assert [index for _, index in first] != [index for _, index in second]
    assert TrainOrder(count=50, batch_size=8, seed=3).share(1) == order.share(1)
    assert TrainOrder(count=50, batch_size=8, seed=4).share(1) != order.share(1)


@pytest.mark.parametrize(
    ("count", "size", "batches"), [(9, 4, [4, 4]), (10, 4, [4, 4, 2]), (8, 4, [4, 4]), (3, 1, [1, 1, 1]), (1, 4, [])]
)
def test_no_batch_of_one_reaches_batch_normalisation(count: int, size: int, batches: list[int]):
    order = TrainOrder(count=count, batch_size=size, seed=0)
    assert [len(batch) for batch in order.share(1)] == batches
    assert order.steps() == len(batches)


def test_an_evaluation_goes_through_the_split_as_it_is():
    assert [list(batch) for batch in in_order(7, 3)] == [[0, 1, 2], [3, 4, 5], [6]]
    assert in_order(0, 3) == []

"""Work that is done a slice at a time."""

import threading

import pytest

from mnist_models.explain.slices import Sliced


def steps(count, done):
    for step in range(1, count + 1):
        done.append(step)
        yield step / count
    return "all of it"


def test_work_rests_until_somebody_goes_on_with_it():
    done = []
    work = Sliced(lambda: steps(3, done))
    assert (done, work.share, work.result, work.is_over) == ([], 0.0, None, False)
    work.go_on(0)
    assert (done, work.share, work.is_over) == ([1], 1 / 3, False)


def test_the_result_is_there_when_it_is_over_and_nothing_is_done_twice():
    done = []
    work = Sliced(lambda: steps(3, done))
    work.go_on(60)
    work.go_on(60)
    assert (done, work.share, work.result, work.is_over) == ([1, 2, 3], 1.0, "all of it", True)


def test_work_that_was_done_before_is_over_and_never_begun():
    work = Sliced(lambda: pytest.fail("begun"), known="all of it")
    assert (work.share, work.result, work.is_over) == (1.0, "all of it", True)
    work.go_on(60)
    assert work.result == "all of it"


def test_two_who_wait_do_not_work_at_the_same_time():
    entered, go = threading.Event(), threading.Event()

    def slow():
        entered.set()
        assert go.wait(30)
        yield 0.5
        return "once"

    work = Sliced(slow)
    first = threading.Thread(target=work.go_on, args=(0,))
    first.start()
    assert entered.wait(30)
    work.go_on(60)  # comes back at once: the first one is at work
    assert not work.is_over and work.share == 0
    go.set()
    first.join(30)
    assert work.share == 0.5
    work.go_on(60)
    assert work.result == "once"


def test_work_that_failed_says_so_and_is_begun_anew():
    begun = []

    def failing_once():
        begun.append(len(begun))
        yield 0.5
        if len(begun) == 1:
            raise MemoryError
        return "at last"

    work = Sliced(failing_once)
    with pytest.raises(MemoryError):
        work.go_on(60)
    assert (work.is_over, work.share) == (False, 0.0)
    work.go_on(60)
    assert (work.result, begun) == ("at last", [0, 1])

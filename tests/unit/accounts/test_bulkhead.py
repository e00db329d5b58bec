import os
import sys
import threading
from datetime import timedelta

import pytest

from accounts.credentials.bulkhead import Bulkhead
from accounts.errors import Busy

SHORTLY = timedelta(milliseconds=5)


def test_a_full_bulkhead_says_busy_and_recovers():
    """When every turn is taken a call waits briefly and raises Busy; afterwards turns are free again."""
    bulkhead = Bulkhead(1, SHORTLY, named="test")
    started, go_on = threading.Event(), threading.Event()

    def hold():
        started.set()
        go_on.wait()

    holder = threading.Thread(target=bulkhead.run, args=(hold,))
    holder.start()
    started.wait()
    with pytest.raises(Busy):
        bulkhead.run(lambda: None)
    go_on.set()
    holder.join()
    assert bulkhead.run(lambda: "done") == "done"


def test_no_more_run_at_a_time_than_there_are_turns():
    """Of eight simultaneous callers two run at a time."""
    bulkhead = Bulkhead(2, timedelta(seconds=30), named="test")
    running, most, lock = [0], [0], threading.Lock()

    def work():
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        threading.Event().wait(0.01)
        with lock:
            running[0] -= 1

    callers = [threading.Thread(target=bulkhead.run, args=(work,)) for _ in range(8)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert most[0] == 2


def test_one_after_the_other_is_one_thread():
    """Calls that do not overlap share one thread and so one block of memory, whatever the number of turns."""
    bulkhead = Bulkhead(8, SHORTLY, named="test")
    assert len({bulkhead.run(threading.get_ident) for _ in range(20)} - {threading.get_ident()}) == 1


def test_what_the_work_raises_reaches_the_caller():
    """An exception of the work reaches the caller, and the turn is free again."""
    bulkhead = Bulkhead(1, SHORTLY, named="test")
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            bulkhead.run(lambda: 1 // 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives a thread a priority")
def test_its_threads_stand_back():
    """Threads that answer requests get the core before threads that hash."""
    bulkhead = Bulkhead(1, SHORTLY, named="test")
    theirs = bulkhead.run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert theirs > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_has_threads_of_its_own():
    """When a server loads the application and then forks, password checks work in every worker."""
    bulkhead = Bulkhead(1, SHORTLY, named="test")
    bulkhead.run(lambda: None)
    child = os.fork()
    if child == 0:
        os._exit(0 if bulkhead.run(lambda: "done") == "done" else 1)
    assert os.waitpid(child, 0)[1] == 0

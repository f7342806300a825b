"""Celery's side of syncpipe: the only package that imports celery.

======================  ========================================================================
module                  noun
======================  ========================================================================
:mod:`.app`             the app for ``celery -A workers.app``
:mod:`.__main__`        one worker process: ``python -m workers``
:mod:`.configuration`   Celery's settings, from ours
:mod:`.task`            the tasks that our messages name
:mod:`.strategy`        what Celery does with a message of those tasks
:mod:`.consumer`        Celery's consumer, and what it does with every other message
:mod:`.lanes`           the queues of lanes
:mod:`.assignment`      which lanes are ours, by the list of live processes
:mod:`.subscriptions`   which queues are consumed now
:mod:`.held`            one message in our hands
:mod:`.shelf`           the messages of one target that wait for their batch
:mod:`.caution`         who may have killed a process
:mod:`.solitude`        messages that go alone, one after the other
:mod:`.batcher`         makes batches, has them applied, acknowledges
:mod:`.recorder`        brings dead letters into the store
:mod:`.flower`          tells Flower of them
:mod:`.station`         what one worker process holds
:mod:`.steps`           what starts and stops with the worker
:mod:`.periodic`        a thread that does the same again and again
:mod:`.troubles`         what goes wrong now, told once
:mod:`.watch`           ends the process when it has stalled
:mod:`.pool`            the threads that apply batches
:mod:`.worker`          the worker as a program, with its signals
:mod:`.logging`         the log on stdout
======================  ========================================================================
"""

"""Training that can be stopped at any moment and goes on to the same bits.

:class:`~mace_dance.training.shared.task.TrainingTask` says what is trained,
:func:`~mace_dance.training.shared.loop.run_training` trains it: mixed precision and several processes through
``accelerate``, checkpoints that are whole or absent, weights averaged over time, logs without double rows. Everything
random in a step is a function of the run's seed and the step's number, so a checkpoint needs no state of any
generator, and a resumed run cannot differ from one that was never stopped.
"""

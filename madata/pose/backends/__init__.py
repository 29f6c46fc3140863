"""One module for each pose backend; ``BACKEND`` in it makes one.

``BACKEND(*, weights, device, **options)`` returns a :class:`madata.pose.base.PoseBackend`. The name of the module,
with ``-`` for ``_``, is the name of the backend in settings and on the command line. A backend that lives elsewhere
is an entry point of the group ``madance.pose`` that points at such a callable.
"""

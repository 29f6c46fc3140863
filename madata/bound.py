"""What the server that forks workers imports first: it ends with the verb, and Ctrl-C is the verb's to answer.

It imports heavy packages for seconds, on a busy machine for minutes, before it listens to anything.
"""

import signal

from madata.ending import bind_to_parent

signal.signal(signal.SIGINT, signal.SIG_IGN)
bind_to_parent()

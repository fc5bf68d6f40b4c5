"""One module per script: `SETTINGS` of the brokers, and `steps(broker)`, pairs of a name and a request."""

from . import alterations, brokers, creation, describe, edges, file, groups, loggers, metrics, topics, values

SCRIPTS = {module.__name__.rsplit(".", 1)[1]: module
           for module in (describe, file, topics, brokers, groups, metrics, loggers, edges, creation, alterations, values)}

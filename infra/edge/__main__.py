"""`python -m infra.edge`: the device's command where no script of that name is installed."""

import sys

from infra.edge.main import main

sys.exit(main())

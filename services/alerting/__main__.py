"""`python -m services.alerting`"""

import sys

from atalaia.service import run
from services.alerting.app import serve
from services.alerting.settings import AlertingSettings

if __name__ == "__main__":
    sys.exit(run("alerting", AlertingSettings, serve))

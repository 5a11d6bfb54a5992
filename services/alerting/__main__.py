"""`python -m services.alerting`: the service; with arguments, the command line."""

import sys

from atalaia.service import run
from services.alerting.app import serve
from services.alerting.cli.commands import main
from services.alerting.settings import AlertingSettings

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if sys.argv[1:] else run("alerting", AlertingSettings, serve))

"""The command line: what may be said, and how it is explained."""

from __future__ import annotations

import argparse

EXAMPLES = """\
the three ways to load (the target is this platform's health unless --url says otherwise):

  --users 20 --requests 10               20 users, 10 requests each; each waits for its answer (closed model)
  --stress --max-users 100               1, 2, 4 … 100 users, 5 s each: throughput per step, and the knee
  --endurance --duration 30 --rps 50     50 requests a second for 30 s, whatever comes back (open model)

what else one asks for:

  --url http://127.0.0.1:9000/ --rps 10:500 --duration 2m        a ramp
  --url … --stages 30s:50,5m:200,30s:0 --arrival poisson         stages, arriving as people do
  --url … --rps 100 --duration 1m --slo 'p99<250ms' --slo 'error_rate<1%'   exit 3 where it is missed
  --url … --find-capacity --slo 'p99<100ms'                      the highest rate that holds it
  --url … --rps 100 --duration 1m --baseline a.json b.json       exit 5 where it got slower
  --scenario shop.py --users 50 --duration 1m                    users written in Python
  --scenario shop.py --rps 5 --duration 1m                       … five of whom come each second
  --openapi openapi.json --url http://127.0.0.1:8000             every GET that needs nothing
  compare a.json b.json --with c.json d.json                     two sets of earlier runs

response  from the moment a request was due until its last byte: waiting for a busy server is in it
service   from the write until the last byte: what most other tools show
latency   from the write until the first byte

verdict   valid, suspect or invalid: whether the generator, not the target, was the limit
exit      0 ok · 1 could not run · 2 bad arguments · 3 SLO missed · 4 measurement invalid · 5 slower than
          the baseline · 130/143 interrupted (nothing is judged)
"""


def parser() -> argparse.ArgumentParser:
    """Return the parser of a test."""
    made = argparse.ArgumentParser(
        prog="python -m services.loadgen",
        description="A load generator that says when not to believe it.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _load(made.add_argument_group("load"))
    _target(made.add_argument_group("target"))
    _limits(made.add_argument_group("connections and limits"))
    _judging(made.add_argument_group("judging"))
    _output(made.add_argument_group("output"))
    return made


def _load(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--users", type=int, metavar="N", help="users who wait for each answer")
    group.add_argument("--requests", type=int, metavar="N", help="requests of each user")
    group.add_argument("--think", default="0ms", metavar="T", help="pause of a user after each answer")
    group.add_argument("--stress", action="store_true", help="users step by step: 1, 2, 4 … --max-users")
    group.add_argument("--max-users", type=int, metavar="N", help="the last step (default 100)")
    group.add_argument("--step", default="5s", metavar="T", help="length of a step (default 5s)")
    group.add_argument("--endurance", action="store_true", help="a steady rate for --duration")
    group.add_argument("--duration", metavar="T", help="seconds, or 30s, 5m, 8h")
    group.add_argument("--rps", metavar="R|A:B", help="requests a second, or a ramp from A to B")
    group.add_argument("--stages", metavar="T:R,…", help="rates reached one after the other")
    group.add_argument(
        "--arrival",
        choices=("constant", "poisson"),
        help="default constant; to find capacity poisson",
    )
    group.add_argument("--seed", type=int, default=1, help="of poisson arrivals and of the mix of URLs")


def _target(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--url",
        action="append",
        default=[],
        metavar="U[@W]",
        help="several with weights: --url U@3 --url V@1",
    )
    group.add_argument("--method", metavar="M", help="default GET, with a body POST")
    group.add_argument("--header", "-H", action="append", default=[], metavar="'N: V'")
    group.add_argument("--body", metavar="TEXT|@FILE")
    group.add_argument("--scenario", metavar="FILE.py", help="users in Python: async def user(u)")
    group.add_argument("--openapi", metavar="FILE", help="an OpenAPI 3 document, JSON or YAML")
    group.add_argument(
        "--allow-host", action="append", default=[], metavar="HOST", help="a host that is yours"
    )


def _limits(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--connections",
        type=int,
        metavar="N",
        help="at most (open model: 64, or 1000 users of a scenario)",
    )
    group.add_argument("--timeout", default="10s", metavar="T")
    group.add_argument("--no-keepalive", action="store_true", help="a connection for each request")
    group.add_argument("--follow-redirects", action="store_true")
    group.add_argument("--insecure", action="store_true", help="do not check certificates")
    group.add_argument(
        "--max-in-flight", type=int, metavar="N", help="what arrives beyond is counted as shed"
    )
    group.add_argument("--max-rps", type=float, metavar="R", help="refuse to plan more than this")
    group.add_argument(
        "--workers", type=int, default=1, metavar="N", help="processes, one a core (default 1)"
    )


def _judging(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--slo", action="append", default=[], metavar="'p99<250ms'")
    group.add_argument("--abort-on-fail", action="store_true", help="end as soon as an SLO is missed")
    group.add_argument("--baseline", nargs="+", default=[], metavar="FILE", help="earlier runs' JSON")
    group.add_argument(
        "--threshold", default="10%", metavar="P", help="slower by more is a regression (10%%)"
    )
    group.add_argument(
        "--find-capacity", action="store_true", help="search the highest rate that holds --slo"
    )
    group.add_argument(
        "--warmup",
        default="0",
        metavar="T|auto",
        help="left out of times and SLOs (default: none; auto: until it has settled)",
    )


def _output(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--out",
        action="append",
        default=[],
        metavar="KIND=FILE",
        help="json, junit, csv, hgrm, k6 or html; several, or separated by commas",
    )
    group.add_argument("--plain", action="store_true", help="lines instead of a live view")
    group.add_argument("--quiet", action="store_true", help="the summary alone")
    group.add_argument("--nats", metavar="URL|off", help="default NATS_URL, or the local platform's")
    group.add_argument("--run-id", metavar="ID", help="default: the time and some dice")

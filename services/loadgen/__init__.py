"""The load generator: drives HTTP services, and says when its own measurement is not to be believed.

In: the command line, or `atalaia.rpc.loadgen.*`. Out: HTTP requests, a summary, files, `ATALAIA_LOADTESTS`.
"""

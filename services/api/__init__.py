"""The gateway: metrics, alerts, load-test and service events come in; HTTP and requests to others go out."""

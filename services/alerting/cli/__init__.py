"""`python -m services.alerting rules …`: what people do with rules without a running platform."""

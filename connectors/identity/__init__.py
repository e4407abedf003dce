"""Who may use the dashboard: verifiers of the tokens that people bring."""

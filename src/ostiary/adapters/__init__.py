"""Technology that core calls through its ports: Entra, Graph, EWS, PostgreSQL, keys."""

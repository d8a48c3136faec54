"""The graph of models and refs, and the graph of domains. networkx is hidden here."""

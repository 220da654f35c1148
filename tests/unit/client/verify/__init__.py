"""The verifier of the client."""

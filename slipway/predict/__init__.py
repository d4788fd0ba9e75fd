"""`slipway predict`: classifies pictures with a running server or an endpoint."""

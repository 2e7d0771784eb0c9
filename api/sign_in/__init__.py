"""Who a person is, outside /v1: passwords, an issuer of identities, sessions."""

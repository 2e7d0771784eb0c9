"""Commands and questions on deals, people, the catalogue, portfolios, accounts, under /v1."""

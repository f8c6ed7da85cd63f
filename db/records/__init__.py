"""What travels between the services and the database: frozen, typed, without a connection."""

"""The market-data gateway: public books and trades over WebSocket, from the stream alone."""

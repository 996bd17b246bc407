"""Fakes and contracts for testing raykft and what plugs into it. No fake is ever used outside tests."""

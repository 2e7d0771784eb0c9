"""How requests come in and answers go out; what is asked, nothing here knows."""

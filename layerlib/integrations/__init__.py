"""Watches in other people's trainers, imported only where they are used."""

"""The stand-in register: takes what arrives, decrypts, verifies, validates, answers, and shows the daily view.

A product of its own: a vendor runs it offline to try a sender. See docs/stand-in-register.md.
"""

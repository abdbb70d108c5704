"""The proof: what was sent, who approved it, what came back, signed, in one file that can be verified offline."""

"""Language models that draft: an OpenAI-compatible endpoint, or a model that raykft loads itself.

What they say is untrusted text. Nothing here decides whether it is true; `raykft.drafting` does.
"""

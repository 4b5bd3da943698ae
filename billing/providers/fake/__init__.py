"""A payment provider that behaves like a remote one and moves no money: for the demo, for tests, for trying things out.

`cards` says what each test card does, `bank` is the service with its memory, `post` its webhooks, `provider` the
adapter our services see. Its hosted pages are billing/views_fake.py.
"""

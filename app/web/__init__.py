"""The web room: pages and endpoints for visitors, readers and our own people.

Owns HTTP: reading requests, choosing language, headers, drawing pages. Must not decide: it records what happened and
wakes the person. A page is one module with `blueprint(parts) -> Blueprint`, named in `app.web.application`.
"""

"""HTTP to servers on this machine, each request on a connection of its own, as `httpx.get` and its kin make them.

They also read the system's certificate authorities each time, which takes 24 ms of CPU: a test that asks until
something has happened would keep a processor busy with it.
"""

from __future__ import annotations

from http.cookiejar import DefaultCookiePolicy

import httpx

PLAIN = httpx.Client(verify=False, limits=httpx.Limits(max_connections=None, max_keepalive_connections=0))
PLAIN.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))  # nobody is known from an earlier request

"""What all pages share: the app, its protection, and how a page is rendered.

For the areas (``site``, ``console``, ``api``), whose modules each expose a ``router``::

    from ostiary.entrypoints.web.context import actor, principal, services
    from ostiary.entrypoints.web.browser import browser_secret
    from ostiary.entrypoints.web.cookies import drop_cookie, read_cookie, set_cookie
    from ostiary.entrypoints.web.permissions import requires
    from ostiary.entrypoints.web.sign_in_host import sign_in_host, sign_in_origin
    from ostiary.entrypoints.web.templates import render, see_other

    @router.get("/connect", dependencies=[requires(Permission.PUBLIC)])
    async def show(request: Request) -> Response:
        page = await services(request).connections.…
        return render(request, "connect.html", form_targets=[sign_in_origin(request)], page=page)

    @router.post("/connect/start", dependencies=[requires(Permission.PUBLIC)])
    async def start(request: Request, mail: Annotated[bool, Form()] = False) -> Response:
        flow = await services(request).connections.…(browser_secret=browser_secret(request), actor=actor(request))
        return see_other(flow.url)

- ``requires(permission)`` on every route, or start-up fails. It authenticates the caller, and for anything but
  GET and HEAD on a page it also checks the anti-forgery token and where the request came from. Every POST form
  therefore holds ``{{ csrf_field() }}``. A route that machines post to says ``requires(…, form=False)``.
- ``render`` answers with a page; ``form_targets`` are the origins that a form of the page leads to by redirects
  (Content-Security-Policy ``form-action``). Pages extend ``base.html`` (blocks ``title``, ``strapline``,
  ``main_class``, ``main``, ``scripts``) or ``console_base.html`` (``page_title``, ``content``).
- ``{% from "_macros.html" import icon, when, day, badge, outcome, note, copybox, support_details, still_stuck,
  error_summary %}``; filters ``date``,
  ``moment``, ``hour``, ``iso``, ``duration``, ``plural``.
- Scripts, per page in block ``scripts``: ``copy.js`` serves ``button[data-copy=<id>]``; ``live.js`` polls the JSON
  at ``[data-live-from]`` and sets text, values and widths of ``[data-live=<key>]``, obeys ``go_to`` (a local path),
  ``reload`` and ``done``, follows ``a[data-follow]``, and reloads when ``[data-count-down=<seconds>]`` is over.
  Every page works without them.
- Kernel errors may simply be raised: ``errors`` turns them into pages, or problem details below ``/v1``.
- A secret arrives in a path once, moves to a ``__Host-`` cookie with ``set_cookie``, and ``see_other`` leads on.
- Clients other than browsers that post a form send ``Origin`` (or ``Sec-Fetch-Site: same-origin``) beside the token.
"""

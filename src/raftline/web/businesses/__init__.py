"""
Businesses over HTTP, behind the administrator's token: what programs of the Cloud API may speak for, and as whom.

    GET    /admin/v1/businesses?after=ID&limit=N      {"businesses": [...], "next"}
    POST   /admin/v1/businesses                       a business with an application, a token and a number
    GET    /admin/v1/businesses/ID                    one
    DELETE /admin/v1/businesses/ID                    with all that belongs to it
    POST   /admin/v1/businesses/ID/numbers            another number
    GET    /admin/v1/numbers/ID                       and PATCH (name, limits, registration), DELETE
    POST   /admin/v1/businesses/ID/apps               another application
    GET    /admin/v1/apps/ID                          and DELETE
    POST   /admin/v1/apps/ID/secret                   another secret
    PUT    /admin/v1/apps/ID/streams                  whether its events are kept for streams
    GET    /admin/v1/apps/ID/tokens                   and POST; DELETE …/tokens/ID
    GET    /admin/v1/apps/ID/callbacks                and PUT, DELETE …?scope=SCOPE
    GET    /admin/v1/apps/ID/dead-letters             and POST …/replay, DELETE (all) and DELETE …/dead-letters/ID
    GET    /admin/v1/business-audit                   who changed what

Ids are those of the Cloud API (machine/business/ids.py). Shapes of bodies and answers stand in bodies.py and views.py,
and in `/admin/v1/openapi.json`. Secrets and tokens are told once, in the answer to the request that made them; the log
has the digest of a token alone. Under an `Idempotency-Key` a repeat is told them again (web/repeatable.py). A key that
was used for another request is refused with 409: then what is told would not be what the cluster has.
"""

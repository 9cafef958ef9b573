"""Drives a live hub as a customer would, measures real packets, and judges what the product claims.

A scenario gets a `world.world.World` (a lab with a hub in it), organizations as `overlay.mesh.Mesh`, and a
`judging.record.Record` for what it measures. `gate` runs all scenarios, and the sabotages that they have to notice.

Packages, from the top; each imports only what is below it, which import-linter checks:

* `cli`: the commands, in ``meshwg gate`` and others;
* `mutation`: automatic breaks of the product, and whether tests and gate notice them;
* `gate`: runs of scenarios and sabotages, up to the transcript; `bench`: measurements of performance;
* `burst`: many sign-ups at once; `demo`: the lab of the service's demonstration; `hostile`: attacks beside an ordinary
  tenant; `sabotage`: breaks of the product;
* `world`: the lab, and the people and accidents in it;
* `overlay`: machines, traffic and policy of an organization; `subject`: the hub, of one of three kinds;
* `client`: API and pages; `wire`: packets made by hand, and packets seen;
* `judging`: verdicts, streams, measurements, without a network.

Modules beside them: `target`, the interface of another project's hub; `entry`, the pytest plugin that loads `gate`;
`paths`.
"""

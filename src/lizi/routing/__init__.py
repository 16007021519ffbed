"""Where a request goes: filters, the choice among equals, failover, and what is known of each lane.

A *lane* is partner, model and region. Five files, one subject: `choice` (who is asked, who next), `traffic` (the fold over
attempts, and the retry budget), `health` (how often a lane answers), `limits` (what it may be sent), `explain` (the same in words).
Everything is pure: the same outcomes at the same times give the same state, in the gateway and in a simulator.
"""

from lizi.routing.choice import Route, Wanted, find, plan
from lizi.routing.explain import explain
from lizi.routing.health import RoutingSettings
from lizi.routing.traffic import LaneView, Traffic

__all__ = ["LaneView", "Route", "RoutingSettings", "Traffic", "Wanted", "explain", "find", "plan"]

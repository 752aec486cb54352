"""Replicas that are no processes of ours: connections to a server that has the model.

`service` is what such a server must offer; `executor` makes replicas of it, `slots` what one of them does,
`calls` how runs become calls and calls outcomes; `marks` tells what we have made on such servers, so that
`sweeping` finds what a crash has left there.
"""

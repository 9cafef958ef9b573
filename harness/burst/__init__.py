"""The onboarding burst: many organizations at once, each signed up by locust and proven by packets of real clients.

locust makes every program that imports it one of greenlets, and a greenlet that waits for a namespace would keep all
others waiting. So it runs in processes of its own, which do no more than HTTP (`locustfile`). The lab and its clients
stay in the process that started them, with threads; the two speak over a unix socket (`desk`).
"""

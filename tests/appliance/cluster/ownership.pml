/* Who owns a shard, what its front doors let through, and which saves are answered.
 *
 * Time passes in ticks, and a tick may come between any two steps of a process: so every process may be stopped
 * anywhere, for any time. A hub may be killed between any two steps; its kernel goes on. etcd and the database are what
 * they promise to be: each step on them happens at once. The versions of the policy get stricter: a hub whose front
 * door is open enforces nothing older than the version that was answered last.
 *
 * `test_model.py` has spin look for a state that breaks the property, in this model and in variants that must break it.
 */

#define HUBS 2
#define NOBODY 255
#define LEASE 3
#ifdef LONG_OFFER
#define TRUSTED (LEASE + 1)
#else
#define TRUSTED (LEASE - 1)
#endif
#define TOKENS 3
#define SAVES 2
#define KILLS 1

byte owner = NOBODY;         /* etcd: owner of the key, its token, what is left of the lease */
byte token = 0;
byte lease = 0;
byte fence = 0;              /* database: token of the latest owner that has begun, version of the policy */
byte stored = 1;
byte answered = 1;
byte kills = 0;

byte offered[HUBS];          /* kernel of each hub: time offered, time that counts, enforced version (0: all denied) */
byte counts[HUBS];
byte enforced[HUBS];
byte mine[HUBS];             /* process of each hub: its token (0: none), and whether it takes calls */
bool serves[HUBS];
bool opened[HUBS];           /* the kernel tells that the gate was opened in this time of ownership */
bool prepared[HUBS];         /* it has enforced in advance what the store had */

#ifdef ANY_LEFT
#define OPENED(h) true
#else
#define OPENED(h) opened[h]
#endif
#define OPEN(h) (counts[h] > 0)
#define LATE(h) (OPEN(h) && enforced[h] != 0 && enforced[h] < answered)

/* One hub forwards; what was answered is enforced; no owner begins with a token that etcd has not given. */
ltl safe { [] (!(OPEN(0) && OPEN(1)) && !LATE(0) && !LATE(1) && fence <= token) }

inline tick_of(counter) {
    if
    :: counter > 0 -> counter--
    :: else
    fi
}

active proctype Time() {
    do
    :: atomic {
        tick_of(offered[0]); tick_of(offered[1]);
        tick_of(counts[0]); tick_of(counts[1]);
        if
        :: lease == 1 -> lease = 0; owner = NOBODY
        :: lease > 1 -> lease--
        :: else
        fi
    }
    od
}

proctype Hub(byte h) {
    bool was_ours;

start:
    serves[h] = false;
    /* A process that was started again goes on, if the shard has had no other owner since. */
    if
    :: atomic { owner == h && mine[h] == token -> lease = LEASE; was_ours = OPENED(h) }
    :: atomic { owner == NOBODY && token < TOKENS -> owner = h; token++; mine[h] = token; lease = LEASE;
        was_ours = false; opened[h] = false }
    /* While another hub owns the shard, what the store has is enforced behind the gate, as late as may be. */
    :: atomic { owner != NOBODY && owner != h && enforced[h] != stored -> enforced[h] = stored; prepared[h] = true }; goto start
    fi;

    /* Begin in the database; a later owner may have come first. */
    if
    :: atomic { fence <= mine[h] -> fence = mine[h] }
    :: atomic { fence > mine[h] -> mine[h] = 0; goto lost }
    fi;
    if
    :: atomic { kills < KILLS -> kills++; prepared[h] = false; goto start }
    :: true
    fi;
    atomic {
#ifndef NO_CLEAR
        /* What is prepared is made as stored, and what is left of an earlier time is removed. */
        if
#ifdef NO_CATCH_UP
        :: !was_ours && prepared[h]
#else
        :: !was_ours && prepared[h] -> enforced[h] = stored
#endif
        :: !was_ours && !prepared[h] -> enforced[h] = 0
        :: was_ours
        fi;
#endif
        was_ours = false; prepared[h] = false; serves[h] = true
    }

renewal:
    if
    :: atomic { kills < KILLS -> kills++; goto start }
    :: true
    fi;
#ifndef LATE_OFFER
    offered[h] = TRUSTED;
#endif
    if
    :: atomic { owner == h && mine[h] == token -> lease = LEASE }
    :: atomic { owner != h || mine[h] != token -> goto lost }
#ifdef BLIND
    :: true
#else
    :: goto renewal                  /* nobody answers in time: it is silent soon, keeps what it has, and asks again */
#endif
    fi;
#ifdef LATE_OFFER
    atomic { counts[h] = TRUSTED; opened[h] = true }; /* as if the process set what its clock says is left */
#else
    atomic { counts[h] = offered[h]; offered[h] = 0; opened[h] = true }
#endif
    /* Restoring goes on while the front door is open: what is not restored is denied. */
    if
    :: atomic { enforced[h] == 0 -> enforced[h] = stored }
    :: true
    fi;
    goto renewal;

lost:
    atomic { counts[h] = 0; serves[h] = false; opened[h] = false };
    goto start
}

active proctype Web() {
    byte at, seen, version;

    do
    :: atomic { stored < SAVES && owner != NOBODY -> at = owner; seen = token; version = stored + 1 };
        if
        :: atomic { serves[at] && mine[at] == seen -> enforced[at] = version }
        :: atomic { !(serves[at] && mine[at] == seen) -> goto next }
        fi;
        if
#ifdef NO_FENCE
        :: atomic { true -> stored = version; answered = version }
#else
        :: atomic { fence == seen -> stored = version };
            /* A hub that was started again meanwhile may have read the store too early. */
            atomic {
                if
                :: owner != NOBODY && serves[owner] && enforced[owner] != 0 -> enforced[owner] = stored
                :: else
                fi;
                answered = version
            }
        :: atomic { fence != seen -> skip }
#endif
        fi;
next:   atomic { at = 0; seen = 0; version = 0 }
    od
}

init {
    atomic { run Hub(0); run Hub(1) }
}

/* ring.pml - the smallest ring, all interleavings: two producers, two consumers, one or two recoverers, on two slots;
 * any one of them dies before any of its accesses. For spin; tests/model/exhaust runs it.
 *
 * As in lib/ring/ring.c and lib/crash/recover.c: the unit's word is the truth, a position is chosen after the word
 * was read, the slot's CAS publishes, whoever helps does the same CAS. Each access of shared memory is one step.
 * Handles begin their search at position 0, the lowest of all hints. Checked at the end: what a living producer put
 * is settled exactly once; what a dead one was putting, once or never; what a dead consumer had leased was delivered
 * again with its retry count raised by one; nobody is refused for lack of room.
 */
#ifndef RECOVERERS
#define RECOVERERS 1
#endif
#ifndef VICTIM
#define VICTIM 0 /* who may die: 0, 1 produce, 2, 3 consume, 4 (and 5) recover */
#endif
#define R 2
#define UNITS 2
#define NOBODY 9
#define LAP(p) ((p) / R + 1)

#define FREE 0
#define RES 1
#define QUEUED 2
#define LEASED 3

typedef word { byte state, pos, seat, retry };
word w[UNITS];
byte lap[R], unit[R];

byte deaths, victim = NOBODY, ended;
bool put_ended[UNITS]; /* its producer has come to its end */
byte settled[UNITS], taken[UNITS];
byte leased_by_dead[UNITS];

/* Before an access: go on, or die. */
#define STEP if \
  :: atomic { deaths == 0 && me == VICTIM -> deaths = 1; victim = me; NOTE(0); NOTE(1); goto over } \
  :: true fi
/* What it had leased is to come again. */
#define NOTE(u) leased_by_dead[u] = (w[u].state == LEASED && w[u].seat == me)

#define IS(u, st, p, se, re) (w[u].state == st && w[u].pos == p && w[u].seat == se && w[u].retry == re)
#define SET(u, st, p, se, re) w[u].state = st; w[u].pos = p; w[u].seat = se; w[u].retry = re

/* The first position from tail on whose slot shows the former lap; crowded: a QUEUED unit is in it. */
inline choose() {
  crowded = false;
  do
  :: STEP; atomic { slap = lap[tail % R]; sunit = unit[tail % R] };
     if
     :: slap >= LAP(tail) -> tail = tail + 1 + (slap - LAP(tail)) * R
     :: else ->
        assert(slap == LAP(tail) - 1);
        if
        :: tail >= R -> STEP; crowded = (w[sunit].state == QUEUED && w[sunit].pos == tail - R)
        :: else
        fi;
        break
     fi
  od
}

/* Unit u, QUEUED at p, gets into its slot or a later one. */
inline publish() {
  do
  :: STEP; atomic { slap = lap[p % R]; sunit = unit[p % R] };
     if
     :: slap == LAP(p) && sunit == u -> break
     :: slap == LAP(p) - 1 ->
        STEP;
        atomic {
          if
          :: lap[p % R] == slap && unit[p % R] == sunit -> lap[p % R] = LAP(p); unit[p % R] = u; ok = true
          :: else -> ok = false
          fi
        };
        if :: ok -> break :: else fi
     :: slap >= LAP(p) && !(slap == LAP(p) && sunit == u) ->
        STEP;
        atomic { st = w[u].state; q = w[u].pos; se = w[u].seat; re = w[u].retry };
        if
        :: st != QUEUED -> break
        :: st == QUEUED && q != p -> p = q
        :: st == QUEUED && q == p ->
           choose();
           if
           :: crowded -> skip
           :: else ->
              STEP;
              atomic {
                if
                :: IS(u, QUEUED, q, se, re) -> w[u].pos = tail; p = tail
                :: else
                fi
              }
           fi
        fi
     fi
  od
}

/* Unit u, whose word is {st, q, se, re}, enters the ring with retry count `again`. */
inline enqueue(again) {
  choose();
  if
  :: crowded -> ok = false
  :: else ->
     STEP;
     atomic {
       if
       :: IS(u, st, q, se, re) -> SET(u, QUEUED, tail, NOBODY, again); p = tail; ok = true
       :: else -> ok = false
       fi
     };
     if :: ok -> publish(); ok = true :: else fi
  fi
}

/* The first unit that is QUEUED at its place is leased; got: it was. */
inline take() {
  got = false;
  do
  :: STEP; atomic { slap = lap[head % R]; sunit = unit[head % R] };
     if
     :: slap < LAP(head) -> break
     :: slap > LAP(head) -> head = head + 1 + (slap - LAP(head) - 1) * R
     :: slap == LAP(head) ->
        u = sunit;
        STEP; atomic { st = w[u].state; q = w[u].pos; se = w[u].seat; re = w[u].retry };
        if
        :: st == QUEUED && q == head ->
           STEP;
           atomic {
             if
             :: IS(u, QUEUED, q, se, re) ->
                SET(u, LEASED, q, me, re);
                assert(re == leased_by_dead[u]);
                taken[u]++;
                got = true
             :: else
             fi
           };
           if :: got -> break :: else fi
        :: else -> head++
        fi
     fi
  od
}

inline settle() {
  STEP;
  atomic { assert(w[u].state == LEASED && w[u].seat == me); SET(u, FREE, 0, NOBODY, 0); settled[u]++ }
}

/* One pass over the units, for the dead. */
inline recover() {
  u = 0;
  do
  :: u < UNITS ->
     STEP; atomic { st = w[u].state; q = w[u].pos; se = w[u].seat; re = w[u].retry };
     if
     :: st == QUEUED -> p = q; publish(); u++
     :: st == RES && se == victim ->
        STEP;
        atomic { if :: IS(u, RES, q, se, re) -> SET(u, FREE, 0, NOBODY, 0) :: else fi };
        u++
     :: st == LEASED && se == victim ->
        enqueue(re + 1) /* and look again: somebody may have been quicker */
     :: else -> u++
     fi
  :: else -> break
  od
}

#define LOCALS byte u, p, q, st, se, re, slap, sunit, tail, head; bool ok, crowded, got

proctype producer(byte me) {
  LOCALS;
  u = me; st = RES; q = 0; se = me; re = 0;
  enqueue(0);
  assert(ok);
  put_ended[me] = true;
over:
  ended++
}

proctype consumer(byte me) {
  LOCALS;
  take();
  if :: got -> settle() :: else fi;
over:
  ended++
}

proctype recoverer(byte me) {
  LOCALS;
  if
  :: victim != NOBODY -> recover()
  :: ended >= 4 -> skip
  fi;
over:
  ended++
}

/* When all is quiet: recovers, drains, and counts. */
proctype last(byte me) {
  LOCALS;
  ended == 4 + RECOVERERS;
  if :: victim != NOBODY -> recover() :: else fi;
  do
  :: take(); if :: got -> settle() :: else -> break fi
  od;
  u = 0;
  do
  :: u < UNITS ->
     assert(settled[u] == 1 || (settled[u] == 0 && victim == u && !put_ended[u]));
     assert(w[u].state == FREE); u++
  :: else -> break
  od;
over:
  skip
}

init {
  atomic {
    SET(0, RES, 0, 0, 0);
    SET(1, RES, 0, 1, 0);
    run producer(0);
    run producer(1);
    run consumer(2);
    run consumer(3);
    run recoverer(4);
#if RECOVERERS > 1
    run recoverer(5);
#endif
    run last(8)
  }
}

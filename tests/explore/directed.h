/* directed.h - schedules that are written down: for what is wrong only if several processes are late at exact places.
 *
 * A schedule is a list of turns (turns.c). In a turn one process begins an operation, or goes on with it, to the
 * operation's end or to a place: just before or just behind an access. A place is named by what is accessed, not by a
 * line of code. The oracle and the check of histories look at each step as in any other schedule.
 */
#ifndef EXPLORE_DIRECTED_H
#define EXPLORE_DIRECTED_H

#include "work.h"

/* What a turn may be besides the operations of enum op. ROUND: a put, a get and an ack, n times. GET_DEAD: of dead
 * letters. NAMED: asks for the id of the name with the number `source`. */
enum { CLOSE = OPS, ROUND, JOIN, GO, KILL, SLEEP, GET_DEAD };
enum { PRODUCER, CONSUMER, LOOKER, HELPER, ROLES };

/* UNIT: a unit's word. FIRST: its first position. DUE: its time. JOURNAL: of a seat, but for its head. SLOT: of a ring.
 * NODE: of the tree of times. ROOT: its root. BELOW_ROOT: the last node of those that a look at the root's children
 * reads. BASE: of a source's positions. NAMING: the last one of a source. WRITER: of a slot of names. TEXT: a slot.
 * DEAD: which id of a source has had dead letters. */
enum object { UNIT, FIRST, DUE, JOURNAL, SLOT, NODE, ROOT, BELOW_ROOT, BASE, NAMING, WRITER, TEXT, DEAD };
enum access { LOAD, WRITE };

struct place {
    enum { AT_END, BEFORE, BEHIND } when;
    enum access access;
    enum object object;
    unsigned state; /* the object's unit is in this state; 0: in any */
    int of;         /* the unit of this process's first lease, or the journal of its seat; 0: any, PRODUCER too */
    int times;      /* the turn ends at this one of such accesses; 0: at the first one */
    bool or_end;    /* or at the operation's end, if it does not come to the place */
};

struct turn {
    int who, op;
    struct place to;
    uint32_t stage, source; /* stage 0: 1; source: the id */
    int n, lease;           /* of how many records, 0: 1; from which lease on */
    int ms;                 /* of a delay, of a sleep */
};

struct directed {
    const char *name;
    const struct turn *turn;
    unsigned turns;
    struct scenario in; /* the segment and its processes: ROLES of them, the late ones last */
};
extern const struct directed directed[];
extern const unsigned directed_count;

#endif

/* turns.c - the schedules that are written down, and what each of them is about. */
#include "directed.h"

#define TURN(process, ...)                                                                                             \
    {                                                                                                                  \
        .who = (process), .op = __VA_ARGS__                                                                            \
    }
#define TO(...) .to = {.when = __VA_ARGS__}
#define EQUAL(limit) .total = (limit), .stage = (limit), .source = (limit)
#define SHAPE(n, m) .stages = (n), .sources = (m), .payload = 8, .retries = 9
#define TURNS(list) .turn = (list), .turns = sizeof(list) / sizeof(list)[0]

/* A survey goes over the units in order, and a put takes the first one that is free. So what the helper reserves and
 * gives up again are units before those of the producer's records: who replaces such a record moves it to a place that
 * a survey may have passed already. */

/* A survey has passed the places that two records move to; the second move's position is the higher one. */
static const struct turn two_moves[] = {
    TURN(PRODUCER, OPEN),
    TURN(HELPER, RESERVE, .source = 1),
    TURN(HELPER, RESERVE, .source = 1),
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(HELPER, CANCEL),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, ACK, .lease = 2),
    TURN(CONSUMER, ACK, .lease = 2),
    TURN(LOOKER, PROGRESS, TO(BEFORE, LOAD, UNIT, .of = CONSUMER)),
    TURN(CONSUMER, REPLACE, .stage = 2),
    TURN(CONSUMER, REPLACE, .stage = 2),
    TURN(LOOKER, GO),
};

/* A walk for `accepted` has passed the place that the last record moves to, and its mover dies between the two steps
 * of the move. */
static const struct turn dead_mover_of_the_last[] = {
    TURN(PRODUCER, OPEN),
    TURN(HELPER, RESERVE, .source = 1),
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, CLOSE),
    TURN(HELPER, CANCEL),
    TURN(CONSUMER, GET_ONE),
    TURN(LOOKER, OPEN, TO(BEFORE, LOAD, UNIT, .of = CONSUMER)),
    TURN(CONSUMER, REPLACE, TO(BEHIND, WRITE, UNIT, CVB_QUEUED), .stage = 2),
    TURN(CONSUMER, KILL),
    TURN(HELPER, RECOVER),
    TURN(LOOKER, GO),
};

/* A survey has passed the place that a record moves to, and its mover dies between the two steps of the move. */
static const struct turn dead_mover[] = {
    TURN(PRODUCER, OPEN),
    TURN(HELPER, RESERVE, .source = 1),
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(HELPER, CANCEL),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, ACK, .lease = 1),
    TURN(LOOKER, PROGRESS, TO(BEFORE, LOAD, UNIT, .of = CONSUMER)),
    TURN(CONSUMER, REPLACE, TO(BEHIND, WRITE, UNIT, CVB_QUEUED), .stage = 2),
    TURN(CONSUMER, KILL),
    TURN(HELPER, RECOVER),
    TURN(LOOKER, GO),
};

/* While a survey reads the journal of a mover that began before it, another process keeps evidence in its head. */
static const struct turn journal_in_change[] = {
    TURN(PRODUCER, OPEN),
    TURN(HELPER, RESERVE, .source = 1),
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(HELPER, CANCEL),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, ACK, .lease = 1),
    TURN(CONSUMER, REPLACE, TO(BEFORE, WRITE, UNIT, CVB_HELD), .stage = 2),
    TURN(LOOKER, PROGRESS, TO(BEFORE, LOAD, JOURNAL, .of = CONSUMER)),
    TURN(HELPER, PUT, .stage = 2, .source = 1),
    TURN(LOOKER, GO, TO(BEFORE, LOAD, UNIT, .of = CONSUMER)),
    TURN(CONSUMER, GO),
    TURN(LOOKER, GO),
};

/* Between the look at a unit's word and the look at its positions, in the walk for `accepted` that comes after a
 * survey, the unit gets those of a put that is not over. */
static const struct turn unit_in_change[] = {
    TURN(PRODUCER, OPEN),    TURN(PRODUCER, PUT),
    TURN(CONSUMER, GET_ONE), TURN(LOOKER, PROGRESS, TO(BEFORE, LOAD, FIRST, .of = CONSUMER, .times = 2)),
    TURN(CONSUMER, ACK),     TURN(PRODUCER, PUT, TO(BEFORE, WRITE, UNIT, CVB_RES)),
    TURN(LOOKER, GO),
};

/* Between a splitter's look at a unit's word and its look at the positions, the unit gets those of a put that is not
 * over. */
static const struct turn split_in_change[] = {
    TURN(PRODUCER, OPEN),
    TURN(PRODUCER, PUT, .n = 2),
    TURN(CONSUMER, GET_ONE, TO(BEFORE, LOAD, FIRST, CVB_QUEUED)),
    TURN(HELPER, GET_ONE, .n = 2),
    TURN(HELPER, ACK, .n = 2),
    TURN(PRODUCER, PUT, TO(BEFORE, WRITE, UNIT, CVB_RES), .n = 2),
    TURN(CONSUMER, GO),
    TURN(LOOKER, PROGRESS),
};

/* A dead producer's unit has to leave its slot to another unit. Of two that recover it, one is stopped when it has
 * given it a later position, and before it has filled that slot. */
static const struct turn two_bump[] = {
    TURN(PRODUCER, PUT, TO(BEHIND, WRITE, UNIT, CVB_QUEUED)),
    TURN(CONSUMER, PUT),
    TURN(PRODUCER, KILL),
    TURN(LOOKER, RECOVER, TO(BEHIND, LOAD, SLOT)),
    TURN(HELPER, RECOVER, TO(BEHIND, WRITE, UNIT, CVB_QUEUED)),
    TURN(LOOKER, GO),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(HELPER, GO),
};

/* A recoverer reads the word of a dead producer's unit in two halves: at first the unit is in another stage, whose ring
 * is some laps ahead, and then in its own stage again. */
static const struct turn two_halves[] = {
    TURN(CONSUMER, ROUND, .stage = 2, .n = 30),
    TURN(PRODUCER, PUT, TO(BEHIND, WRITE, UNIT, CVB_QUEUED)),
    TURN(CONSUMER, PUT),
    TURN(PRODUCER, KILL),
    TURN(LOOKER, RECOVER, TO(BEHIND, LOAD, SLOT)),
    TURN(HELPER, RECOVER),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, ACK),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, FORWARD, .stage = 2),
    TURN(LOOKER, GO, TO(BEHIND, LOAD, UNIT)),
    TURN(CONSUMER, GET_ONE, .stage = 2),
    TURN(CONSUMER, FORWARD, .stage = 1),
    TURN(LOOKER, GO),
};

/* A late recoverer frees what the seat's next owner holds. HELPER comes last, and gets the dead producer's seat. */
static const struct turn held_again[] = {
    TURN(PRODUCER, PUT, TO(BEHIND, WRITE, UNIT, CVB_HELD)),
    TURN(PRODUCER, KILL),
    TURN(LOOKER, RECOVER, TO(BEFORE, WRITE, UNIT, CVB_HELD)),
    TURN(CONSUMER, RECOVER),
    TURN(HELPER, JOIN),
    TURN(HELPER, PUT, TO(BEFORE, WRITE, UNIT, CVB_HELD)),
    TURN(LOOKER, GO),
    TURN(LOOKER, PUT),
    TURN(HELPER, GO),
};

/* A process that looks for what is due has read a unit's time; then its delay ends, and it is delayed anew. */
static const struct turn delayed_again[] = {
    TURN(PRODUCER, PUT),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, DELAY, .ms = 10),
    TURN(CONSUMER, SLEEP, .ms = 50),
    TURN(LOOKER, GET_ONE, TO(BEHIND, LOAD, DUE, CVB_DELAYED)),
    TURN(HELPER, GET_ONE),
    TURN(HELPER, DELAY, .ms = 1000),
    TURN(LOOKER, GO),
};

/* Of three records that are due, the first and the last are below one node. One process has chosen this node; another
 * one ends the first delay, and the node says when the last one is due. */
static const struct turn node_raised[] = {
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, DELAY, .ms = 90, .lease = 1),
    TURN(CONSUMER, DELAY, .ms = 50, .lease = 2),
    TURN(CONSUMER, DELAY, .ms = 10),
    TURN(CONSUMER, SLEEP, .ms = 200),
    TURN(LOOKER, GET_ONE, TO(BEHIND, LOAD, BELOW_ROOT)),
    TURN(HELPER, GET_ONE, TO(BEHIND, WRITE, ROOT)),
    TURN(LOOKER, GO),
    TURN(HELPER, GO),
    TURN(LOOKER, GET_ONE),
};

/* A process that raises a node has read what is below it. Then another record is delayed there, to a time that is later
 * than the node says; and the first process goes on. */
static const struct turn delayed_meanwhile[] = {
    TURN(PRODUCER, PUT),
    TURN(PRODUCER, PUT),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, DELAY, .ms = 10),
    TURN(CONSUMER, DELAY, TO(BEFORE, WRITE, DUE), .ms = 90),
    TURN(CONSUMER, SLEEP, .ms = 50),
    TURN(LOOKER, GET_ONE, TO(BEFORE, WRITE, NODE)),
    TURN(CONSUMER, GO),
    TURN(LOOKER, GO),
    TURN(CONSUMER, SLEEP, .ms = 90),
    TURN(HELPER, GET_ONE),
};

/* One process has seen the stage empty; another one ends a delay that was over before the first one's get began, and
 * takes nothing. Before a get a process looks for what is due only once in so many calls as it makes in a millisecond,
 * three here at most: the first one makes some quick calls, of a stage that is held, and the next one does not look.
 */
static const struct turn entered_by_another[] = {
    TURN(PRODUCER, PUT),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, DELAY, .ms = 50),
    TURN(HELPER, HOLD, .stage = 2),
    TURN(LOOKER, GET_ONE, .stage = 2),
    TURN(LOOKER, GET_ONE, .stage = 2),
    TURN(LOOKER, GET_ONE, .stage = 2),
    TURN(LOOKER, GET_ONE, .stage = 2),
    TURN(LOOKER, GET_ONE, .stage = 2),
    TURN(LOOKER, GET_ONE, .stage = 2),
    TURN(CONSUMER, SLEEP, .ms = 90),
    TURN(LOOKER, GET_ONE, TO(BEHIND, LOAD, SLOT, .times = 3)),
    TURN(HELPER, GET_ONE, .stage = 2),
    TURN(LOOKER, GO),
};

#define SECOND_ID (1u << 16) /* of place 0, when its first name was retired */
enum { ANT, BEE, CAT, DOG }; /* the first ones are those of the places, from the beginning */

/* Whoever retires a name has looked for its dead letters in the first units; then one of them enters a stage again, in
 * exchange for one of these units. */
static const struct turn dead_letter_revived[] = {
    TURN(HELPER, RESERVE, .source = 1),
    TURN(PRODUCER, PUT),
    TURN(HELPER, CANCEL),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, RETURN),
    TURN(CONSUMER, GET_DEAD),
    TURN(LOOKER, RETIRE, TO(BEFORE, LOAD, UNIT, .of = CONSUMER)),
    TURN(CONSUMER, REPLACE),
    TURN(LOOKER, GO),
};

/* When all trains are in use, a put of two gathers them from units of one record each, so that the second one of these
 * is empty. Two dead letters are in a later unit: while a walk is between the two, one of them is taken, and moves to
 * the empty one, and the other is settled. */
#define TWO_DEAD_LETTERS                                                                                               \
    TURN(HELPER, RESERVE, .source = 1, .n = 14), TURN(LOOKER, RESERVE, .source = 1, .n = 14),                          \
        TURN(PRODUCER, RESERVE, .source = 1, .n = 2), TURN(PRODUCER, PUT, .n = 2), TURN(CONSUMER, GET_ONE, .n = 2),    \
        TURN(CONSUMER, RETURN, .n = 2)
static const struct turn dead_letter_moved[] = {
    TWO_DEAD_LETTERS,
    TURN(LOOKER, RETIRE, TO(BEFORE, LOAD, UNIT, CVB_QUEUED)),
    TURN(CONSUMER, GET_DEAD, TO(BEHIND, WRITE, UNIT, CVB_LEASED)),
    TURN(HELPER, GET_DEAD),
    TURN(HELPER, ACK),
    TURN(LOOKER, GO),
    TURN(CONSUMER, GO),
};

/* The same, when the move has begun before the walk. */
static const struct turn dead_letter_moving[] = {
    TWO_DEAD_LETTERS,
    TURN(CONSUMER, GET_DEAD, TO(BEFORE, WRITE, UNIT, CVB_QUEUED)),
    TURN(LOOKER, RETIRE, TO(BEFORE, LOAD, UNIT, CVB_QUEUED, .or_end = true)),
    TURN(CONSUMER, GO),
    TURN(HELPER, GET_DEAD),
    TURN(HELPER, ACK),
    TURN(LOOKER, GO),
};

/* A name is retired between the two: its place is told of its first dead letter, and that one gives its credit back. It
 * is the second place's, since what is 0 tells id 0. */
static const struct turn dead_letter_told[] = {
    TURN(PRODUCER, PUT, .source = 1),  TURN(CONSUMER, GET_ONE), TURN(CONSUMER, RETURN, TO(BEFORE, WRITE, DEAD)),
    TURN(LOOKER, RETIRE, .source = 1), TURN(CONSUMER, GO),
};

/* Whoever has retired a name is late with the base of its positions: the place has another name, with records. */
static const struct turn base_late[] = {
    TURN(LOOKER, RETIRE, TO(BEFORE, LOAD, BASE)),
    TURN(PRODUCER, NAMED, .source = CAT),
    TURN(PRODUCER, OPEN, .source = SECOND_ID),
    TURN(PRODUCER, PUT, .source = SECOND_ID),
    TURN(CONSUMER, GET_ONE),
    TURN(CONSUMER, ACK),
    TURN(LOOKER, GO),
};

/* A process that has announced a name dies before the place has it. Another one looks at the slot meanwhile, for a name
 * of its own. */
static const struct turn name_of_the_dead[] = {
    TURN(LOOKER, RETIRE),
    TURN(HELPER, NAMED, TO(BEFORE, LOAD, WRITER), .source = DOG),
    TURN(PRODUCER, NAMED, TO(BEHIND, WRITE, NAMING), .source = CAT),
    TURN(PRODUCER, KILL),
    TURN(LOOKER, RECOVER),
    TURN(HELPER, GO, TO(BEFORE, WRITE, WRITER)),
    TURN(LOOKER, NAMED, .source = CAT),
    TURN(HELPER, GO),
};

/* Two give the same name to two places: the first place becomes free when one of them has found the second. */
static const struct turn named_twice[] = {
    TURN(LOOKER, RETIRE, .source = 1),
    TURN(HELPER, NAMED, TO(BEFORE, WRITE, TEXT), .source = CAT),
    TURN(LOOKER, RETIRE),
    TURN(PRODUCER, NAMED, .source = CAT),
    TURN(HELPER, GO),
};

/* The same, when one of them has announced it, and its place has not got it. */
static const struct turn announced_twice[] = {
    TURN(LOOKER, RETIRE, .source = 1),
    TURN(HELPER, NAMED, TO(BEHIND, WRITE, NAMING), .source = CAT),
    TURN(LOOKER, RETIRE),
    TURN(PRODUCER, NAMED, .source = CAT),
    TURN(HELPER, GO),
};

#define MORTAL(n, m) .stages = (n), .sources = (m), .payload = 8, .retries = 0, .retires = true

const struct directed directed[] = {
    {"two moves", TURNS(two_moves), {EQUAL(8), SHAPE(3, 2), .positions = true}},
    {"dead mover of the last", TURNS(dead_mover_of_the_last), {EQUAL(8), SHAPE(3, 2), .positions = true}},
    {"dead mover", TURNS(dead_mover), {EQUAL(12), SHAPE(3, 2), .positions = true}},
    {"journal in change", TURNS(journal_in_change), {EQUAL(12), SHAPE(3, 2), .positions = true}},
    {"unit in change", TURNS(unit_in_change), {EQUAL(1), SHAPE(2, 1), .positions = true}},
    {"split in change", TURNS(split_in_change), {EQUAL(2), SHAPE(2, 1), .positions = true}},
    {"two bump", TURNS(two_bump), {EQUAL(4), SHAPE(2, 1)}},
    {"two halves", TURNS(two_halves), {EQUAL(4), SHAPE(3, 1)}},
    {"held again", TURNS(held_again), {EQUAL(4), SHAPE(2, 1), .late = 1, .tight = true}},
    {"delayed again", TURNS(delayed_again), {EQUAL(4), SHAPE(2, 1)}},
    {"node raised", TURNS(node_raised), {EQUAL(4), SHAPE(2, 1)}},
    {"entered by another", TURNS(entered_by_another), {EQUAL(4), SHAPE(3, 1)}},
    {"delayed meanwhile", TURNS(delayed_meanwhile), {EQUAL(4), SHAPE(2, 1)}},
    {"dead letter revived", TURNS(dead_letter_revived), {EQUAL(8), MORTAL(2, 2)}},
    {"dead letter moved", TURNS(dead_letter_moved), {EQUAL(32), MORTAL(2, 2), .tight = true}},
    {"dead letter moving", TURNS(dead_letter_moving), {EQUAL(32), MORTAL(2, 2), .tight = true}},
    {"dead letter told", TURNS(dead_letter_told), {EQUAL(4), MORTAL(2, 2)}},
    {"base late", TURNS(base_late), {EQUAL(4), MORTAL(2, 1), .positions = true}},
    {"name of the dead", TURNS(name_of_the_dead), {EQUAL(4), MORTAL(2, 2)}},
    {"named twice", TURNS(named_twice), {EQUAL(4), MORTAL(2, 2)}},
    {"announced twice", TURNS(announced_twice), {EQUAL(4), MORTAL(2, 2)}},
};
const unsigned directed_count = sizeof directed / sizeof directed[0];

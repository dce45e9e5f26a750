/* scenarios.c - small segments and mixes of operations: limits of 2 to 8 records, rings of 2 to 8 slots. */
#include "work.h"

const char *const work_names[OPS] = {"put",      "put batch",    "reserve",      "publish", "cancel",   "get one",
                                     "get many", "take",         "ack",          "return",  "release",  "forward",
                                     "replace",  "stale",        "recover",      "audit",   "name",     "state",
                                     "limit",    "wait records", "wait credits", "open",    "progress", "rejoin"};

#define LIMITS(t, p, s) .total = (t), .stage = (p), .source = (s)
#define SHAPE(n, m, bytes, r) .stages = (n), .sources = (m), .payload = (bytes), .retries = (r)
#define CROWD(n, l, ops) .starters = (n), .late = (l), .operations = (ops)

const struct scenario scenarios[] = {
    {"single", LIMITS(6, 3, 4), SHAPE(3, 2, 8, 2), CROWD(4, 2, 7),
     .weight = {[PUT] = 4, [GET_ONE] = 3, [ACK] = 3, [RETURN] = 1, [RECOVER] = 1}},
    {"batch", LIMITS(8, 4, 5), SHAPE(2, 2, 16, 2), CROWD(3, 2, 7),
     .weight = {[PUT_BATCH] = 4, [GET_MANY] = 3, [ACK] = 3, [RETURN] = 1, [RECOVER] = 1}},
    {"split", LIMITS(8, 6, 6), SHAPE(2, 2, 8, 2), CROWD(4, 2, 7),
     .weight = {[PUT_BATCH] = 3, [GET_ONE] = 3, [GET_MANY] = 1, [ACK] = 3, [RETURN] = 1, [RELEASE] = 1, [RECOVER] = 1}},
    {"retry", LIMITS(5, 3, 4), SHAPE(2, 1, 8, 0), CROWD(3, 2, 8),
     .weight = {[PUT] = 2, [GET_ONE] = 4, [RETURN] = 4, [RELEASE] = 1, [ACK] = 1, [RECOVER] = 1}},
    {"revive", LIMITS(7, 2, 3), SHAPE(2, 2, 8, 0), CROWD(4, 2, 9),
     .weight = {[PUT] = 3, [GET_ONE] = 5, [RETURN] = 4, [FORWARD] = 4, [REPLACE] = 1, [ACK] = 1, [RECOVER] = 1}},
    {"forward1", LIMITS(6, 3, 4), SHAPE(3, 2, 8, 1), CROWD(4, 2, 7),
     .weight = {[PUT] = 3, [GET_ONE] = 4, [FORWARD] = 4, [ACK] = 1, [RECOVER] = 1}},
    {"forward", LIMITS(6, 3, 4), SHAPE(3, 2, 8, 1), CROWD(4, 2, 7),
     .weight = {[PUT] = 2, [PUT_BATCH] = 1, [GET_MANY] = 3, [FORWARD] = 3, [ACK] = 1, [RECOVER] = 1}},
    {"replace1", LIMITS(6, 3, 4), SHAPE(3, 2, 16, 1), CROWD(4, 2, 7),
     .weight = {[PUT] = 3, [GET_ONE] = 4, [REPLACE] = 4, [ACK] = 1, [RECOVER] = 1}},
    {"replace", LIMITS(6, 3, 4), SHAPE(3, 2, 16, 1), CROWD(4, 2, 7),
     .weight = {[PUT] = 2, [PUT_BATCH] = 1, [GET_MANY] = 3, [REPLACE] = 3, [ACK] = 1, [RECOVER] = 1}},
    {"reserve", LIMITS(6, 4, 4), SHAPE(2, 2, 16, 2), CROWD(3, 2, 12),
     .weight = {[RESERVE] = 4,
                [PUBLISH] = 3,
                [CANCEL] = 1,
                [GET_MANY] = 2,
                [ACK] = 2,
                [STALE] = 2,
                [RECOVER] = 1,
                [REJOIN] = 1}},
    {"take", LIMITS(6, 4, 4), SHAPE(2, 2, 16, 1), CROWD(4, 2, 7),
     .weight = {[PUT] = 2, [PUT_BATCH] = 2, [TAKE] = 4, [GET_ONE] = 1, [RETURN] = 1, [RECOVER] = 1}},
    {"sizes", LIMITS(5, 4, 4), SHAPE(2, 1, 120, 1), CROWD(4, 2, 7), .classes = {{16, 4}, {120, 2}},
     .weight = {[PUT] = 3, [PUT_BATCH] = 2, [GET_ONE] = 2, [GET_MANY] = 1, [ACK] = 3, [RETURN] = 1, [RECOVER] = 1}},
    {"wait", LIMITS(4, 2, 3), SHAPE(3, 2, 8, 2), CROWD(4, 1, 8), .unhurt = true,
     .weight = {[PUT] = 3,
                [PUT_BATCH] = 1,
                [WAIT_RECORDS] = 3,
                [WAIT_CREDITS] = 3,
                [GET_ONE] = 3,
                [GET_MANY] = 2,
                [ACK] = 4,
                [RETURN] = 1}},
    {"waitkill", LIMITS(4, 2, 3), SHAPE(3, 2, 8, 2), CROWD(4, 2, 8),
     .weight = {[PUT] = 3,
                [PUT_BATCH] = 1,
                [WAIT_RECORDS] = 3,
                [WAIT_CREDITS] = 3,
                [GET_ONE] = 3,
                [GET_MANY] = 2,
                [ACK] = 4,
                [RECOVER] = 1}},
    {"publish", LIMITS(8, 8, 8), SHAPE(2, 1, 8, 2), CROWD(6, 0, 5), .doomed = 3,
     .weight = {[PUT] = 4, [GET_ONE] = 1, [RETURN] = 1, [RECOVER] = 4}},
    {"reseat", LIMITS(6, 3, 4), SHAPE(2, 1, 8, 2), CROWD(3, 4, 6),
     .weight = {[PUT] = 4, [GET_ONE] = 2, [ACK] = 2, [RECOVER] = 4, [REJOIN] = 2}},
    {"tight", LIMITS(6, 4, 4), SHAPE(2, 1, 8, 2), CROWD(3, 4, 6), .tight = true,
     .weight = {[PUT] = 3, [PUT_BATCH] = 1, [GET_ONE] = 2, [ACK] = 2, [RESERVE] = 1, [RECOVER] = 1, [REJOIN] = 1}},
    {"rounds", LIMITS(3, 3, 3), SHAPE(3, 2, 8, 2), CROWD(3, 0, 8), .unhurt = true, .rounds = true,
     .weight = {[PUT] = 1}},
    {"limits", LIMITS(6, 4, 5), SHAPE(3, 2, 8, 1), CROWD(4, 2, 8),
     .weight = {[PUT] = 5,
                [PUT_BATCH] = 2,
                [RESERVE] = 1,
                [PUBLISH] = 1,
                [GET_ONE] = 4,
                [GET_MANY] = 2,
                [ACK] = 5,
                [RETURN] = 1,
                [FORWARD] = 2,
                [REPLACE] = 1,
                [LIMIT] = 4,
                [STATE] = 1,
                [RECOVER] = 1,
                [REJOIN] = 1}},
    {"limitwait", LIMITS(6, 4, 5), SHAPE(2, 2, 8, 2), CROWD(4, 0, 8), .unhurt = true,
     .weight = {[PUT] = 4, [PUT_BATCH] = 1, [WAIT_CREDITS] = 3, [GET_ONE] = 4, [GET_MANY] = 1, [ACK] = 4, [LIMIT] = 3}},
    {"recover", LIMITS(4, 2, 3), SHAPE(2, 1, 8, 1), CROWD(5, 2, 5),
     .weight = {[PUT] = 2, [PUT_BATCH] = 1, [GET_ONE] = 2, [ACK] = 2, [RECOVER] = 4}},
    {"deaths", LIMITS(6, 4, 6), SHAPE(2, 1, 8, 3), CROWD(6, 2, 8), .doomed = 4,
     .weight = {[PUT] = 4, [GET_ONE] = 4, [RETURN] = 1, [ACK] = 1, [RECOVER] = 2}},
    {"names", LIMITS(4, 2, 3), SHAPE(3, 2, 8, 1), CROWD(4, 3, 5),
     .weight = {[NAME] = 6, [PUT] = 1, [RECOVER] = 1, [REJOIN] = 1}},
    {"mixed1", LIMITS(7, 4, 5), SHAPE(3, 2, 16, 1), CROWD(4, 3, 8),
     .weight = {[PUT] = 3,
                [PUT_BATCH] = 2,
                [RESERVE] = 1,
                [PUBLISH] = 1,
                [GET_ONE] = 4,
                [ACK] = 3,
                [RETURN] = 2,
                [RELEASE] = 1,
                [FORWARD] = 2,
                [REPLACE] = 1,
                [STALE] = 1,
                [RECOVER] = 1,
                [AUDIT] = 1,
                [STATE] = 1,
                [NAME] = 1,
                [REJOIN] = 1}},
    {"mixed", LIMITS(7, 4, 5), SHAPE(3, 2, 16, 1), CROWD(4, 3, 8),
     .weight = {[PUT] = 3,
                [PUT_BATCH] = 2,
                [RESERVE] = 1,
                [PUBLISH] = 1,
                [CANCEL] = 1,
                [GET_ONE] = 2,
                [GET_MANY] = 2,
                [TAKE] = 1,
                [ACK] = 3,
                [RETURN] = 2,
                [RELEASE] = 1,
                [FORWARD] = 2,
                [REPLACE] = 1,
                [STALE] = 1,
                [RECOVER] = 1,
                [AUDIT] = 1,
                [STATE] = 1,
                [NAME] = 1,
                [REJOIN] = 1}},
    {"position1", LIMITS(6, 4, 5), SHAPE(3, 2, 8, 1), CROWD(5, 3, 8), .positions = true,
     .weight = {[PUT] = 4,
                [GET_ONE] = 4,
                [ACK] = 3,
                [FORWARD] = 1,
                [REPLACE] = 2,
                [RETURN] = 1,
                [RECOVER] = 2,
                [PROGRESS] = 4,
                [REJOIN] = 1}},
    {"position", LIMITS(8, 6, 6), SHAPE(3, 2, 16, 1), CROWD(5, 3, 8), .positions = true,
     .weight = {[PUT] = 1,
                [PUT_BATCH] = 4,
                [GET_ONE] = 3,
                [GET_MANY] = 3,
                [TAKE] = 1,
                [ACK] = 3,
                [FORWARD] = 1,
                [REPLACE] = 3,
                [RETURN] = 1,
                [RECOVER] = 2,
                [PROGRESS] = 5,
                [REJOIN] = 1}},
    {"position2", LIMITS(5, 5, 5), SHAPE(3, 1, 8, 0), CROWD(5, 3, 10), .positions = true,
     .weight = {[PUT_BATCH] = 3,
                [RESERVE] = 1,
                [PUBLISH] = 1,
                [CANCEL] = 1,
                [GET_ONE] = 4,
                [GET_MANY] = 2,
                [ACK] = 2,
                [REPLACE] = 5,
                [RECOVER] = 1,
                [PROGRESS] = 5,
                [OPEN] = 1,
                [REJOIN] = 1}},
    {"smallest", LIMITS(2, 2, 2), SHAPE(2, 1, 8, 1), CROWD(5, 0, 1), .systematic = true, .weight = {[PUT] = 1}},
    {"any", LIMITS(6, 3, 4), SHAPE(3, 2, 16, 1), CROWD(4, 3, 8), .weight = {[PUT] = 1}},
};
const int scenario_count = sizeof scenarios / sizeof scenarios[0];

void scenario_draw(struct scenario *s, uint64_t seed)
{
    sim_reset(seed / ANY_BLOCK * 2654435761u + 99);
    s->stage = 1 + sim_below(6);
    s->source = 1 + sim_below(6);
    s->total = 1 + sim_below(9);
    s->stages = 2 + sim_below(3);
    s->sources = 1 + sim_below(3);
    s->payload = 8 + sim_below(3) * 20;
    s->retries = sim_below(3);
    s->starters = 2 + (int)sim_below(4);
    s->late = (int)sim_below(4);
    s->operations = 3 + (int)sim_below(9);
    s->tight = !sim_below(4);
    s->doomed = sim_below(3) ? 0 : sim_below((unsigned)s->starters);
    for (int o = 0; o < OPS; o++)
        s->weight[o] = sim_below(3) ? sim_below(5) : 0;
    s->weight[WAIT_RECORDS] = s->weight[WAIT_CREDITS] = 0;
    s->positions = sim_below(2);
    if (!s->positions)
        s->weight[OPEN] = s->weight[PROGRESS] = 0;
    s->weight[PUT]++;
    s->weight[GET_ONE]++;
    if (sim_below(4) || s->payload < 48)
        s->classes[0].bytes = 0;
    else {
        s->classes[0] = (struct cvb_class){16, s->total};
        s->classes[1] = (struct cvb_class){s->payload, 1 + s->total / 2};
    }
}
